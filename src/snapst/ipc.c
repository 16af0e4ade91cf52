/* SPDX-License-Identifier: BSD-2-Clause
 *
 * System V objects and POSIX message queues aren't carried yet: each is named,
 * so that none is lost in silence. Only a process in the IPC namespace sees
 * them.
 */
#include "snapst/ipc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "snapst/snap_i.h"

#define TEXT_MAX 65536

static const struct {
	const char *file, *what;
} lists[] = {
    {"/proc/sysvipc/shm", "shared memory segment"},
    {"/proc/sysvipc/sem", "semaphore set"},
    {"/proc/sysvipc/msg", "message queue"},
};

/* A line of /proc/sysvipc/ begins with key and id. */
static void
tell_sysv(int out, const char *file, const char *what)
{
	auto_buf struct buf b = {0}, o = {0};
	char *line, *save = NULL;

	if (file_read(AT_FDCWD, file, &b, 1 << 20) < 0 || b.len == 0)
		return;
	(void)buf_str(&b);
	line = strtok_r((char *)b.data, "\n", &save); /* the heading */
	while ((line = strtok_r(NULL, "\n", &save)) != NULL) {
		int key, id;

		if (sscanf(line, "%d %d", &key, &id) == 2)
			buf_addf(&o, "System V %s %d (key 0x%x)\n", what, id,
			    (unsigned)key);
	}
	(void)fd_write_all(out, o.data, o.len);
}

static void
tell_mqueues(int out)
{
	auto_closedir DIR *d = NULL;
	struct dirent *x;
	char line[300];

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("mqueue", "/proc", "mqueue", 0, NULL) < 0)
		return;
	d = opendir("/proc");
	while (d != NULL && (x = readdir(d)) != NULL) {
		if (x->d_name[0] == '.')
			continue;
		(void)snprintf(
		    line, sizeof(line), "POSIX message queue /%s\n", x->d_name);
		(void)fd_write_all(out, line, strlen(line));
	}
}

static void
tell(int ns, int out)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	if (setns(ns, CLONE_NEWIPC) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		tell_sysv(out, lists[i].file, lists[i].what);
	tell_mqueues(out);
	_exit(0);
}

int
snap_ipc_list(struct snap *s, struct buf *ret)
{
	auto_close int ns = -1, in = -1, out = -1;
	char path[48];
	int p[2], st;
	ssize_t n;
	pid_t pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/ipc", snap_init(s));
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	in = p[0];
	out = p[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* a reader that was killed is to end the writing */
		(void)close(take_fd(&in));
		tell(ns, out);
	}
	(void)close(take_fd(&out));
	do {
		uint8_t *q = buf_reserve(ret, 4096);

		n = q == NULL ? -1 : read(in, q, 4096);
		if (n > 0)
			ret->len += (size_t)n;
	} while (n > 0 && ret->len < TEXT_MAX);
	(void)close(take_fd(&in));
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(st) || WEXITSTATUS(st) != 0)
		return -EIO;
	return buf_err(ret);
}

int
snap_ipc_check(struct snap *s)
{
	auto_buf struct buf b = {0};
	char *line, *save = NULL;
	int r = snap_ipc_list(s, &b);

	if (r < 0)
		return r;
	(void)buf_str(&b);
	for (line = b.len > 0 ? strtok_r((char *)b.data, "\n", &save) : NULL;
	     line != NULL; line = strtok_r(NULL, "\n", &save))
		snap_object_proc(s, NULL,
		    "%s can't be carried; end its program, or remove it by "
		    "ipcrm(1)",
		    line);
	return 0;
}

int
snap_ipc_dump(struct snap *s, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	int r = snap_ipc_list(s, &b);

	if (r < 0)
		return vps_err_set(e, r, "look for System V objects");
	if (b.len == 0)
		return 0;
	return vps_err_say(e, -EOPNOTSUPP, "%.*s can't be carried",
	    (int)strcspn(buf_str(&b), "\n"), buf_str(&b));
}
