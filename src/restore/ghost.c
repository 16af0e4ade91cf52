/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files that no name leads to: see snapst/ghost.c. Each is made when its record
 * comes, filled when its pages come, and gets what would stand in the way
 * (seals, times) at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

enum { KIND_FILE, KIND_MEMFD, KIND_SHM };

struct ghost {
	struct ghost *next;
	const struct vd_ghost *g; /* the reader's */
	int fd;                   /* owned, O_RDWR */
};

struct ghosts {
	struct ghost *first;
};

static struct ghosts *
ghosts_of(struct rst *r)
{
	return rst_slot(r, VD_T_ghost, 0, sizeof(struct ghosts));
}

static struct ghost *
ghost_of(struct rst *r, uint32_t id)
{
	struct ghosts *all = ghosts_of(r);

	for (struct ghost *g = all ? all->first : NULL; g != NULL; g = g->next)
		if (g->g->id == id)
			return g;
	return NULL;
}

void
rst_ghosts_fini(struct rst *r)
{
	struct ghosts *all = ghosts_of(r);

	while (all != NULL && all->first != NULL) {
		struct ghost *g = all->first;

		all->first = g->next;
		(void)close(g->fd);
		free(g);
	}
}

/* Under its old name if that is free, so that /proc shows the same as before.
 * The directory's times stay as they were. */
static int
make_named(int dir, const char *name)
{
	struct stat st;
	int fd;

	if (fstat(dir, &st) < 0)
		return -errno;
	fd = openat(dir, name,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)unlinkat(dir, name, 0);
	(void)futimens(dir, (struct timespec[]){st.st_atim, st.st_mtim});
	return fd;
}

static int
make_in(int dir, const char *name, const struct vd_ghost *g)
{
	char tmp[64];
	int fd;

	if (!g->linkable) {
		fd = make_named(dir, name);
		if (fd != -EEXIST)
			return fd;
	}
	fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR)
		return -errno;
	(void)snprintf(
	    tmp, sizeof(tmp), ".vps-unlinked-%u-%d", g->id, (int)getpid());
	return make_named(dir, tmp);
}

/* In the directory that it had been in, else in the nearest one above that is
 * still there and takes files. */
static int
make_file(struct rst *r, const struct vd_ghost *g, struct vps_err *e)
{
	char path[PATH_MAX], name[NAME_MAX + 1] = "x";
	bool first = true;
	int fd = -ENOENT;

	if (g->path[0] != '/' || strlen(g->path) >= sizeof(path))
		return vps_err_say(
		    e, -EBADMSG, "unlinked file %u: path", g->id);
	(void)strcpy(path, g->path);
	for (;;) {
		char *slash = strrchr(path, '/');
		auto_close int dir = -1;

		if (slash == NULL)
			return vps_err_set(
			    e, fd, "make unlinked file %s", g->path);
		if (first && slash[1] != '\0' &&
		    strlen(slash + 1) <= NAME_MAX && strcmp(slash, "/..") != 0)
			(void)strcpy(name, slash + 1);
		first = false;
		*slash = '\0';
		dir = rst_open(r, path[0] == '\0' ? "/" : path,
		    O_RDONLY | O_DIRECTORY, NULL);
		if (dir < 0)
			continue;
		fd = make_in(dir, name, g);
		if (fd >= 0)
			return fd;
	}
}

static int
make_memory(const struct vd_ghost *g, struct vps_err *e)
{
	const char *name = g->kind == KIND_MEMFD ? g->path : "shared memory";
	int fd;

	/* Whether sealing is allowed is a seal itself. */
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return vps_err_set(e, -errno, "memfd %s", name);
	return fd;
}

static int
set_attributes(int fd, const struct vd_ghost *g)
{
	if (ftruncate(fd, (off_t)g->size) < 0)
		return -errno;
	if (fchown(fd, g->uid, g->gid) < 0 || fchmod(fd, g->mode & 07777) < 0)
		return -errno;
	for (size_t i = 0; i < g->n_attrs; i++)
		if (fsetxattr(fd, g->attrs[i].name, g->attrs[i].value.p,
			g->attrs[i].value.n, 0) < 0)
			return -errno;
	return 0;
}

static int
ghost_take(struct rst *r, const void *rec, struct vps_err *e)
{
	struct ghosts *all = ghosts_of(r);
	const struct vd_ghost *v = rec;
	auto_close int fd = -1;
	struct ghost *g;
	int rc;

	if (v->id == 0 || v->id >= VD_GHOST_OBJ || v->size > INT64_MAX ||
	    ghost_of(r, v->id) != NULL)
		return vps_err_say(e, -EBADMSG, "unlinked file %u", v->id);
	fd = v->kind == KIND_FILE ? make_file(r, v, e) : make_memory(v, e);
	if (fd < 0)
		return fd;
	rc = set_attributes(fd, v);
	if (rc < 0)
		return vps_err_set(
		    e, rc, "attributes of unlinked file %s", v->path);
	g = malloc(sizeof(*g));
	if (all == NULL || g == NULL) {
		free(g);
		return vps_err_set(e, -ENOMEM, "unlinked files");
	}
	*g = (struct ghost){.next = all->first, .g = v, .fd = take_fd(&fd)};
	all->first = g;
	return 0;
}

const struct rst_rec rst_rec_ghost = {VD_T_ghost, ghost_take};

int
rst_ghost_open(struct rst *r, uint32_t id, int flags, struct vps_err *e)
{
	const struct ghost *g = ghost_of(r, id);
	char path[64];
	int fd;

	if (g == NULL)
		return vps_err_say(
		    e, -EBADMSG, "unlinked file %u isn't there", id);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", g->fd);
	/* The link is followed, and the file has no directory. */
	flags &= ~(O_NOFOLLOW | O_CREAT | O_EXCL | O_TRUNC);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return vps_err_set(
		    e, -errno, "open unlinked file %s", g->g->path);
	return fd;
}

static int
put_extent(const struct ghost *g, uint64_t at, const uint8_t *p, uint64_t len)
{
	if (at >= g->g->size)
		return -EBADMSG;
	/* The last page may reach beyond the end. */
	if (len > g->g->size - at)
		len = g->g->size - at;
	while (len > 0) {
		ssize_t n = pwrite(g->fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int
rst_ghosts_pages(struct rst *r, const struct vd_item *it, struct vps_err *e)
{
	const struct ghost *g = ghost_of(r, it->obj & ~VD_GHOST_OBJ);
	const uint8_t *p = it->data;

	if (g == NULL)
		return vps_err_say(e, -EBADMSG,
		    "pages of an unlinked file that isn't there (%#x)",
		    it->obj);
	for (size_t i = 0; i < it->nx; i++) {
		uint64_t len = it->x[i].npages * VD_PAGE;
		int rc = put_extent(g, it->x[i].addr, p, len);

		if (rc < 0)
			return vps_err_set(
			    e, rc, "contents of unlinked file %s", g->g->path);
		p += len;
	}
	return 0;
}

static struct timespec
time_of(int64_t ns)
{
	struct timespec t = {ns / 1000000000, ns % 1000000000};

	if (t.tv_nsec < 0) {
		t.tv_nsec += 1000000000;
		t.tv_sec--;
	}
	return t;
}

/* Nobody could execute it while it is open for writing here. */
static int
stop_writing(struct ghost *g)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", g->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	(void)close(g->fd);
	g->fd = fd;
	return 0;
}

int
rst_ghosts_finish(struct rst *r, struct vps_err *e)
{
	struct ghosts *all = ghosts_of(r);

	for (struct ghost *g = all ? all->first : NULL; g != NULL;
	     g = g->next) {
		struct timespec t[2] = {
		    time_of(g->g->atime_ns), time_of(g->g->mtime_ns)};
		int rc;

		if (futimens(g->fd, t) < 0)
			return vps_err_set(
			    e, -errno, "times of unlinked file %s", g->g->path);
		if (g->g->kind == KIND_MEMFD && g->g->seals != 0 &&
		    fcntl(g->fd, F_ADD_SEALS, (int)g->g->seals) < 0)
			return vps_err_set(
			    e, -errno, "seals of memfd %s", g->g->path);
		rc = stop_writing(g);
		if (rc < 0)
			return vps_err_set(
			    e, rc, "unlinked file %s", g->g->path);
	}
	return 0;
}
