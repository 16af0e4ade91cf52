/* SPDX-License-Identifier: BSD-2-Clause
 * Signals: actions with flags and masks, ignored ones, pending ones with what
 * was sent along, for the process and for a thread, the alternate stack. */
#include <sys/syscall.h>

#include "payload.h"

static volatile int seen[3], nseen;
static volatile int on_alt;
static char alt[65536];

static void
on_rt(int sig, siginfo_t *si, void *uc)
{
	char here;

	(void)uc;
	if (nseen < 3)
		seen[nseen++] = si->si_value.sival_int * 100 + (sig - SIGRTMIN);
	on_alt = &here >= alt && &here < alt + sizeof(alt);
}

int
main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_rt,
			     .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK},
			 got;
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};
	union sigval v;
	sigset_t set, pend;
	siginfo_t si;
	struct timespec zero = {0};

	pl_init(argc, argv);
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR1);
	sigaddset(&sa.sa_mask, SIGRTMIN + 2);
	pl_ok(sigaltstack(&ss, NULL));
	pl_ok(sigaction(SIGRTMIN + 1, &sa, NULL));
	pl_ok(sigaction(SIGRTMIN + 2, &sa, NULL));
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGRTMIN + 2);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGUSR1);
	pl_ok(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 1; i <= 3; i++) {
		v.sival_int = i;
		pl_ok(sigqueue(getpid(), SIGRTMIN + 1 + i % 2, v));
	}
	pl_ok(kill(getpid(), SIGUSR2));
	pl_ok(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
	pl_wait();
	pl_ok(sigpending(&pend));
	pl_check(sigismember(&pend, SIGUSR1) && sigismember(&pend, SIGUSR2));
	pl_check(!sigismember(&pend, SIGTERM) && !sigismember(&pend, SIGCHLD));
	pl_ok(sigaction(SIGRTMIN + 1, NULL, &got));
	pl_check(got.sa_sigaction == on_rt);
	pl_eq(got.sa_flags & ~0x04000000, sa.sa_flags);
	pl_check(sigismember(&got.sa_mask, SIGUSR1));
	pl_check(!sigismember(&got.sa_mask, SIGUSR2));
	pl_ok(sigaction(SIGHUP, NULL, &got));
	pl_check(got.sa_handler == SIG_IGN);
	pl_ok(sigaction(SIGQUIT, NULL, &got));
	pl_check(got.sa_handler == SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	/* The C library's function would make SI_USER of SI_TKILL. */
	pl_eq(syscall(SYS_rt_sigtimedwait, &set, &si, &zero, 8), SIGUSR1);
	pl_eq(si.si_code, SI_TKILL);
	pl_eq(si.si_pid, getpid());
	sigaddset(&set, SIGUSR2);
	pl_eq(sigtimedwait(&set, &si, &zero), SIGUSR2);
	pl_eq(si.si_code, SI_USER);
	pl_eq(si.si_pid, getpid());
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGRTMIN + 2);
	pl_ok(sigprocmask(SIG_UNBLOCK, &set, NULL));
	pl_eq(nseen, 3);
	pl_eq(seen[0], 201);
	pl_eq(seen[1], 102);
	pl_eq(seen[2], 302);
	pl_check(on_alt);
	return pl_pass();
}
