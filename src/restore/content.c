/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See content.h. Runs as the instance's root in the instance's namespaces,
 * before any of its processes: what an image says can only hurt the instance
 * itself. Still no link is followed, since a confused image should be told.
 *
 * The times of a directory are set when everything in it is there.
 */
#include "restore/content.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/auto.h"
#include "base/buf.h"

struct rst_name {
	struct rst_name *next;
	uint32_t id;
	char path[]; /* from the root */
};

static int
bad(const struct rst_content *c, const struct vd_inode *i, const char *what,
    struct vps_err *e)
{
	return vps_err_say(e, -EBADMSG, "image: %s: file %u (%s): %s", c->where,
	    i->id, i->name, what);
}

static int
fail(const struct rst_content *c, const struct vd_inode *i, const char *what,
    struct vps_err *e)
{
	return vps_err_set(e, -errno, "%s %s in %s", what,
	    i->dir == 0 ? "the root" : i->name, c->where);
}

static void
times_of(int64_t atime_ns, int64_t mtime_ns, struct timespec ts[2])
{
	const int64_t ns[2] = {atime_ns, mtime_ns};

	for (int k = 0; k < 2; k++) {
		int64_t rem = ns[k] % 1000000000;

		ts[k].tv_sec = ns[k] / 1000000000;
		if (rem < 0) {
			rem += 1000000000;
			ts[k].tv_sec--;
		}
		ts[k].tv_nsec = rem;
	}
}

static int
close_file(struct rst_content *c, struct vps_err *e)
{
	auto_close int fd = -1;
	struct timespec ts[2];

	if (c->id == 0)
		return 0;
	fd = take_fd(&c->file);
	c->id = 0;
	/* Writing has cleared set-id bits and capabilities. */
	if (fchmod(fd, c->mode & 07777) < 0 ||
	    (c->n_cap > 0 &&
		fsetxattr(fd, "security.capability", c->cap, c->n_cap, 0) < 0))
		return vps_err_set(e, -errno, "set the mode in %s", c->where);
	times_of(c->atime_ns, c->mtime_ns, ts);
	if (futimens(fd, ts) < 0)
		return vps_err_set(e, -errno, "set times in %s", c->where);
	return 0;
}

static int
leave_dir(struct rst_content *c, struct vps_err *e)
{
	struct timespec ts[2];
	int fd = c->dir[--c->depth].fd, r = 0;

	times_of(c->dir[c->depth].atime_ns, c->dir[c->depth].mtime_ns, ts);
	if (futimens(fd, ts) < 0)
		r = vps_err_set(e, -errno, "set times in %s", c->where);
	(void)close(fd);
	return r;
}

static int
enter_dir(
    struct rst_content *c, int fd, const struct vd_inode *i, struct vps_err *e)
{
	if (c->depth == RST_DEPTH_MAX) {
		(void)close(fd);
		return bad(c, i, "nested too deep", e);
	}
	c->dir[c->depth].fd = fd;
	c->dir[c->depth].id = i->id;
	c->dir[c->depth].atime_ns = i->atime_ns;
	c->dir[c->depth].mtime_ns = i->mtime_ns;
	/* Names have been checked; the root's is empty. */
	(void)strcpy(c->dir[c->depth].name, i->name);
	c->depth++;
	return 0;
}

void
rst_content_begin(
    struct rst_content *c, int root, uint32_t mount, const char *where)
{
	c->root = root;
	c->mount = mount;
	c->where = where;
	c->depth = 0;
	c->id = 0;
	c->file = -1;
	c->names = NULL;
}

int
rst_content_end(struct rst_content *c, struct vps_err *e)
{
	struct rst_name *n, *next;
	int r = 0, r2;

	if (c->mount == 0)
		return 0;
	r = close_file(c, e);
	while (c->depth > 0) {
		r2 = leave_dir(c, e);
		r = r < 0 ? r : r2;
	}
	for (n = c->names; n != NULL; n = next) {
		next = n->next;
		free(n);
	}
	c->names = NULL;
	c->mount = 0;
	return r;
}

/* A plain name: no way out of its directory. */
static bool
is_name(const char *s)
{
	return *s != '\0' && strchr(s, '/') == NULL && strcmp(s, ".") != 0 &&
	       strcmp(s, "..") != 0 && strlen(s) <= 255;
}

/* A descriptor with which one can do no more than name the file. */
static bool
only_path(const struct vd_inode *i)
{
	return !S_ISDIR(i->mode) && !S_ISREG(i->mode);
}

static int
set_xattrs(int fd, int dir, const struct vd_inode *i)
{
	char path[320];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, i->name);
	for (size_t k = 0; k < i->n_xattrs; k++) {
		const struct vd_xattr *x = &i->xattrs[k];
		int r;

		if (only_path(i))
			r = lsetxattr(path, x->name, x->value.p, x->value.n, 0);
		else
			r = fsetxattr(fd, x->name, x->value.p, x->value.n, 0);
		if (r < 0)
			return -1;
	}
	return 0;
}

/* Owner first: it clears set-id bits and capabilities. */
static int
set_attrs(struct rst_content *c, int fd, int dir, const struct vd_inode *i,
    struct vps_err *e)
{
	int r;

	if (fchownat(fd, "", i->uid, i->gid, AT_EMPTY_PATH) < 0)
		return fail(c, i, "set the owner of", e);
	if (S_ISLNK(i->mode))
		return 0;
	if (only_path(i)) /* not a link, so none is followed */
		r = fchmodat(dir, i->name, i->mode & 07777, 0);
	else
		r = fchmod(fd, i->mode & 07777);
	if (r < 0)
		return fail(c, i, "set the mode of", e);
	if (set_xattrs(fd, dir, i) < 0)
		return fail(c, i, "set attributes of", e);
	return 0;
}

static int
set_root(struct rst_content *c, const struct vd_inode *i, struct vps_err *e)
{
	int fd, r;

	if (c->depth != 0 || i->id != 1 || !S_ISDIR(i->mode) ||
	    *i->name != '\0')
		return bad(c, i, "not the root", e);
	fd = openat(
	    c->root, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(c, i, "open", e);
	r = enter_dir(c, fd, i, e);
	return r < 0 ? r : set_attrs(c, fd, -1, i, e);
}

/* The file has more names, which will be linked to this one. */
static int
keep_name(struct rst_content *c, const struct vd_inode *i, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	struct rst_name *x;

	buf_adds(&b, ".");
	for (unsigned k = 1; k < c->depth; k++)
		buf_addf(&b, "/%s", c->dir[k].name);
	buf_addf(&b, "/%s", i->name);
	x = buf_err(&b) == 0 ? malloc(sizeof(*x) + b.len + 1) : NULL;
	if (x == NULL)
		return vps_err_set(e, -ENOMEM, "note %s", i->name);
	memcpy(x->path, buf_str(&b), b.len + 1);
	x->id = i->id;
	x->next = c->names;
	c->names = x;
	return 0;
}

static int
make_again(
    struct rst_content *c, int dir, const struct vd_inode *i, struct vps_err *e)
{
	const struct rst_name *n;

	for (n = c->names; n != NULL; n = n->next)
		if (n->id == i->id)
			break;
	if (n == NULL)
		return bad(c, i, "one more name of no file", e);
	if (linkat(c->dir[0].fd, n->path, dir, i->name, 0) < 0)
		return fail(c, i, "link", e);
	return 0;
}

/* What is there already stays if it is of the same kind (a directory, a device
 * of the base /dev): 1. */
static int
is_there(int dir, const struct vd_inode *i)
{
	struct stat st;

	if (fstatat(dir, i->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if ((st.st_mode & S_IFMT) == (i->mode & S_IFMT)) {
		if (S_ISDIR(i->mode))
			return 1;
		if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) &&
		    st.st_rdev ==
			makedev((unsigned)(i->rdev >> 32), (unsigned)i->rdev))
			return 1;
	}
	return unlinkat(dir, i->name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) <
		       0
		   ? -errno
		   : 0;
}

static int
make(int dir, const struct vd_inode *i)
{
	int fd, r = 0;

	switch (i->mode & S_IFMT) {
	case S_IFDIR:
		r = mkdirat(dir, i->name, 0700);
		break;
	case S_IFLNK:
		r = symlinkat(i->target, dir, i->name);
		break;
	case S_IFREG:
		fd = openat(dir, i->name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		return fd < 0 ? -errno : (close(fd), 0);
	case S_IFIFO:
	case S_IFSOCK:
		r = mknodat(dir, i->name, (i->mode & S_IFMT) | 0600, 0);
		break;
	case S_IFCHR:
	case S_IFBLK:
		r = mknodat(dir, i->name, (i->mode & S_IFMT) | 0600,
		    makedev((unsigned)(i->rdev >> 32), (unsigned)i->rdev));
		break;
	default:
		return -EBADMSG;
	}
	return r < 0 ? -errno : 0;
}

static int
open_made(int dir, const struct vd_inode *i)
{
	int flags = O_NOFOLLOW | O_CLOEXEC;

	if (S_ISDIR(i->mode))
		flags |= O_RDONLY | O_DIRECTORY;
	else if (S_ISREG(i->mode))
		flags |= O_RDWR;
	else
		flags |= O_PATH;
	return openat(dir, i->name, flags);
}

static int
set_times(int dir, const struct vd_inode *i)
{
	struct timespec ts[2];

	times_of(i->atime_ns, i->mtime_ns, ts);
	return utimensat(dir, i->name, ts, AT_SYMLINK_NOFOLLOW);
}

static int
make_new(
    struct rst_content *c, int dir, const struct vd_inode *i, struct vps_err *e)
{
	auto_close int fd = -1;
	int r = is_there(dir, i);

	if (r == 0)
		r = make(dir, i);
	if (r < 0)
		return vps_err_set(e, r, "make %s in %s", i->name, c->where);
	fd = open_made(dir, i);
	if (fd < 0)
		return fail(c, i, "open", e);
	r = set_attrs(c, fd, dir, i, e);
	if (r == 0 && i->links)
		r = keep_name(c, i, e);
	if (r < 0)
		return r;
	if (S_ISDIR(i->mode))
		return enter_dir(c, take_fd(&fd), i, e);
	if (!S_ISREG(i->mode)) {
		if (set_times(dir, i) < 0)
			return fail(c, i, "set times of", e);
		return 0;
	}
	if (i->size > INT64_MAX || ftruncate(fd, (off_t)i->size) < 0)
		return fail(c, i, "set the size of", e);
	c->file = take_fd(&fd);
	c->id = i->id;
	c->atime_ns = i->atime_ns;
	c->mtime_ns = i->mtime_ns;
	c->mode = i->mode;
	c->n_cap = 0;
	for (size_t k = 0; k < i->n_xattrs; k++)
		if (strcmp(i->xattrs[k].name, "security.capability") == 0 &&
		    i->xattrs[k].value.n <= sizeof(c->cap)) {
			c->n_cap = i->xattrs[k].value.n;
			memcpy(c->cap, i->xattrs[k].value.p, c->n_cap);
		}
	return 0;
}

/* A name that every instance has at start isn't to be there. */
static int
make_gone(
    struct rst_content *c, int dir, const struct vd_inode *i, struct vps_err *e)
{
	struct stat st;

	if (fstatat(dir, i->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail(c, i, "stat", e);
	if (unlinkat(dir, i->name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
		return fail(c, i, "remove", e);
	return 0;
}

int
rst_content_inode(
    struct rst_content *c, const struct vd_inode *i, struct vps_err *e)
{
	int dir, r = close_file(c, e);

	if (r < 0)
		return r;
	if (i->dir == 0)
		return set_root(c, i, e);
	if (!is_name(i->name))
		return bad(c, i, "not a name", e);
	while (c->depth > 0 && c->dir[c->depth - 1].id != i->dir) {
		r = leave_dir(c, e);
		if (r < 0)
			return r;
	}
	if (c->depth == 0)
		return bad(c, i, "not in the directory that comes before", e);
	dir = c->dir[c->depth - 1].fd;
	if (i->mode == 0 && !i->again)
		return make_gone(c, dir, i, e);
	return i->again ? make_again(c, dir, i, e) : make_new(c, dir, i, e);
}

int
rst_content_data(
    struct rst_content *c, const struct vd_idata *d, struct vps_err *e)
{
	const uint8_t *p = d->data.p;
	size_t n = d->data.n;
	off_t off = (off_t)d->off;

	if (c->id == 0 || d->id != c->id || d->off > INT64_MAX - n)
		return vps_err_say(e, -EBADMSG,
		    "image: %s: data of a file that isn't the last one",
		    c->where);
	while (n > 0) {
		ssize_t k = pwrite(c->file, p, n, off);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return vps_err_set(
			    e, -errno, "write file %u in %s", d->id, c->where);
		p += k;
		n -= (size_t)k;
		off += k;
	}
	return 0;
}
