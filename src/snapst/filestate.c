/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What all kinds of open files share: the record of a description, and the
 * path by which a file can be opened again.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "snapst/snap.h"

#define DELETED " (deleted)"
/* A search for another name ends after so many directory entries. */
#define WALK_MAX 200000u

static int
get_owner(struct snap *s, const struct snap_fd *f, struct vd_file *v)
{
	struct f_owner_ex own = {0};
	pid_t in;

	if (fcntl(f->fd, F_GETOWN_EX, &own) < 0)
		return -errno;
	v->owner_sig = (uint32_t)fcntl(f->fd, F_GETSIG);
	/* The owner may be gone: then nobody gets the signal afterwards
	 * either. */
	in = own.pid > 0 ? snap_pid_in(s, own.pid) : 0;
	if (in == 0)
		return 0;
	v->owner_type = (uint32_t)own.type;
	v->owner_pid = own.type == F_OWNER_PGRP ? -in : in;
	return 0;
}

int
snap_file_record(struct snap *s, const struct snap_fd *f, uint32_t id,
    uint32_t kind, struct vd_file *ret, struct vps_err *e)
{
	struct vd_file v = {.id = id, .kind = kind, .pos = f->pos};
	int r;

	v.flags = (uint32_t)f->flags & ~(uint32_t)O_CLOEXEC;
	if (!(f->flags & O_PATH)) {
		r = get_owner(s, f, &v);
		if (r < 0)
			return vps_err_set(e, r, "owner of %s", f->link);
	}
	*ret = v;
	return 0;
}

long
snap_fs_type(const struct snap_fd *f)
{
	struct statfs fs;
	char path[64];
	int r;

	if (f->fd >= 0)
		r = fstatfs(f->fd, &fs);
	else {
		(void)snprintf(
		    path, sizeof(path), "/proc/%d/fd/%d", f->pid, f->num);
		r = statfs(path, &fs);
	}
	return r < 0 ? 0 : (long)fs.f_type;
}

/* Offset of a clock of process `pid` (0: ours) against the machine's. */
static int64_t
clock_offset(pid_t pid, const char *name)
{
	char path[64], text[256];
	const char *p;
	long long sec, ns;

	if (pid == 0)
		(void)snprintf(path, sizeof(path), "/proc/self/timens_offsets");
	else
		(void)snprintf(
		    path, sizeof(path), "/proc/%d/timens_offsets", pid);
	if (file_read_str(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	p = strstr(text, name);
	if (p == NULL || sscanf(p + strlen(name), "%lld %lld", &sec, &ns) != 2)
		return 0;
	return sec * INT64_C(1000000000) + ns;
}

int64_t
snap_clock(const struct snap *s, int clock)
{
	const char *name = NULL;
	struct timespec t;
	int64_t v;

	if (clock_gettime(clock, &t) < 0)
		return 0;
	v = t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
	if (clock == CLOCK_MONOTONIC)
		name = "monotonic";
	if (clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM)
		name = "boottime";
	if (name != NULL)
		v += clock_offset(snap_init(s), name) - clock_offset(0, name);
	return v;
}

/* Paths */

static int
open_inside(int root, const char *path, int flags)
{
	struct open_how how = {
	    .flags = (unsigned)flags | O_NOFOLLOW | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
	long fd;

	fd = syscall(SYS_openat2, root, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

static bool
leads_to(struct snap *s, const char *path, const struct stat *st)
{
	auto_close int fd = open_inside(snap_root(s), path, O_PATH);
	struct stat got;

	return fd >= 0 && fstat(fd, &got) == 0 && same_file(&got, st);
}

struct walk {
	const struct stat *want;
	char *path; /* PATH_MAX bytes; the name that was found */
	unsigned left;
	bool deep;
};

/* Looks for an inode in the directory `fd` (taken over), whose path has `len`
 * bytes: 1 found, 0 not. Doesn't leave the filesystem. */
static int
walk_dir(struct walk *w, int fd, size_t len)
{
	auto_closedir DIR *dir = fdopendir(fd);
	struct stat st;

	if (dir == NULL) {
		(void)close(fd);
		return 0;
	}
	for (struct dirent *de; w->left > 0 && (de = readdir(dir)) != NULL;) {
		size_t n = strlen(de->d_name);
		int sub;

		w->left--;
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0 || len + n + 2 > PATH_MAX)
			continue;
		(void)sprintf(w->path + len, "/%s", de->d_name);
		if (de->d_ino == w->want->st_ino &&
		    fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
			0 &&
		    same_file(&st, w->want))
			return 1;
		if (!w->deep || de->d_type != DT_DIR)
			continue;
		sub = openat(dirfd(dir), de->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue;
		if (fstat(sub, &st) < 0 || st.st_dev != w->want->st_dev)
			(void)close(sub);
		else if (walk_dir(w, sub, len + 1 + n) > 0)
			return 1;
	}
	return 0;
}

static int
walk_from(struct snap *s, struct walk *w, bool deep)
{
	int fd = open_inside(snap_root(s), w->path[0] == '\0' ? "/" : w->path,
	    O_RDONLY | O_DIRECTORY);

	w->deep = deep;
	return fd < 0 ? 0 : walk_dir(w, fd, strlen(w->path));
}

/* Another name of the file that was `path`: beside the old one first, then
 * anywhere in the same filesystem upwards from there. */
static int
other_name(struct snap *s, const struct stat *st, char *path)
{
	struct walk w = {.want = st, .path = path, .left = WALK_MAX};
	bool deep = false;

	for (;;) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			return -ENOENT;
		*slash = '\0';
		if (walk_from(s, &w, deep) > 0)
			return 0;
		*slash = '\0';
		if (deep && slash == path)
			return -ENOENT;
		/* The second round starts in the same directory again. */
		if (!deep) {
			(void)strcpy(slash, "/x");
			deep = true;
		}
	}
}

int
snap_path(struct snap *s, const char *link, const struct stat *st, char *ret)
{
	size_t n = strlen(link), d = strlen(DELETED);
	char path[PATH_MAX];

	if (link[0] != '/' || n >= PATH_MAX)
		return -ENOENT;
	(void)strcpy(path, link);
	if (!leads_to(s, path, st)) {
		if (n <= d || strcmp(link + n - d, DELETED) != 0)
			return -ENOENT;
		path[n - d] = '\0';
		if (!leads_to(s, path, st) &&
		    (!S_ISREG(st->st_mode) || st->st_nlink == 0 ||
			other_name(s, st, path) < 0))
			return -ENOENT;
	}
	(void)strcpy(ret, path);
	return 0;
}
