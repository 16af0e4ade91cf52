/* SPDX-License-Identifier: BSD-2-Clause
 * eventfd, signalfd, timerfd, epoll (one in another), inotify. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "payload.h"

int
main(int argc, char **argv)
{
	struct itimerspec ts = {.it_value = {1000, 0}, .it_interval = {5, 6}},
			  past = {.it_value = {0, 1000000}}, now;
	struct epoll_event ev[8], in;
	struct signalfd_siginfo si;
	int e1, e2, s, t1, t2, ep, outer, ino, wd, p[2];
	char buf[4096];
	uint64_t v;
	sigset_t set;

	pl_init(argc, argv);
	e1 = pl_ok(eventfd(7, EFD_NONBLOCK | EFD_CLOEXEC));
	e2 = pl_ok(eventfd(3, EFD_SEMAPHORE));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pl_ok(sigprocmask(SIG_BLOCK, &set, NULL));
	s = pl_ok(signalfd(-1, &set, SFD_NONBLOCK));
	pl_ok(kill(getpid(), SIGUSR1));
	t1 = pl_ok(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	pl_ok(timerfd_settime(t1, 0, &ts, NULL));
	t2 = pl_ok(timerfd_create(CLOCK_REALTIME, 0));
	pl_ok(timerfd_settime(t2, 0, &past, NULL));
	pl_ok(pipe(p));
	ep = pl_ok(epoll_create1(EPOLL_CLOEXEC));
	in = (struct epoll_event){
	    .events = EPOLLIN, .data.u64 = 0x1111222233334444};
	pl_ok(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &in));
	in = (struct epoll_event){.events = EPOLLIN | EPOLLET, .data.u64 = 2};
	pl_ok(epoll_ctl(ep, EPOLL_CTL_ADD, e1, &in));
	/* Watched, though its descriptor is closed here. */
	in = (struct epoll_event){.events = EPOLLIN, .data.u64 = 3};
	pl_ok(epoll_ctl(ep, EPOLL_CTL_ADD, t1, &in));
	outer = pl_ok(epoll_create1(0));
	in = (struct epoll_event){.events = EPOLLIN, .data.u64 = 4};
	pl_ok(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &in));
	ino = pl_ok(inotify_init1(IN_NONBLOCK));
	wd = pl_ok(inotify_add_watch(ino, ".", IN_CREATE | IN_DELETE));
	usleep(20000);
	pl_wait();
	pl_eq(fcntl(e1, F_GETFD), FD_CLOEXEC);
	pl_eq(read(t2, &v, 8), 8);
	pl_eq(v, 1);
	pl_ok(timerfd_gettime(t1, &now));
	pl_check(now.it_value.tv_sec > 900 && now.it_value.tv_sec <= 1000);
	pl_eq(now.it_interval.tv_sec, 5);
	pl_eq(now.it_interval.tv_nsec, 6);
	pl_eq(read(t1, &v, 8), -1);
	pl_eq(errno, EAGAIN);
	pl_eq(epoll_wait(ep, ev, 8, 1000), 1);
	pl_eq(ev[0].data.u64, 2);
	pl_eq(epoll_wait(ep, ev, 8, 0), 0);
	pl_eq(read(e1, &v, 8), 8);
	pl_eq(v, 7);
	pl_eq(read(e1, &v, 8), -1);
	for (int i = 0; i < 3; i++) {
		pl_eq(read(e2, &v, 8), 8);
		pl_eq(v, 1);
	}
	pl_eq(write(p[1], "x", 1), 1);
	pl_eq(epoll_wait(outer, ev, 8, 1000), 1);
	pl_eq(ev[0].data.u64, 4);
	pl_eq(epoll_wait(ep, ev, 8, 1000), 1);
	pl_check(ev[0].data.u64 == 0x1111222233334444);
	pl_eq(read(s, &si, sizeof(si)), sizeof(si));
	pl_eq(si.ssi_signo, SIGUSR1);
	pl_eq(read(s, &si, sizeof(si)), -1);
	pl_ok(creat("made", 0600));
	pl_check(read(ino, buf, sizeof(buf)) > 0);
	pl_eq(((struct inotify_event *)(void *)buf)->wd, wd);
	pl_check(
	    (((struct inotify_event *)(void *)buf)->mask & IN_CREATE) != 0);
	pl_eq(inotify_add_watch(ino, ".", IN_CREATE | IN_DELETE), wd);
	return pl_pass();
}
