/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pid 1 of an instance without INIT: reaps what is orphaned. SIGTERM shuts the
 * instance down: everything else gets SIGTERM and, when all are gone, it ends.
 * Without a C library: a few KiB, copied into memory at each start.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static long
sc(long nr, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return r;
}

#define BIT(sig) (1UL << ((sig)-1))

static void
reap(void)
{
	while (sc(SYS_wait4, -1, 0, WNOHANG, 0) > 0)
		;
}

void _start(void) __attribute__((noreturn, force_align_arg_pointer));

void
_start(void)
{
	unsigned long set = BIT(SIGCHLD) | BIT(SIGTERM);
	struct timespec ts = {0, 10000000};
	const struct timespec *wait = NULL;
	long sig;

	(void)sc(SYS_rt_sigprocmask, SIG_SETMASK, (long)&set, 0, sizeof(set));
	for (;;) {
		sig = sc(SYS_rt_sigtimedwait, (long)&set, 0, (long)wait,
		    sizeof(set));
		reap();
		if (sig == SIGTERM) {
			(void)sc(SYS_kill, -1, SIGTERM, 0, 0);
			wait = &ts;
		}
		/* Who was entered from outside is no child of ours. */
		if (wait != NULL && sc(SYS_kill, -1, 0, 0, 0) == -ESRCH)
			(void)sc(SYS_exit_group, 0, 0, 0, 0);
	}
}
