/* SPDX-License-Identifier: BSD-2-Clause
 * Files that the kernel makes up: see snapst/procfile.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

/* Some of these files can't seek but be read. */
static int
set_position(int fd, int64_t pos)
{
	char buf[4096];

	if (pos <= 0 || lseek(fd, pos, SEEK_SET) == pos)
		return 0;
	while (pos > 0) {
		size_t want = sizeof(buf);
		ssize_t n;

		if ((uint64_t)pos < want)
			want = (size_t)pos;
		n = read(fd, buf, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0; /* shorter than it was: at its end */
		pos -= n;
	}
	return 0;
}

/* The same file of a process that dies at once. */
static int
open_dead(struct rst *r, const char *path, int flags, struct vps_err *e)
{
	const char *rest;
	char other[PATH_MAX];
	pid_t pid;
	int fd = -1, rc, skip = 0;

	rc = sscanf(path, "/proc/%*d%n", &skip);
	rest = path + skip;
	if (rc == EOF || skip == 0 || rest[0] != '/')
		return vps_err_say(e, -EBADMSG, "%s", path);
	pid = fork();
	if (pid < 0)
		return vps_err_set(e, -errno, "fork");
	if (pid == 0)
		for (;;)
			(void)pause();
	rc = snprintf(other, sizeof(other), "/proc/%d%s", pid, rest);
	if (rc < 0 || (size_t)rc >= sizeof(other))
		rc = vps_err_set(e, -ENAMETOOLONG, "%s", path);
	else
		rc = fd = rst_open(r, other, flags, e);
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return rc < 0 ? rc : fd;
}

static int
open_ns(struct rst *r, const char *name, int flags, struct vps_err *e)
{
	char path[64];
	int fd;

	(void)r;
	if (strchr(name, '/') != NULL ||
	    (size_t)snprintf(path, sizeof(path), "/proc/self/ns/%s", name) >=
		sizeof(path))
		return vps_err_say(e, -EBADMSG, "namespace %s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? vps_err_set(e, -errno, "%s", path) : fd;
}

static int
procfile_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	int flags = (int)f->f->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC);
	const struct vd_procfile *v = f->rec;
	auto_close int fd = -1;
	int rc;

	if (v->ns[0] != '\0')
		fd = open_ns(r, v->ns, flags, e);
	else if (v->dead)
		fd = open_dead(r, v->path, flags, e);
	else
		fd = rst_open(r, v->path, flags, e);
	if (fd < 0)
		return fd;
	if (!v->dead && v->ns[0] == '\0') {
		rc = set_position(fd, f->f->pos);
		if (rc < 0)
			return vps_err_set(e, rc, "%s: position", v->path);
	}
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_procfile = {
    .number = VD_T_procfile, .make = procfile_make};
