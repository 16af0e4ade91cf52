/* SPDX-License-Identifier: BSD-2-Clause
 * System calls that were waiting: none ends with EINTR or before its time, and
 * none waits much longer than it should. One child for each. */
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "payload.h"

#define SECS 3

static int quiet[2]; /* nothing ever comes through it */

static int
w_nanosleep(void)
{
	struct timespec t = {.tv_sec = SECS};

	return nanosleep(&t, NULL) < 0 ? -errno : 0;
}

static int
w_nanosleep_abs(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += SECS;
	return -clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static int
w_poll(void)
{
	struct pollfd p = {.fd = quiet[0], .events = POLLIN};

	return poll(&p, 1, SECS * 1000) < 0 ? -errno : 0;
}

static int
w_select(void)
{
	struct timeval t = {.tv_sec = SECS};
	fd_set s;

	FD_ZERO(&s);
	FD_SET(quiet[0], &s);
	return select(quiet[0] + 1, &s, NULL, NULL, &t) < 0 ? -errno : 0;
}

static int
w_epoll(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int fd = epoll_create1(0);

	epoll_ctl(fd, EPOLL_CTL_ADD, quiet[0], &ev);
	return epoll_wait(fd, &ev, 1, SECS * 1000) < 0 ? -errno : 0;
}

static int
w_futex(void)
{
	struct timespec t = {.tv_sec = SECS};
	int word = 5;

	if (syscall(SYS_futex, &word, FUTEX_WAIT, 5, &t, NULL, 0) < 0 &&
	    errno != ETIMEDOUT)
		return -errno;
	return 0;
}

static int
w_sigtimedwait(void)
{
	struct timespec t = {.tv_sec = SECS};
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	if (sigtimedwait(&s, NULL, &t) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static int
w_recv(void)
{
	struct timeval t = {.tv_sec = SECS};
	int sv[2];
	char c;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, sv) < 0)
		return -errno;
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (recv(sv[0], &c, 1, 0) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void);
} what[] = {
    {"nanosleep", w_nanosleep},
    {"clock_nanosleep, absolute", w_nanosleep_abs},
    {"poll", w_poll},
    {"select", w_select},
    {"epoll_wait", w_epoll},
    {"futex", w_futex},
    {"sigtimedwait", w_sigtimedwait},
    {"recv with a timeout", w_recv},
};
#define N (sizeof(what) / sizeof(*what))

int
main(int argc, char **argv)
{
	pid_t pid[N];

	pl_init(argc, argv);
	pl_ok(pipe(quiet));
	for (size_t i = 0; i < N; i++) {
		pid[i] = pl_ok(fork());
		if (pid[i] == 0) {
			int64_t t = pl_now_ns(CLOCK_MONOTONIC);
			int r = what[i].fn();

			t = (pl_now_ns(CLOCK_MONOTONIC) - t) / 1000000;
			if (r < 0)
				pl_fail("%s: %s", what[i].name, strerror(-r));
			/* Twice as long would be a wait started anew; a loaded
			 * machine is allowed for. */
			if (t < SECS * 1000 - 5 || t > SECS * 1000 + 2500)
				pl_fail("%s took %lld ms instead of %d",
				    what[i].name, (long long)t, SECS * 1000);
			_exit(0);
		}
	}
	pl_wait();
	for (size_t i = 0; i < N; i++)
		pl_join(pid[i]);
	return pl_pass();
}
