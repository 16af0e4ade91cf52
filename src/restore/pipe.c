/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pipes and FIFOs. Both ends of a pipe are made for the first record of it,
 * and each record takes the one that it needs; what no record took is closed
 * when all have been made, so that a pipe whose reader is gone is so again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

struct pipe_slot {
	bool made, filled;
	bool taken[2]; /* the description that pipe2() made is used */
	int end[2];    /* owned until filled */
	bool packets;  /* an end has O_DIRECT */
	const struct vd_pipe *first;
};

static int
make_pipe(struct pipe_slot *p, const struct vd_pipe *v)
{
	if (pipe2(p->end, O_CLOEXEC) < 0)
		return -errno;
	/* Its owner counts where /proc/PID/fd is opened. */
	if (fchown(p->end[0], v->uid, v->gid) < 0 ||
	    fchmod(p->end[0], v->mode & 07777) < 0)
		return -errno;
	return 0;
}

/* A FIFO without a name is one that had one for a moment. */
static int
open_gone(struct rst *r, const struct vd_pipe *v, struct vps_err *e)
{
	char path[PATH_MAX], name[64];
	auto_close int dir = -1;
	struct stat st;
	int fd;

	if (v->path[0] != '/' || strlen(v->path) >= sizeof(path))
		return vps_err_say(e, -EBADMSG, "removed FIFO: path");
	(void)strcpy(path, v->path);
	while (dir < 0) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			return vps_err_set(e, -ENOENT, "%s", v->path);
		*slash = '\0';
		dir = rst_open(r, path[0] == '\0' ? "/" : path,
		    O_RDONLY | O_DIRECTORY, NULL);
	}
	(void)snprintf(name, sizeof(name), ".vps-fifo-%u", v->id);
	if (fstat(dir, &st) < 0 || mkfifoat(dir, name, 0600) < 0)
		return vps_err_set(e, -errno, "make removed FIFO %s", v->path);
	fd = openat(dir, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	(void)unlinkat(dir, name, 0);
	(void)futimens(dir, (struct timespec[]){st.st_atim, st.st_mtim});
	if (fd < 0)
		return vps_err_set(e, -errno, "removed FIFO %s", v->path);
	(void)fchown(fd, v->uid, v->gid);
	(void)fchmod(fd, v->mode & 07777);
	return fd;
}

static int
open_fifo(struct rst *r, struct pipe_slot *p, const struct vd_pipe *v,
    struct vps_err *e)
{
	struct stat st;

	if (v->gone)
		p->end[0] = open_gone(r, v, e);
	else
		p->end[0] = rst_open(r, v->path, O_RDWR | O_NONBLOCK, e);
	if (p->end[0] < 0)
		return p->end[0];
	if (fstat(p->end[0], &st) < 0 || !S_ISFIFO(st.st_mode))
		return vps_err_say(
		    e, -EBADMSG, "%s: isn't a FIFO any more", v->path);
	/* Opened for both: never handed out as it is. */
	p->end[1] = fcntl(p->end[0], F_DUPFD_CLOEXEC, 3);
	p->taken[0] = p->taken[1] = true;
	return p->end[1] < 0 ? vps_err_set(e, -errno, "%s", v->path) : 0;
}

static int
make_object(struct rst *r, struct pipe_slot *p, const struct vd_pipe *v,
    struct vps_err *e)
{
	int rc;

	p->end[0] = p->end[1] = -1;
	p->first = v;
	p->made = true;
	if (v->path[0] != '\0') {
		rc = open_fifo(r, p, v, e);
		if (rc < 0)
			return rc;
	} else {
		rc = make_pipe(p, v);
		if (rc < 0)
			return vps_err_set(e, rc, "pipe");
	}
	if (fcntl(p->end[1], F_GETPIPE_SZ) != (int)v->size &&
	    fcntl(p->end[1], F_SETPIPE_SZ, (int)v->size) < 0)
		return vps_err_set(e, -errno, "pipe of %u bytes", v->size);
	return 0;
}

static int
pipe_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_pipe *v = f->rec;
	int mode = (int)f->f->flags & O_ACCMODE, end = mode == O_WRONLY, rc;
	struct pipe_slot *p = rst_slot(r, VD_T_pipe, v->object, sizeof(*p));
	char path[64];

	if (p == NULL)
		return vps_err_set(e, -ENOMEM, "pipe");
	if (!p->made) {
		rc = make_object(r, p, v, e);
		if (rc < 0)
			return rc;
	}
	p->packets = p->packets || (f->f->flags & O_DIRECT);
	/* What pipe2() made looks a little different from what open() makes:
	 * without O_LARGEFILE. */
	if (mode != O_RDWR && !p->taken[end] &&
	    !(f->f->flags & 0100000 /* the kernel's O_LARGEFILE */)) {
		p->taken[end] = true;
		f->fd = fcntl(p->end[end], F_DUPFD_CLOEXEC, 3);
	} else {
		(void)snprintf(
		    path, sizeof(path), "/proc/self/fd/%d", p->end[end]);
		/* O_NONBLOCK until all are there; the flags come later. */
		f->fd = open(path, mode | O_NONBLOCK | O_CLOEXEC);
	}
	return f->fd < 0 ? vps_err_set(e, -errno, "end of a pipe") : 0;
}

static int
write_part(int fd, const uint8_t *p, size_t n)
{
	ssize_t w;

	do {
		w = write(fd, p, n);
	} while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	return (size_t)w == n ? 0 : -ENOSPC;
}

static int
fill(const struct pipe_slot *p, int fd)
{
	const struct vd_pipe *v = p->first;
	size_t done = 0;
	int rc = 0;

	if (!p->packets)
		return v->data.n > 0 ? write_part(fd, v->data.p, v->data.n) : 0;
	for (size_t i = 0; i < v->n_part && rc == 0; i++) {
		if (v->part[i] == 0 || v->part[i] > v->data.n - done)
			return -EBADMSG;
		rc = write_part(fd, v->data.p + done, v->part[i]);
		done += v->part[i];
	}
	return rc;
}

/* The end that is written to is of our own: the flags of those that are
 * handed out stay. */
static int
fill_object(struct pipe_slot *p)
{
	char path[64];
	auto_close int fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", p->end[1]);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* open() doesn't take O_DIRECT for a pipe. */
	if (p->packets && fcntl(fd, F_SETFL, O_NONBLOCK | O_DIRECT) < 0)
		return -errno;
	return fill(p, fd);
}

static int
pipe_link(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_pipe *v = f->rec;
	struct pipe_slot *p = rst_slot(r, VD_T_pipe, v->object, sizeof(*p));
	int rc;

	if (p->filled)
		return 0;
	p->filled = true;
	rc = fill_object(p);
	for (int i = 0; i < 2; i++)
		if (p->end[i] >= 0)
			(void)close(take_fd(&p->end[i]));
	return rc < 0 ? vps_err_set(e, rc, "content of a pipe") : 0;
}

const struct rst_kind rst_pipe = {
    .number = VD_T_pipe, .make = pipe_make, .link = pipe_link};
