/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/clone.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
	uint64_t stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

pid_t
sys_fork(uint64_t flags, int cgroup, int *ret_pidfd)
{
	return sys_fork_as(0, flags, cgroup, ret_pidfd);
}

pid_t
sys_fork_as(pid_t tid, uint64_t flags, int cgroup, int *ret_pidfd)
{
	int pidfd = -1;
	struct clone3_args a = {.flags = flags};
	long r;

	if (tid != 0) {
		a.set_tid = (uintptr_t)&tid;
		a.set_tid_size = 1;
	}
	/* CLONE_PARENT takes the exit signal of the caller's parent. */
	if ((flags & CLONE_PARENT) == 0)
		a.exit_signal = SIGCHLD;
	if (ret_pidfd != NULL) {
		a.flags |= CLONE_PIDFD;
		a.pidfd = (uintptr_t)&pidfd;
	}
	if (cgroup >= 0) {
		a.flags |= SYS_CLONE_INTO_CGROUP;
		a.cgroup = (uint64_t)cgroup;
	}
	r = syscall(SYS_clone3, &a, sizeof(a));
	if (r < 0)
		return -errno;
	if (r > 0 && ret_pidfd != NULL)
		*ret_pidfd = pidfd;
	return (pid_t)r;
}
