/* SPDX-License-Identifier: BSD-2-Clause
 *
 * inotify(7). A watch is known by the inode (a file handle in fdinfo); the path
 * for it is found by opening the handle. Events that haven't been read can't be
 * made again: the caller of dump lets the instance run and tries again
 * (-EAGAIN); a program that never reads them is refused by check.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "snapst/snap.h"
#include "sys/fdinfo.h"
#include "sys/pidfd.h"

#define MOUNTINFO_MAX (16u << 20)
/* How long check waits for a program to read its events. */
#define UNREAD_TRIES 10
#define UNREAD_MS    10

static bool
inotify_match(const struct snap_fd *f)
{
	return strcmp(f->link, "anon_inode:inotify") == 0;
}

/* mountinfo writes blanks and the like as \ooo. */
static void
unescape(char *p)
{
	char *d = p;

	for (; *p != '\0'; p++, d++) {
		unsigned c;

		*d = *p;
		if (p[0] == '\\' && sscanf(p + 1, "%3o", &c) == 1) {
			*d = (char)c;
			p += 3;
		}
	}
	*d = '\0';
}

static int
open_inside(const struct snap *s, const char *path, int flags)
{
	struct open_how how = {.flags = (unsigned)flags | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
	long fd = syscall(SYS_openat2, snap_root(s), path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

struct finder {
	struct snap *s;
	struct buf mounts; /* text of the instance's mountinfo */
};

/* Through one mount: opens the handle, and sees where that is. */
static int
try_mount(struct finder *x, const char *mountpoint,
    const struct sys_fdinfo_watch *w, char *ret)
{
	/* open_by_handle_at() doesn't take O_PATH for the mount. */
	auto_close int mnt =
	    open_inside(x->s, mountpoint, O_RDONLY | O_NONBLOCK);
	auto_close int fd = -1;
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + SYS_FHANDLE_MAX];
	} u = {.h = {.handle_bytes = w->fh_len, .handle_type = w->fh_type}};
	char path[64], link[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (mnt < 0)
		return mnt;
	memcpy(u.h.f_handle, w->fh, w->fh_len);
	fd = open_by_handle_at(mnt, &u.h, O_PATH | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	return snap_path(x->s, link, &st, ret);
}

static int
find_path(struct finder *x, const struct sys_fdinfo_watch *w, char *ret)
{
	const char *line = buf_str(&x->mounts);
	int r = -ENOENT;

	while (*line != '\0') {
		unsigned maj, min;
		char at[PATH_MAX];

		if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &maj, &min, at) ==
			3 &&
		    maj == w->major && min == w->minor) {
			unescape(at);
			if (try_mount(x, at, w, ret) == 0)
				return 0;
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return r;
}

static int
read_mounts(struct finder *x)
{
	char path[64];

	(void)snprintf(
	    path, sizeof(path), "/proc/%d/mountinfo", snap_init(x->s));
	return file_read(AT_FDCWD, path, &x->mounts, MOUNTINFO_MAX);
}

/* Nothing to read within a moment, seen through a short-lived duplicate. */
static bool
is_read(const struct snap_fd *f)
{
	auto_close int pidfd = sys_pidfd_open_task(f->pid);
	auto_close int fd = -1;
	int n = 0;

	if (pidfd < 0)
		return true; /* gone meanwhile */
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, f->num, 0);
	for (int i = 0; fd >= 0 && i < UNREAD_TRIES; i++) {
		if (ioctl(fd, FIONREAD, &n) < 0 || n == 0)
			return true;
		(void)poll(NULL, 0, UNREAD_MS);
	}
	return fd < 0;
}

static int
inotify_check(struct snap *s, const struct snap_fd *f)
{
	struct finder x = {.s = s};
	const char *at = f->info;
	struct sys_fdinfo_watch w;
	char path[PATH_MAX];
	int r = read_mounts(&x);

	while (r == 0 && sys_fdinfo_watch(&at, &w) == 0)
		if (find_path(&x, &w, path) < 0)
			snap_object(s, f,
			    "inotify watch %d (device %u:%u inode %lu): no "
			    "path "
			    "leads to what it watches",
			    w.wd, w.major, w.minor, (unsigned long)w.ino);
	if (!is_read(f))
		snap_object(
		    s, f, "inotify: events that the program doesn't read");
	buf_fini(&x.mounts);
	return r;
}

#define WATCHES_MAX 65536

struct watches {
	struct vd_inotifywatch *w; /* owned, with their paths */
	size_t n, cap;
};

static void
watches_fini(struct watches *x)
{
	for (size_t i = 0; i < x->n; i++)
		free((void *)(uintptr_t)x->w[i].path);
	free(x->w);
}

static int
watches_add(
    struct watches *x, const struct sys_fdinfo_watch *w, const char *path)
{
	if (x->n == x->cap) {
		size_t cap = x->cap ? x->cap * 2 : 16;
		void *p = reallocarray(x->w, cap, sizeof(x->w[0]));

		if (p == NULL || cap > WATCHES_MAX)
			return -ENOMEM;
		x->w = p;
		x->cap = cap;
	}
	x->w[x->n] = (struct vd_inotifywatch){
	    .wd = (uint32_t)w->wd, .mask = w->mask, .path = strdup(path)};
	return x->w[x->n++].path == NULL ? -ENOMEM : 0;
}

static int
read_watches(struct finder *x, const struct snap_fd *f, struct watches *all,
    struct vps_err *e)
{
	const char *at = f->info;
	struct sys_fdinfo_watch w;
	char path[PATH_MAX];
	int r;

	while ((r = sys_fdinfo_watch(&at, &w)) == 0) {
		r = find_path(x, &w, path);
		if (r == 0)
			r = watches_add(all, &w, path);
		if (r < 0)
			return vps_err_set(e, r, "inotify watch %d", w.wd);
	}
	return r == -ENOENT ? 0 : vps_err_set(e, r, "inotify");
}

static int
inotify_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct finder x = {.s = s};
	struct watches all = {0};
	struct vd_inotify v = {.id = id};
	int unread = 0, r;

	if (ioctl(f->fd, FIONREAD, &unread) < 0)
		return vps_err_set(e, -errno, "inotify");
	if (unread != 0)
		return vps_err_say(e, -EAGAIN,
		    "inotify: %d bytes of events haven't been read", unread);
	r = read_mounts(&x);
	if (r < 0)
		(void)vps_err_set(e, r, "mounts of the instance");
	else
		r = read_watches(&x, f, &all, e);
	if (r == 0) {
		v.watches = all.w;
		v.n_watches = all.n;
		r = vd_put(snap_writer(s), &vd_type_inotify, &v);
		if (r < 0)
			(void)vps_err_set(e, r, "image");
	}
	watches_fini(&all);
	buf_fini(&x.mounts);
	return r;
}

const struct snap_kind snap_inotify = {
    .name = "inotify",
    .number = VD_T_inotify,
    .match = inotify_match,
    .check = inotify_check,
    .dump = inotify_dump,
};
