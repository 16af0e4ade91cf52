/* SPDX-License-Identifier: BSD-2-Clause
 * Who gets SIGIO, and which signal it is. */
#include "payload.h"

static volatile sig_atomic_t got, got_fd;

static void
on_sig(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	got = sig;
	got_fd = si->si_fd;
}

int
main(int argc, char **argv)
{
	struct sigaction sa = {.sa_sigaction = on_sig, .sa_flags = SA_SIGINFO};
	struct f_owner_ex own = {.type = F_OWNER_PID, .pid = getpid()};
	int p[2], q[2];

	pl_init(argc, argv);
	pl_ok(sigaction(SIGUSR1, &sa, NULL));
	pl_ok(pipe(p));
	pl_ok(pipe(q));
	pl_ok(fcntl(p[0], F_SETOWN_EX, &own));
	pl_ok(fcntl(p[0], F_SETSIG, SIGUSR1));
	pl_ok(fcntl(p[0], F_SETFL, O_ASYNC));
	pl_ok(fcntl(q[0], F_SETOWN, -getpgrp()));
	pl_wait();
	own.pid = 0;
	pl_ok(fcntl(p[0], F_GETOWN_EX, &own));
	pl_eq(own.type, F_OWNER_PID);
	pl_eq(own.pid, getpid());
	pl_eq(fcntl(p[0], F_GETFL), O_ASYNC);
	pl_eq(fcntl(p[0], F_GETSIG), SIGUSR1);
	pl_eq(fcntl(q[0], F_GETOWN), -getpgrp());
	pl_eq(write(p[1], "x", 1), 1);
	pl_eq(got, SIGUSR1);
	pl_eq(got_fd, p[0]);
	return pl_pass();
}
