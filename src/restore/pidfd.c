/* SPDX-License-Identifier: BSD-2-Clause
 * pidfd_open(2). */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/rst.h"

static int
pidfd_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_pidfd *v = f->rec;
	pid_t pid = (pid_t)v->pid;
	long fd;

	(void)r;
	if (pid == 0) {
		/* Of a process that is gone: one that goes at once. */
		pid = fork();
		if (pid == 0)
			_exit(0);
		if (pid < 0)
			return vps_err_set(e, -errno, "fork");
	}
	/* PIDFD_THREAD is O_EXCL; PIDFD_NONBLOCK is set with the flags. */
	fd = syscall(SYS_pidfd_open, pid, v->thread ? O_EXCL : 0);
	if (fd < 0)
		fd = -errno;
	if (v->pid == 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (fd < 0)
		return vps_err_set(e, (int)fd, "pidfd of process %d", pid);
	f->fd = (int)fd;
	return 0;
}

const struct rst_kind rst_pidfd = {.number = VD_T_pidfd, .make = pidfd_make};
