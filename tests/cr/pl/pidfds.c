/* SPDX-License-Identifier: BSD-2-Clause
 * pidfds: of the process itself, of a child, of a zombie, of one that is gone.
 */
#include <poll.h>
#include <sys/syscall.h>

#include "payload.h"

static int
ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return pl_ok(poll(&p, 1, 0));
}

static int
sig(int fd, int n)
{
	return (int)syscall(SYS_pidfd_send_signal, fd, n, NULL, 0);
}

int
main(int argc, char **argv)
{
	int self, of_child, of_zombie, of_gone;
	pid_t child, zombie, gone;
	siginfo_t si;

	pl_init(argc, argv);
	self = (int)pl_ok(syscall(SYS_pidfd_open, getpid(), 0));
	child = pl_ok(fork());
	if (child == 0)
		for (;;)
			pause();
	of_child = (int)pl_ok(syscall(SYS_pidfd_open, child, 0));
	gone = pl_ok(fork());
	if (gone == 0)
		_exit(0);
	of_gone = (int)pl_ok(syscall(SYS_pidfd_open, gone, O_NONBLOCK));
	pl_join(gone);
	zombie = pl_ok(fork());
	if (zombie == 0)
		_exit(5);
	of_zombie = (int)pl_ok(syscall(SYS_pidfd_open, zombie, 0));
	pl_ok(waitid(P_PID, (id_t)zombie, &si, WEXITED | WNOWAIT));
	pl_wait();
	pl_eq(ready(self), 0);
	pl_ok(sig(self, 0));
	pl_eq(ready(of_child), 0);
	pl_ok(sig(of_child, SIGKILL));
	pl_ok(waitid((idtype_t)3 /* P_PIDFD */, (id_t)of_child, &si, WEXITED));
	pl_eq(si.si_pid, child);
	pl_eq(si.si_status, SIGKILL);
	pl_eq(ready(of_child), 1);
	pl_eq(ready(of_gone), 1);
	pl_eq(sig(of_gone, 0), -1);
	pl_eq(errno, ESRCH);
	pl_check(fcntl(of_gone, F_GETFL) & O_NONBLOCK);
	pl_eq(ready(of_zombie), 1);
	pl_ok(waitid((idtype_t)3, (id_t)of_zombie, &si, WEXITED));
	pl_eq(si.si_status, 5);
	return pl_pass();
}
