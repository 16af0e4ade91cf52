/* SPDX-License-Identifier: BSD-2-Clause
 * Kinds that are objects of their own: pipes, eventfd, timerfd, epoll, ... */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "kindtest.h"

#define DIR_ "/tmp/vps-kinds"

/* Puts `fd` at number `num`. */
static int
at(int fd, int num)
{
	int r;

	if (fd < 0 || fd == num)
		return fd;
	r = dup2(fd, num);
	(void)close(fd);
	return r;
}

static int
is_ready(int fd, short ev)
{
	struct pollfd p = {.fd = fd, .events = ev};

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

/* pipes */

static int
pipe_setup(void *sh)
{
	int p[2];

	(void)sh;
	/* 10/11: content, a bigger size, non-blocking reader */
	KT_ASSERT(pipe(p) == 0 && at(p[0], 10) == 10 && at(p[1], 11) == 11);
	KT_ASSERT(fcntl(10, F_SETPIPE_SZ, 1 << 18) == 1 << 18);
	KT_ASSERT(fcntl(10, F_SETFL, O_NONBLOCK) == 0);
	KT_ASSERT(write(11, "hello ", 6) == 6 && write(11, "pipe", 4) == 4);
	/* 12: shares a description with 10 */
	KT_ASSERT(dup2(10, 12) == 12 && fcntl(12, F_SETFD, FD_CLOEXEC) == 0);
	/* 13: writer is gone */
	KT_ASSERT(pipe(p) == 0 && at(p[0], 13) == 13);
	KT_ASSERT(write(p[1], "last", 4) == 4 && close(p[1]) == 0);
	/* 14: reader is gone */
	KT_ASSERT(pipe(p) == 0 && at(p[1], 14) == 14 && close(p[0]) == 0);
	/* 15/16: packets */
	KT_ASSERT(pipe2(p, O_DIRECT) == 0 && at(p[0], 15) == 15 &&
		  at(p[1], 16) == 16);
	KT_ASSERT(write(16, "one", 3) == 3 && write(16, "three", 5) == 5);
	/* 17: one description for both */
	KT_ASSERT(pipe(p) == 0);
	KT_ASSERT(at(open("/proc/self/fd/3", O_RDWR), 17) == 17);
	KT_ASSERT(close(p[0]) == 0 && close(p[1]) == 0);
	KT_ASSERT(write(17, "both", 4) == 4);
	/* 18/19: full */
	KT_ASSERT(pipe2(p, O_NONBLOCK) == 0 && at(p[0], 18) == 18 &&
		  at(p[1], 19) == 19);
	for (int i = 0; i < 65536; i++)
		KT_ASSERT(write(19, &i, 1) == 1);
	KT_ASSERT(write(19, "x", 1) < 0 && errno == EAGAIN);
	return 0;
}

static int
pipe_verify(void *sh)
{
	char b[65536];

	(void)sh;
	(void)signal(SIGPIPE, SIG_IGN);
	KT_ASSERT(fcntl(10, F_GETFL) == (O_RDONLY | O_NONBLOCK));
	KT_ASSERT(fcntl(11, F_GETFL) == O_WRONLY);
	KT_ASSERT(fcntl(11, F_GETPIPE_SZ) == 1 << 18);
	KT_ASSERT(read(10, b, sizeof(b)) == 10 && !memcmp(b, "hello pipe", 10));
	KT_ASSERT(read(10, b, 1) < 0 && errno == EAGAIN);
	KT_ASSERT(fcntl(10, F_GETFD) == 0 && fcntl(12, F_GETFD) == FD_CLOEXEC);
	KT_ASSERT(fcntl(12, F_SETFL, 0) == 0 && fcntl(10, F_GETFL) == 0);
	KT_ASSERT(close(11) == 0 && read(12, b, 1) == 0);
	KT_ASSERT(read(13, b, 9) == 4 && !memcmp(b, "last", 4));
	KT_ASSERT(read(13, b, 9) == 0);
	KT_ASSERT(write(14, b, 1) < 0 && errno == EPIPE);
	KT_ASSERT(fcntl(16, F_GETFL) == (O_WRONLY | O_DIRECT));
	KT_ASSERT(fcntl(15, F_GETFL) == O_RDONLY);
	KT_ASSERT(read(15, b, 99) == 3 && !memcmp(b, "one", 3));
	KT_ASSERT(read(15, b, 99) == 5 && !memcmp(b, "three", 5));
	KT_ASSERT((fcntl(17, F_GETFL) & O_ACCMODE) == O_RDWR);
	KT_ASSERT(read(17, b, 99) == 4 && !memcmp(b, "both", 4));
	KT_ASSERT(write(17, "more", 4) == 4 && read(17, b, 99) == 4);
	KT_ASSERT(write(19, "x", 1) < 0 && errno == EAGAIN);
	KT_ASSERT(read(18, b, sizeof(b)) == 65536);
	for (int i = 0; i < 65536; i++)
		KT_ASSERT(b[i] == (char)i);
	return 0;
}

static int
test_pipe(void)
{
	return kt_simple(pipe_setup, pipe_verify);
}

/* One pipe in two processes, opened before they were two. */
static int
half_setup(void *sh)
{
	int *n = sh, p[2];
	char path[64];

	if (n[0] == 0) {
		n[0] = getpid();
		KT_ASSERT(
		    pipe(p) == 0 && at(p[1], 20) == 20 && at(p[0], 21) == 21);
		return 0;
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/21", n[0]);
	KT_ASSERT(at(open(path, O_RDONLY), 30) == 30);
	return 0;
}

static int
half_close(void *sh)
{
	(void)sh;
	KT_ASSERT(write(20, "across", 6) == 6 && close(21) == 0);
	return 0;
}

static int
half_verify(void *sh)
{
	char b[9];

	(void)sh;
	KT_ASSERT(read(30, b, 9) == 6 && !memcmp(b, "across", 6));
	KT_ASSERT(is_ready(30, POLLIN) == 0);
	return 0;
}

static int
half_more(void *sh)
{
	(void)sh;
	KT_ASSERT(write(20, "again", 5) == 5);
	return 0;
}

static int
half_end(void *sh)
{
	char b[9];

	(void)sh;
	KT_ASSERT(read(30, b, 9) == 5);
	return 0;
}

static int
test_pipe_two(void)
{
	struct kt *kt = kt_new();
	pid_t a = kt_spawn(kt), b = kt_spawn(kt);
	int r;

	*(int *)kt_shared(kt) = 0;
	r = kt_run(kt, a, half_setup);
	if (r == 0)
		r = kt_run(kt, b, half_setup);
	if (r == 0)
		r = kt_run(kt, a, half_close);
	if (r == 0)
		r = kt_cr(kt);
	if (r == 0)
		r = kt_run(kt, b, half_verify);
	if (r == 0)
		r = kt_run(kt, a, half_more);
	if (r == 0)
		r = kt_run(kt, b, half_end);
	kt_free(kt);
	return r;
}

static int
fifo_setup(void *sh)
{
	(void)sh;
	(void)mkdir(DIR_, 0700);
	(void)unlink(DIR_ "/f");
	(void)unlink(DIR_ "/g");
	KT_ASSERT(mkfifo(DIR_ "/f", 0640) == 0 && mkfifo(DIR_ "/g", 0600) == 0);
	KT_ASSERT(at(open(DIR_ "/f", O_RDONLY | O_NONBLOCK), 10) == 10);
	KT_ASSERT(at(open(DIR_ "/f", O_WRONLY), 11) == 11);
	KT_ASSERT(fcntl(10, F_SETFL, 0) == 0);
	KT_ASSERT(write(11, "fifo", 4) == 4);
	KT_ASSERT(at(open(DIR_ "/g", O_RDWR), 12) == 12);
	KT_ASSERT(write(12, "gone", 4) == 4 && unlink(DIR_ "/g") == 0);
	return 0;
}

static int
fifo_verify(void *sh)
{
	char b[9];

	(void)sh;
	KT_ASSERT(fcntl(10, F_GETFL) == 0100000);
	KT_ASSERT(fcntl(11, F_GETFL) == (O_WRONLY | 0100000));
	KT_ASSERT(read(10, b, 9) == 4 && !memcmp(b, "fifo", 4));
	KT_ASSERT(close(11) == 0 && read(10, b, 9) == 0);
	KT_ASSERT(at(open(DIR_ "/f", O_WRONLY | O_NONBLOCK), 11) == 11);
	KT_ASSERT(write(11, "x", 1) == 1 && read(10, b, 9) == 1);
	KT_ASSERT(read(12, b, 9) == 4 && !memcmp(b, "gone", 4));
	KT_ASSERT(access(DIR_ "/g", F_OK) < 0);
	return 0;
}

static int
test_fifo(void)
{
	return kt_simple(fifo_setup, fifo_verify);
}

/* eventfd, signalfd */

static int
ev_setup(void *sh)
{
	sigset_t m;

	(void)sh;
	KT_ASSERT(at(eventfd(0, 0), 10) == 10);
	KT_ASSERT(at(eventfd(7, EFD_NONBLOCK), 11) == 11);
	KT_ASSERT(at(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK), 12) == 12);
	KT_ASSERT(at(eventfd(0, EFD_NONBLOCK), 13) == 13);
	KT_ASSERT(eventfd_write(13, UINT64_MAX - 1) == 0);
	(void)sigemptyset(&m);
	(void)sigaddset(&m, SIGUSR1);
	(void)sigaddset(&m, SIGRTMAX);
	KT_ASSERT(at(signalfd(-1, &m, SFD_NONBLOCK), 14) == 14);
	KT_ASSERT(sigprocmask(SIG_BLOCK, &m, NULL) == 0);
	return 0;
}

static int
ev_verify(void *sh)
{
	struct signalfd_siginfo si;
	eventfd_t v;
	sigset_t m;

	(void)sh;
	KT_ASSERT(is_ready(10, POLLIN) == 0);
	KT_ASSERT(eventfd_read(11, &v) == 0 && v == 7);
	KT_ASSERT(eventfd_read(11, &v) < 0 && errno == EAGAIN);
	for (int i = 0; i < 3; i++)
		KT_ASSERT(eventfd_read(12, &v) == 0 && v == 1);
	KT_ASSERT(eventfd_read(12, &v) < 0 && errno == EAGAIN);
	KT_ASSERT(is_ready(13, POLLOUT) == 0);
	KT_ASSERT(eventfd_read(13, &v) == 0 && v == UINT64_MAX - 1);
	(void)sigemptyset(&m);
	(void)sigaddset(&m, SIGUSR1);
	(void)sigaddset(&m, SIGUSR2);
	(void)sigaddset(&m, SIGRTMAX);
	(void)sigprocmask(SIG_BLOCK, &m, NULL);
	KT_ASSERT(raise(SIGUSR2) == 0 && is_ready(14, POLLIN) == 0);
	KT_ASSERT(raise(SIGRTMAX) == 0);
	KT_ASSERT(read(14, &si, sizeof(si)) == sizeof(si) &&
		  (int)si.ssi_signo == SIGRTMAX);
	KT_ASSERT(read(14, &si, sizeof(si)) < 0 && errno == EAGAIN);
	return 0;
}

static int
test_eventfd(void)
{
	return kt_simple(ev_setup, ev_verify);
}

/* timerfd */

static int64_t
ms_left(int fd)
{
	struct itimerspec t;

	if (timerfd_gettime(fd, &t) < 0)
		return -1;
	return t.it_value.tv_sec * 1000 + t.it_value.tv_nsec / 1000000;
}

static int
tfd_setup(void *sh)
{
	struct itimerspec t = {{0, 0}, {3600, 0}};
	struct timespec now;

	(void)sh;
	KT_ASSERT(at(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), 10) == 10);
	KT_ASSERT(timerfd_settime(10, 0, &t, NULL) == 0);
	KT_ASSERT(at(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), 11) == 11);
	KT_ASSERT(timerfd_settime(11, 0, &t, NULL) == 0);
	/* absolute, cancelled when the clock is set */
	KT_ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
	t.it_value.tv_sec = now.tv_sec + 1800;
	KT_ASSERT(at(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), 12) == 12);
	KT_ASSERT(
	    timerfd_settime(12, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &t,
		NULL) == 0);
	/* expired several times */
	t = (struct itimerspec){{0, 2000000}, {0, 2000000}};
	KT_ASSERT(at(timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK), 13) == 13);
	KT_ASSERT(timerfd_settime(13, 0, &t, NULL) == 0);
	/* expired once */
	t = (struct itimerspec){{0, 0}, {0, 1}};
	KT_ASSERT(at(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), 14) == 14);
	KT_ASSERT(timerfd_settime(14, 0, &t, NULL) == 0);
	/* not armed */
	KT_ASSERT(at(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), 15) == 15);
	return poll(NULL, 0, 30) == 0 ? 0 : -1;
}

static int
tfd_verify(void *sh)
{
	struct itimerspec t;
	uint64_t n;

	(void)sh;
	KT_ASSERT(ms_left(10) > 3590000 && ms_left(10) < 3600000);
	KT_ASSERT(ms_left(11) > 3590000 && ms_left(11) <= 3600000);
	KT_ASSERT(ms_left(12) > 1790000 && ms_left(12) <= 1800000);
	KT_ASSERT(
	    timerfd_gettime(13, &t) == 0 && t.it_interval.tv_nsec == 2000000);
	KT_ASSERT(read(13, &n, 8) == 8 && n >= 15);
	KT_ASSERT(poll(NULL, 0, 5) == 0 && read(13, &n, 8) == 8);
	KT_ASSERT(read(14, &n, 8) == 8 && n == 1);
	KT_ASSERT(read(14, &n, 8) < 0 && errno == EAGAIN);
	KT_ASSERT(ms_left(15) == 0 && is_ready(15, POLLIN) == 0);
	return 0;
}

static int
test_timerfd(void)
{
	return kt_simple(tfd_setup, tfd_verify);
}

/* epoll */

static int
ep_add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = {.events = events, .data = {.u64 = data}};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int
ep_setup(void *sh)
{
	struct epoll_event ev;
	int p[2];

	(void)sh;
	KT_ASSERT(at(epoll_create1(0), 10) == 10);
	KT_ASSERT(at(eventfd(0, 0), 11) == 11);
	KT_ASSERT(ep_add(10, 11, EPOLLIN, 0x1122334455667788) == 0);
	/* The number it was added by is closed, it lives on as 13. */
	KT_ASSERT(pipe(p) == 0 && at(p[0], 12) == 12 && at(p[1], 14) == 14);
	KT_ASSERT(ep_add(10, 12, EPOLLIN | EPOLLET, 12) == 0);
	KT_ASSERT(dup2(12, 13) == 13 && close(12) == 0);
	/* And the number is another file now, added by the same one. */
	KT_ASSERT(at(eventfd(0, 0), 12) == 12);
	KT_ASSERT(ep_add(10, 12, EPOLLIN, 120) == 0);
	/* One-shot that has shot, and one that has not. */
	KT_ASSERT(at(eventfd(1, 0), 15) == 15);
	KT_ASSERT(ep_add(10, 15, EPOLLIN | EPOLLONESHOT, 15) == 0);
	KT_ASSERT(epoll_wait(10, &ev, 1, 0) == 1 && ev.data.u64 == 15);
	KT_ASSERT(at(eventfd(0, 0), 16) == 16);
	KT_ASSERT(ep_add(10, 16, EPOLLIN | EPOLLONESHOT, 16) == 0);
	/* nested */
	KT_ASSERT(at(epoll_create1(EPOLL_CLOEXEC), 20) == 20);
	KT_ASSERT(ep_add(20, 10, EPOLLIN, 10) == 0);
	return 0;
}

static int
ep_next(int ep)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0) == 1 ? (int)ev.data.u64 : -1;
}

static int
ep_verify(void *sh)
{
	struct epoll_event ev;
	eventfd_t v;

	(void)sh;
	KT_ASSERT(ep_next(20) == -1 && ep_next(10) == -1);
	KT_ASSERT(eventfd_write(11, 1) == 0 && ep_next(20) == 10);
	KT_ASSERT(epoll_wait(10, &ev, 1, 0) == 1 &&
		  ev.data.u64 == 0x1122334455667788 && ev.events == EPOLLIN);
	KT_ASSERT(ep_next(10) == 0x55667788); /* level */
	KT_ASSERT(eventfd_read(11, &v) == 0 && ep_next(10) == -1);
	KT_ASSERT(write(14, "x", 1) == 1 && ep_next(10) == 12);
	KT_ASSERT(ep_next(10) == -1); /* edge */
	KT_ASSERT(eventfd_write(12, 1) == 0 && ep_next(10) == 120);
	KT_ASSERT(eventfd_read(12, &v) == 0);
	KT_ASSERT(eventfd_write(15, 1) == 0 && ep_next(10) == -1);
	KT_ASSERT(eventfd_write(16, 1) == 0 && ep_next(10) == 16);
	KT_ASSERT(ep_next(10) == -1);
	/* by number: 12 is the later one */
	KT_ASSERT(epoll_ctl(10, EPOLL_CTL_DEL, 12, NULL) == 0);
	KT_ASSERT(
	    epoll_ctl(10, EPOLL_CTL_DEL, 12, NULL) < 0 && errno == ENOENT);
	KT_ASSERT(epoll_ctl(10, EPOLL_CTL_DEL, 11, NULL) == 0);
	return 0;
}

static int
test_epoll(void)
{
	return kt_simple(ep_setup, ep_verify);
}

/* inotify */

static int
ino_setup(void *sh)
{
	(void)sh;
	(void)mkdir(DIR_, 0700);
	(void)mkdir(DIR_ "/a b", 0700);
	KT_ASSERT(close(open(DIR_ "/file", O_CREAT | O_WRONLY, 0600)) == 0);
	KT_ASSERT(at(inotify_init1(IN_NONBLOCK), 10) == 10);
	KT_ASSERT(inotify_add_watch(10, "/etc", IN_CREATE) == 1);
	KT_ASSERT(inotify_add_watch(10, DIR_ "/a b", IN_CREATE) == 2);
	KT_ASSERT(
	    inotify_add_watch(10, DIR_ "/file", IN_MODIFY | IN_ONESHOT) == 3);
	KT_ASSERT(inotify_add_watch(10, DIR_, IN_DELETE | IN_EXCL_UNLINK) == 4);
	KT_ASSERT(inotify_rm_watch(10, 1) == 0);
	char b[100];
	KT_ASSERT(read(10, b, sizeof(b)) > 0);
	return 0;
}

static int
ino_verify(void *sh)
{
	_Alignas(struct inotify_event) char b[400];
	const struct inotify_event *v = (const void *)b;
	int fd;

	(void)sh;
	KT_ASSERT(read(10, b, sizeof(b)) < 0 && errno == EAGAIN);
	KT_ASSERT(close(open(DIR_ "/a b/new", O_CREAT | O_WRONLY, 0600)) == 0);
	KT_ASSERT(read(10, b, sizeof(b)) > 0 && v->wd == 2 &&
		  v->mask == IN_CREATE && strcmp(v->name, "new") == 0);
	fd = open(DIR_ "/file", O_WRONLY);
	KT_ASSERT(write(fd, "x", 1) == 1 && close(fd) == 0);
	KT_ASSERT(read(10, b, sizeof(b)) == 2 * sizeof(*v) && v->wd == 3 &&
		  v->mask == IN_MODIFY && v[1].mask == IN_IGNORED);
	KT_ASSERT(unlink(DIR_ "/file") == 0);
	KT_ASSERT(
	    read(10, b, sizeof(b)) > 0 && v->wd == 4 && v->mask == IN_DELETE);
	KT_ASSERT(inotify_add_watch(10, "/etc", IN_CREATE) == 5);
	(void)unlink(DIR_ "/a b/new");
	(void)rmdir(DIR_ "/a b");
	return 0;
}

static int
test_inotify(void)
{
	return kt_simple(ino_setup, ino_verify);
}

static int
ino_unread(void *sh)
{
	(void)sh;
	KT_ASSERT(mkdir(DIR_ "/u", 0700) == 0);
	KT_ASSERT(at(inotify_init1(IN_NONBLOCK), 10) == 10);
	KT_ASSERT(inotify_add_watch(10, DIR_, IN_DELETE) == 1);
	KT_ASSERT(rmdir(DIR_ "/u") == 0);
	return 0;
}

static int
test_inotify_unread(void)
{
	return kt_refused(ino_unread, "events that the program doesn't read");
}

/* pidfd: shared memory passes the pids */

static int
pidfd_setup(void *sh)
{
	pid_t dead = fork(), *other = sh;

	if (dead == 0)
		_exit(3);
	KT_ASSERT(at((int)syscall(SYS_pidfd_open, getpid(), 0), 10) == 10);
	KT_ASSERT(at((int)syscall(SYS_pidfd_open, dead, O_NONBLOCK), 11) == 11);
	KT_ASSERT(at((int)syscall(SYS_pidfd_open, *other, 0), 12) == 12);
	KT_ASSERT(waitpid(dead, NULL, 0) == dead);
	return 0;
}

static int
pidfd_verify(void *sh)
{
	(void)sh;
	KT_ASSERT(is_ready(10, POLLIN) == 0 && is_ready(12, POLLIN) == 0);
	KT_ASSERT(syscall(SYS_pidfd_send_signal, 10, 0, NULL, 0) == 0);
	KT_ASSERT(is_ready(11, POLLIN) & POLLIN);
	KT_ASSERT(fcntl(11, F_GETFL) & O_NONBLOCK);
	KT_ASSERT(syscall(SYS_pidfd_send_signal, 11, 0, NULL, 0) < 0 &&
		  errno == ESRCH);
	return 0;
}

static int
pidfd_kill(void *sh)
{
	(void)sh;
	KT_ASSERT(syscall(SYS_pidfd_send_signal, 12, SIGKILL, NULL, 0) == 0);
	struct pollfd p = {.fd = 12, .events = POLLIN};
	KT_ASSERT(poll(&p, 1, 5000) == 1);
	return 0;
}

static int
test_pidfd(void)
{
	struct kt *kt = kt_new();
	pid_t a = kt_spawn(kt), b = kt_spawn(kt);
	int r;

	*(pid_t *)kt_shared(kt) = b;
	r = kt_run(kt, a, pidfd_setup);
	if (r == 0 && kt_check(kt) != 0) {
		fprintf(stderr, "%s", kt_objections(kt));
		r = -1;
	}
	if (r == 0)
		r = kt_cr(kt);
	if (r == 0)
		r = kt_run(kt, a, pidfd_verify);
	if (r == 0)
		r = kt_run(kt, a, pidfd_kill);
	kt_free(kt);
	return r;
}

static int
outside_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(syscall(SYS_pidfd_open, getppid(), 0) > 0);
	return 0;
}

static int
test_pidfd_outside(void)
{
	return kt_refused(outside_setup, "outside the instance");
}

static int
uring_setup(void *sh)
{
	uint8_t params[120] = {0};

	(void)sh;
	if (syscall(SYS_io_uring_setup, 4, params) < 0)
		return 77;
	return 0;
}

static int
test_refused(void)
{
	int r = kt_refused(uring_setup, "io_uring");

	if (r == 77)
		fprintf(stderr, "no io_uring here\n");
	return r;
}

int
main(int argc, char **argv)
{
	static const struct kt_test tests[] = {
	    {"pipe", test_pipe},
	    {"pipe-two", test_pipe_two},
	    {"fifo", test_fifo},
	    {"eventfd", test_eventfd},
	    {"timerfd", test_timerfd},
	    {"epoll", test_epoll},
	    {"inotify", test_inotify},
	    {"inotify-unread", test_inotify_unread},
	    {"pidfd", test_pidfd},
	    {"pidfd-outside", test_pidfd_outside},
	    {"refused", test_refused},
	};

	return kt_main(tests, ARRAY_LEN(tests), argc > 1 ? argv[1] : NULL);
}
