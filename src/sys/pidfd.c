/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/pidfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"

int
sys_pidfd_open(pid_t pid)
{
	long r = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */

	return r < 0 ? -errno : (int)r;
}

int
sys_pidfd_open_task(pid_t tid)
{
	int r = sys_pidfd_open(tid);

	if (r == -EINVAL || r == -ENOENT) {
		long fd = syscall(SYS_pidfd_open, tid, O_EXCL);

		r = fd < 0 ? -errno : (int)fd; /* O_EXCL: PIDFD_THREAD */
	}
	return r;
}

int
sys_pidfd_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno
								       : 0;
}

int
sys_pidfd_getfd(int pidfd, int num)
{
	long r = syscall(SYS_pidfd_getfd, pidfd, num, 0);

	return r < 0 ? -errno : (int)r;
}

int
sys_pidfd_wait(int pidfd, int timeout_ms)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int r;

	do
		r = poll(&p, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

int
sys_proc_id(pid_t pid, struct sys_proc_id *ret)
{
	char path[40], s[1024], *p;
	int i, r;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	r = file_read_str(AT_FDCWD, path, s, sizeof(s));
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	/* The name in field 2 may hold anything, ')' and blanks too. */
	p = strrchr(s, ')');
	for (i = 2; p != NULL && i < 22; i++)
		p = strchr(p + 1, ' ');
	if (p == NULL)
		return -EBADMSG;
	p[1 + strcspn(p + 1, " ")] = '\0';
	r = str_u64(p + 1, 10, &ret->start);
	if (r < 0)
		return -EBADMSG;
	ret->pid = pid;
	return 0;
}

int
sys_proc_open(const struct sys_proc_id *p)
{
	struct sys_proc_id now;
	auto_close int fd = -1;
	int r;

	if (p->pid <= 0)
		return -ESRCH;
	fd = sys_pidfd_open(p->pid);
	if (fd < 0)
		return fd;
	/* Read after the pidfd is open: it can't change its owner unseen. */
	r = sys_proc_id(p->pid, &now);
	if (r < 0)
		return r;
	if (now.start != p->start)
		return -ESRCH;
	return take_fd(&fd);
}
