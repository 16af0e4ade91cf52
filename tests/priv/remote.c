/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables of system calls in a stopped task: results reach the tracer, the task
 * goes on as if nothing had been, also when its tracer dies in the middle.
 */
#include "sys/remote.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sys/ptrace.h"

static int
child_sleep(void)
{
	struct timespec ts = {0, 300000000}, a, b;
	long ns;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	if (nanosleep(&ts, NULL) != 0)
		return 1;
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	ns = (b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec;
	return ns < 300000000L || ns > 450000000L ? 2 : 0;
}

static int
child_count(void)
{
	/* floating point state must survive */
	double x = 1.0;

	for (volatile long i = 0; i < 300000000L; i++)
		x = x * 1.0000000001 + 0.0;
	return x > 1.0 && x < 2.0 ? 0 : 3;
}

static int
mask_left(void)
{
	sigset_t mask;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	return sigismember(&mask, SIGTERM) ? 4 : 0;
}

static pid_t
child_new(int (*fn)(void))
{
	pid_t pid = fork();
	int r;

	assert(pid >= 0);
	if (pid == 0) {
		r = fn();
		_exit(r != 0 ? r : mask_left());
	}
	return pid;
}

static void
stop(struct sys_tracee *t)
{
	int status;

	assert(sys_ptrace_seize(t->tid, PTRACE_O_TRACESYSGOOD) == 0);
	assert(sys_ptrace_interrupt(t->tid) == 0);
	assert(sys_ptrace_wait(t->tid, &status) == 0);
	assert(sys_tracee_get(t, 0, 0) == 0);
}

static void
inject(pid_t pid, int die)
{
	struct sys_tracee t = {.tid = pid};
	struct sys_remote m;
	struct sys_rcalls c;
	unsigned failed = 99, i0, i1;
	size_t off;

	stop(&t);
	assert(sys_remote_open(&m, pid, getauxval(AT_SYSINFO_EHDR), 0) == 0);
	assert(sys_rcalls_init(&c) == 0);
	i0 = sys_radd(&c, SYS_getpid);
	off = sys_rdata(&c, NULL, 64);
	i1 = sys_radd(&c, SYS_getcwd, RA_DATA(off), RA_VAL(64));
	(void)sys_radd(&c, SYS_kill, RA_PREV(i0), RA_VAL(0));
	if (die) {
		/* long enough for us to die while it runs */
		struct timespec ts = {0, 50000000};
		size_t o2 = sys_rdata(&c, &ts, sizeof(ts));
		pid_t killer = fork();

		if (killer == 0) {
			(void)usleep(10000);
			(void)kill(getppid(), SIGKILL);
			_exit(0);
		}
		(void)sys_radd(&c, SYS_nanosleep, RA_DATA(o2), RA_VAL(0));
	}
	assert(sys_remote_run(&m, &t, &c, &failed, NULL, NULL) == 0);
	assert(!die);
	assert(c.call[i0].ret == pid && c.call[i1].ret > 0);
	assert(strlen(sys_rptr(&c, off)) > 0);
	sys_rcalls_reset(&c);
	(void)sys_radd(&c, SYS_getpid);
	(void)sys_radd(&c, SYS_close, RA_VAL(12345));
	(void)sys_radd(&c, SYS_getpid);
	assert(sys_remote_run(&m, &t, &c, &failed, NULL, NULL) == -EBADF);
	assert(failed == 1);
	sys_rcalls_reset(&c);
	(void)sys_radd(&c, SYS_close, RA_VAL(12345));
	sys_rmay_fail(&c);
	assert(sys_remote_run(&m, &t, &c, &failed, NULL, NULL) == 0);
	assert(c.call[0].ret == -EBADF);
	assert(sys_tracee_put(&t) == 0);
	assert(sys_remote_close(&m, pid) == 0);
	assert(sys_ptrace_detach(pid, 0) == 0);
	sys_rcalls_fini(&c);
	sys_tracee_fini(&t);
}

/* While we are in the one system call of sys_remote_call(). */
static void
die_in_call(pid_t pid)
{
	static const struct timespec ts = {0, 50000000};
	const uint64_t arg[6] = {(uint64_t)(uintptr_t)&ts};
	struct sys_tracee t = {.tid = pid};
	struct sys_remote m;
	int64_t ret;
	pid_t killer;

	stop(&t);
	assert(sys_remote_attach(&m, pid, getauxval(AT_SYSINFO_EHDR), 0) == 0);
	assert(sys_remote_call(&m, pid, SYS_getpid, arg, &ret) == 0);
	assert(ret == pid);
	killer = fork();
	if (killer == 0) {
		(void)usleep(10000);
		(void)kill(getppid(), SIGKILL);
		_exit(0);
	}
	(void)sys_remote_call(&m, pid, SYS_nanosleep, arg, &ret);
	assert(!"alive");
}

static int
outcome(pid_t pid)
{
	int status;

	assert(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

int
main(void)
{
	int (*const kinds[])(void) = {child_sleep, child_count};

	for (unsigned i = 0; i < 2; i++) {
		for (int die = 0; die < 3; die++) {
			pid_t pid = child_new(kinds[i]);
			int r;

			(void)usleep(20000);
			if (die) {
				pid_t tracer = fork();

				if (tracer == 0) {
					if (die == 1)
						inject(pid, 1);
					else
						die_in_call(pid);
					_exit(0);
				}
				assert(outcome(tracer) == 100 + SIGKILL);
			} else {
				inject(pid, 0);
			}
			r = outcome(pid);
			if (r != 0) {
				printf("kind %u die %d: %d\n", i, die, r);
				return 1;
			}
		}
	}
	return 0;
}
