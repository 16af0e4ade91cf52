/* SPDX-License-Identifier: BSD-2-Clause
 * What an epoll watches: a target whose number is closed while the file lives
 * on, another file under the same number, one-shot targets that have shot and
 * that have not, an edge that has been seen. */
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "payload.h"

static void
add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	pl_ok(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

/* The data of the one event that is there, or -1. */
static long long
next(int ep)
{
	struct epoll_event ev[4];
	int n = pl_ok(epoll_wait(ep, ev, 4, 0));

	pl_check(n <= 1);
	return n == 0 ? -1 : (long long)ev[0].data.u64;
}

int
main(int argc, char **argv)
{
	int ep, p[2], again, other, shot, unshot;
	eventfd_t v;
	char c;

	pl_init(argc, argv);
	ep = pl_ok(epoll_create1(0));
	pl_ok(pipe(p));
	add(ep, p[0], EPOLLIN | EPOLLET, 1);
	again = pl_ok(fcntl(p[0], F_DUPFD, 40));
	pl_ok(close(p[0]));
	other = pl_ok(eventfd(0, 0));
	pl_eq(other, p[0]);
	add(ep, other, EPOLLIN, 0x1122334455667788);
	shot = pl_ok(eventfd(1, 0));
	add(ep, shot, EPOLLIN | EPOLLONESHOT, 3);
	pl_eq(next(ep), 3);
	unshot = pl_ok(eventfd(0, 0));
	add(ep, unshot, EPOLLIN | EPOLLONESHOT, 4);
	pl_wait();
	pl_eq(next(ep), -1);
	pl_eq(write(p[1], "x", 1), 1);
	pl_eq(next(ep), 1);
	pl_eq(next(ep), -1);
	pl_eq(read(again, &c, 1), 1);
	pl_ok(eventfd_write(other, 1));
	pl_eq(next(ep), 0x1122334455667788);
	pl_eq(next(ep), 0x1122334455667788);
	pl_ok(eventfd_read(other, &v));
	pl_ok(eventfd_write(shot, 1));
	pl_eq(next(ep), -1);
	pl_ok(eventfd_write(unshot, 1));
	pl_eq(next(ep), 4);
	pl_eq(next(ep), -1);
	/* A target is known by its number too. */
	pl_ok(epoll_ctl(ep, EPOLL_CTL_DEL, other, NULL));
	pl_eq(epoll_ctl(ep, EPOLL_CTL_DEL, other, NULL), -1);
	pl_eq(errno, ENOENT);
	return pl_pass();
}
