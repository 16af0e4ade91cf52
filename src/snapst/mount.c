/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes the mounts in an order in which they can be made again: each after the
 * one that it is on and the one that it is a bind mount of, and the contents of
 * a filesystem right behind its mount.
 */
#include "snapst/mount.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/str.h"
#include "snapst/content.h"
#include "snapst/mount_i.h"

/* In a copy of this process that shares its descriptors and has gone into the
 * instance's mount namespace: a mount can be copied only there. */
static int
clone_inside(int ns, int root, const char *path)
{
	const struct open_how how = {
	    .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};
	int at, fd;

	if (setns(ns, CLONE_NEWNS) < 0)
		return -errno;
	at = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
	if (at < 0)
		return -errno;
	fd = open_tree(
	    at, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (fd < 0)
		fd = -errno;
	(void)close(at);
	return fd;
}

/* A detached copy of a mount without what is mounted in it. */
static int
clone_mount(struct snap *s, const char *path)
{
	auto_close int ns = -1;
	char name[64];
	int *res, r, fd;
	pid_t pid;

	(void)snprintf(
	    name, sizeof(name), "/proc/%d/ns/mnt", (int)snap_init(s));
	ns = open(name, O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return -errno;
	res = mmap(NULL, sizeof(*res), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (res == MAP_FAILED)
		return -errno;
	*res = -ECHILD;
	pid = (pid_t)syscall(
	    SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		*res = clone_inside(ns, snap_root(s), path);
		_exit(0);
	}
	r = pid < 0 ? -errno : 0;
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	fd = r < 0 ? r : *res;
	(void)munmap(res, sizeof(*res));
	return fd;
}

/* Options of the filesystem as they can be given again inside: without those
 * that the root directory's record has, with ids translated. */
static int
translate_opts(struct snap *s, const struct sys_mount *m, struct buf *b)
{
	auto_free char *copy = strdup(m->opts);
	char *p = copy, *opt;
	bool tmpfs =
	    strcmp(m->fstype, "tmpfs") == 0 || strcmp(m->fstype, "ramfs") == 0;
	uint32_t id;
	int r;

	if (copy == NULL)
		return -ENOMEM;
	if (strcmp(m->fstype, "cgroup2") == 0)
		return 0; /* they are the host's */
	while ((opt = strsep(&p, ",")) != NULL) {
		const char *val = strchr(opt, '=');
		bool uid = str_has_prefix(opt, "uid=");
		bool gid = str_has_prefix(opt, "gid=");

		if (strcmp(opt, "rw") == 0 || strcmp(opt, "ro") == 0)
			continue;
		/* mode, uid, gid: the root directory's record has them. Inode
		 * numbers are as wide as the kernel makes them. */
		if (tmpfs && (uid || gid || str_has_prefix(opt, "mode=") ||
				 str_has_prefix(opt, "inode")))
			continue;
		if (b->len > 0)
			buf_adds(b, ",");
		if (!uid && !gid) {
			buf_adds(b, opt);
			continue;
		}
		r = str_u32(val + 1, 10, &id);
		if (r < 0)
			return r;
		buf_addf(
		    b, "%.3s=%u", opt, uid ? snap_uid(s, id) : snap_gid(s, id));
	}
	return buf_err(b);
}

static bool
is_readonly(const char *opts)
{
	return strncmp(opts, "ro", 2) == 0 &&
	       (opts[2] == ',' || opts[2] == '\0');
}

static int
put_mount(struct snap_mnts *ms, struct snap_mnt *m, uint32_t id)
{
	auto_buf struct buf opts = {0};
	struct vd_mount rec = {
	    .id = id,
	    .parent = m->parent != NULL ? m->parent->id : 0,
	    .path = m->m->path,
	    .how = (uint32_t)m->how,
	    .fstype = m->m->fstype,
	    .source = m->m->source,
	    .attr = m->m->attr & ~(uint64_t)MOUNT_ATTR_IDMAP,
	    .shared = m->m->shared,
	    .master = m->m->master,
	    .unbindable = (uint32_t)m->m->unbindable,
	};
	int r = 0;

	if (m->how == SNAP_MNT_BIND) {
		rec.from = m->from->id;
		rec.root = m->root;
	} else if (m->parent != NULL) { /* not the instance's filesystem */
		rec.readonly = is_readonly(m->m->opts);
		r = translate_opts(ms->s, m->m, &opts);
		rec.opts = buf_str(&opts);
	} else {
		rec.source = rec.fstype = "";
	}
	if (r == 0)
		r = vd_put(snap_writer(ms->s), &vd_type_mount, &rec);
	if (r < 0)
		return vps_err_set(ms->e, r, "write mount %s", m->m->path);
	m->id = id;
	return 0;
}

static int
put_contents(struct snap_mnts *ms, const struct snap_mnt *m)
{
	bool dev = m->base != NULL && strcmp(m->base->path, "/dev") == 0;
	auto_close int fd = -1;
	struct snap_content c = {
	    .mount = m->id, .where = m->m->path, .dev = dev};
	struct stat st;

	if (m->covered) {
		auto_close int mnt = clone_mount(ms->s, m->m->path);

		if (mnt < 0)
			return vps_err_set(
			    ms->e, mnt, "copy mount %s", m->m->path);
		fd = openat(mnt, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	} else {
		fd = snap_mnt_open(ms->s, m->m, O_RDONLY | O_NONBLOCK);
	}
	if (fd < 0)
		return vps_err_set(ms->e, fd, "open mount %s", m->m->path);
	if (fstat(fd, &st) < 0)
		return vps_err_set(ms->e, -errno, "stat mount %s", m->m->path);
	if (!S_ISDIR(st.st_mode))
		return snap_mnts_wrong(ms, m,
		    "a single file of a filesystem that is mounted nowhere");
	c.root = fd;
	return snap_content_dump(ms->s, &c, ms->e);
}

static bool
can_put(const struct snap_mnt *m)
{
	return m->id == 0 && m->how != SNAP_MNT_IGNORED &&
	       (m->parent == NULL || m->parent->id != 0) &&
	       (m->from == NULL || m->from->id != 0);
}

/* All that can be written now, round by round. */
static int
put_rounds(struct snap_mnts *ms, bool base, uint32_t *id)
{
	bool more = true;
	size_t i;
	int r = 0;

	while (r == 0 && more) {
		more = false;
		for (i = 0; i < ms->all.n && r == 0; i++) {
			struct snap_mnt *m = &ms->mnt[i];

			if (!can_put(m) || (base && m->how != SNAP_MNT_BASE))
				continue;
			more = true;
			r = put_mount(ms, m, ++*id);
			if (r == 0 && m->contents)
				r = put_contents(ms, m);
		}
	}
	return r;
}

static int
put_all(struct snap_mnts *ms, uint32_t *id)
{
	size_t i;
	/* Base mounts first: what is mounted on one of them mustn't be in the
	 * way when they are looked up. */
	int r = put_rounds(ms, true, id);

	if (r == 0)
		r = put_rounds(ms, false, id);
	for (i = 0; i < ms->all.n && r == 0; i++)
		if (ms->mnt[i].id == 0 && ms->mnt[i].how != SNAP_MNT_IGNORED)
			r = snap_mnts_wrong(ms, &ms->mnt[i],
			    "it and others are mounted in a circle");
	return r;
}

static int
put_gone(struct snap_mnts *ms, uint32_t *id)
{
	const struct core_basemount *b;
	size_t i;
	int r = 0;

	for (b = core_basemounts; b->path != NULL && r == 0; b++) {
		struct vd_mount rec = {.path = b->path,
		    .fstype = b->fstype,
		    .how = SNAP_MNT_GONE,
		    .id = *id + 1};

		for (i = 0; i < ms->all.n; i++)
			if (ms->mnt[i].base == b)
				break;
		if (i < ms->all.n)
			continue;
		++*id;
		r = vd_put(snap_writer(ms->s), &vd_type_mount, &rec);
		if (r < 0)
			(void)vps_err_set(ms->e, r, "write mount %s", b->path);
	}
	return r;
}

int
snap_mounts_dump(struct snap *s, struct vps_err *e)
{
	struct vps_err none = {0};
	struct snap_mnts ms = {.s = s, .e = e != NULL ? e : &none};
	struct vd_mounted end = {0};
	uint32_t id = 0;
	int r = snap_mnts_read(&ms);

	if (r == 0)
		r = put_all(&ms, &id);
	if (r == 0)
		r = put_gone(&ms, &id);
	if (r == 0) {
		end.count = id;
		r = vd_put(snap_writer(s), &vd_type_mounted, &end);
		if (r < 0)
			(void)vps_err_set(ms.e, r, "write mounts");
	}
	snap_mnts_fini(&ms);
	return r;
}
