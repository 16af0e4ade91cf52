/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files that the kernel makes up: /proc, /sys, cgroups, and namespaces held
 * open. They are opened by the same path again, with the same position.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/str.h"
#include "snapst/snap.h"

#define DELETED " (deleted)"

static bool
procfile_match(const struct snap_fd *f)
{
	if (f->flags & O_PATH)
		return false;
	switch ((unsigned long)snap_fs_type(f)) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case SECURITYFS_MAGIC:
	case NSFS_MAGIC:
		return true;
	}
	return false;
}

/* The name under /proc/PID/ns of a namespace that is the instance's own. */
static const char *
own_ns(const struct snap *s, const struct snap_fd *f)
{
	static const char *const names[] = {
	    "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct stat st;
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s",
		    snap_init(s), names[i]);
		if (stat(path, &st) == 0 && st.st_ino == f->st.st_ino &&
		    st.st_dev == f->st.st_dev)
			return names[i];
	}
	return NULL;
}

static bool
is_there(struct snap *s, const struct snap_fd *f)
{
	char path[PATH_MAX];

	return snap_path(s, f->link, &f->st, path) == 0;
}

/* "/proc/PID/..." of a process that is gone: the path leads nowhere, or to the
 * file of a later process with that pid. */
static bool
is_dead(struct snap *s, const struct snap_fd *f)
{
	int pid, end = 0;

	return sscanf(f->link, "/proc/%d%n", &pid, &end) == 1 &&
	       f->link[end] == '/' && !is_there(s, f);
}

/* A thread that isn't its process: it comes into being too late. */
static bool
is_thread(const struct snap_fd *f)
{
	int pid, tid;

	return sscanf(f->link, "/proc/%d/task/%d/", &pid, &tid) == 2 &&
	       pid != tid;
}

static bool
has_trigger(const struct snap_fd *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY &&
	       (str_has_prefix(f->link, "/proc/pressure/") ||
		   strstr(f->link, ".pressure") != NULL);
}

static int
procfile_check(struct snap *s, const struct snap_fd *f)
{
	if (snap_fs_type(f) == NSFS_MAGIC) {
		if (own_ns(s, f) == NULL)
			snap_object(s, f,
			    "%s: a namespace other than the instance's own; "
			    "close it",
			    f->link);
		return 0;
	}
	if (has_trigger(f))
		snap_object(
		    s, f, "%s: a pressure trigger can't be carried", f->link);
	else if (is_thread(f))
		snap_object(s, f, "%s: file of a thread; close it", f->link);
	else if (!is_there(s, f) && !is_dead(s, f))
		snap_object(
		    s, f, "%s: no path inside leads to this file", f->link);
	return 0;
}

static int
procfile_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_procfile v = {.id = id, .path = "", .ns = ""};
	size_t n = strlen(f->link), d = strlen(DELETED);
	char path[PATH_MAX];
	int r;

	if (n >= sizeof(path))
		return vps_err_set(e, -ENAMETOOLONG, "%s", f->link);
	(void)strcpy(path, f->link);
	if (snap_fs_type(f) == NSFS_MAGIC) {
		v.ns = own_ns(s, f);
		if (v.ns == NULL)
			return vps_err_say(
			    e, -EOPNOTSUPP, "%s: another namespace", f->link);
	} else {
		if (n > d && strcmp(path + n - d, DELETED) == 0)
			path[n - d] = '\0';
		v.path = path;
		v.dead = is_dead(s, f);
		if (!v.dead && !is_there(s, f))
			return vps_err_set(e, -ENOENT, "%s", path);
	}
	r = vd_put(snap_writer(s), &vd_type_procfile, &v);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

const struct snap_kind snap_procfile = {
    .name = "kernel file",
    .number = VD_T_procfile,
    .match = procfile_match,
    .check = procfile_check,
    .dump = procfile_dump,
};
