/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/sockwas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "sys/freezer.h"
#include "sys/proc.h"
#include "sys/sockopt.h"
#include "sys/tcp.h"

#define FILE_NAME "socket"
#define OPTS_MAX  4

struct was {
	uint64_t cookie; /* 0: nothing is noted */
	uint64_t n;
	struct snap_opt v[OPTS_MAX];
};

static uint64_t
cookie_of(int fd)
{
	uint64_t c = 0;
	socklen_t n = sizeof(c);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &c, &n) < 0 ? 0 : c;
}

void
snap_sock_note(struct snap *s, int fd, const struct snap_opt *v, size_t n)
{
	int undo = snap_undo_dir(s);
	auto_close int file = -1;
	struct was w = {.n = n};

	if (undo < 0 || n > OPTS_MAX)
		return;
	w.cookie = cookie_of(fd);
	memcpy(w.v, v, n * sizeof(*v));
	file = openat(undo, FILE_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (file >= 0)
		(void)!pwrite(file, &w, sizeof(w), 0);
}

void
snap_sock_forget(int undo)
{
	if (undo >= 0)
		(void)unlinkat(undo, FILE_NAME, 0);
}

/* All sockets of a process; they are shared, so that one is enough. */
static void
put_back(pid_t pid, const struct was *w)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_free int *num = NULL;
	char path[32];
	int n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	n = pidfd < 0 ? pidfd : sys_numdir(-1, path, &num);
	for (int i = 0; i < n; i++) {
		auto_close int fd =
		    (int)syscall(SYS_pidfd_getfd, pidfd, num[i], 0);

		if (fd < 0 || cookie_of(fd) != w->cookie)
			continue;
		for (size_t k = 0; k < w->n && k < OPTS_MAX; k++)
			(void)sys_opt_put(
			    fd, w->v[k].level, w->v[k].name, w->v[k].val);
	}
}

int
snap_sock_undo(int cgroup, int undo, struct vps_err *e)
{
	auto_close int file = openat(undo, FILE_NAME, O_RDONLY | O_CLOEXEC);
	auto_free pid_t *pids = NULL;
	int n = sys_cgroup_pids(cgroup, &pids), r;
	struct was w = {0};

	if (n < 0)
		return vps_err_set(e, n, "list processes");
	if (file < 0 || fd_read_all(file, &w, sizeof(w)) < 0)
		w.cookie = 0;
	for (int i = 0; i < n; i++) {
		r = sys_tcp_unrepair(pids[i]);
		if (r < 0 && r != -ESRCH && r != -ENOENT)
			return vps_err_set(
			    e, r, "sockets of process %d", pids[i]);
		if (w.cookie != 0)
			put_back(pids[i], &w);
	}
	snap_sock_forget(undo);
	return 0;
}
