/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See mount.h. A mount is found by the descriptor of its root, never by path:
 * paths are resolved within one mount (RESOLVE_NO_XDEV), so that what is
 * mounted later, or on top, is never in the way.
 *
 * Everything that would hinder the work comes last: read-only, propagation
 * (what is mounted in a shared mount would appear in its peers), and taking
 * away base mounts that the instance had unmounted.
 */
#include "restore/mount.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/auto.h"
#include "core/basemounts.h"
#include "restore/content.h"
#include "sys/mountinfo.h"

#define MOUNTS_MAX 10000u

#ifndef MOVE_MOUNT_SET_GROUP
#define MOVE_MOUNT_SET_GROUP 0x00000100
#endif

enum { HOW_BASE, HOW_NEW, HOW_BIND, HOW_GONE, HOW_MAX_ };

struct mnt {
	char *path, *opts; /* owned */
	uint32_t how;
	int fd; /* owned; of its root */
	uint64_t attr;
	bool readonly, unbindable;
	uint32_t shared, master;
	bool placed; /* propagation is as it should be */
};

struct state {
	struct mnt *mnt; /* owned; by id - 1 */
	uint32_t n, cap;
	struct rst_content content;
	int bare; /* owned while content is under way; may be -1 */
};

static struct state *
state_of(struct rst *r)
{
	struct state **p = rst_slot(r, VD_T_mount, 0, sizeof(struct state *));

	if (p != NULL && *p == NULL)
		*p = calloc(1, sizeof(**p));
	return p != NULL ? *p : NULL;
}

static void
state_free(struct rst *r)
{
	struct state **p = rst_slot(r, VD_T_mount, 0, sizeof(struct state *));
	struct state *s = *p;

	for (uint32_t i = 0; i < s->n; i++) {
		free(s->mnt[i].path);
		free(s->mnt[i].opts);
		if (s->mnt[i].fd >= 0)
			(void)close(s->mnt[i].fd);
	}
	free(s->mnt);
	free(s);
	*p = NULL;
}

static int
end_content(struct state *s, struct vps_err *e)
{
	bool any = s->content.mount != 0;
	int r = rst_content_end(&s->content, e);

	if (any && s->bare >= 0)
		(void)close(s->bare);
	return r;
}

/* `path` seen from the root of a mount, without leaving it. */
static int
open_within(int mnt, const char *path)
{
	const struct open_how how = {
	    .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd;

	if (*path == '\0')
		fd = fcntl(mnt, F_DUPFD_CLOEXEC, 3);
	else
		fd = (int)syscall(SYS_openat2, mnt, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

/* `path` in the directory `dir`, without a slash in front; NULL: it isn't. */
static const char *
path_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return *path == '/' ? path + 1 : NULL;
	if (strncmp(path, dir, n) != 0)
		return NULL;
	if (path[n] == '\0')
		return path + n;
	return path[n] == '/' ? path + n + 1 : NULL;
}

static struct mnt *
mnt_by_id(struct state *s, uint32_t id)
{
	if (id == 0 || id > s->n || s->mnt[id - 1].fd < 0)
		return NULL;
	return &s->mnt[id - 1];
}

static int
set_opts(int fs, const char *opts)
{
	auto_free char *copy = strdup(opts);
	char *p = copy, *opt, *eq;
	int r = 0;

	if (copy == NULL)
		return -ENOMEM;
	while (r == 0 && (opt = strsep(&p, ",")) != NULL) {
		if (*opt == '\0')
			continue;
		eq = strchr(opt, '=');
		if (eq != NULL)
			*eq++ = '\0';
		if (fsconfig(fs,
			eq != NULL ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
			opt, eq, 0) < 0)
			r = -errno;
	}
	return r;
}

static int
make_new(const struct vd_mount *m)
{
	auto_close int fs = fsopen(m->fstype, FSOPEN_CLOEXEC);
	int fd, r;

	if (fs < 0)
		return -errno;
	/* May be refused (cgroup v1) where it means nothing. */
	if (*m->source != '\0')
		(void)fsconfig(fs, FSCONFIG_SET_STRING, "source", m->source, 0);
	r = set_opts(fs, m->opts);
	if (r < 0)
		return r;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

static int
make_bind(struct state *s, const struct vd_mount *m, struct vps_err *e)
{
	const struct mnt *from = mnt_by_id(s, m->from);
	struct mount_attr private = {.propagation = MS_PRIVATE};
	auto_close int src = -1, fd = -1;

	if (from == NULL)
		return vps_err_say(e, -EBADMSG,
		    "image: mount %s: of a mount that isn't there", m->path);
	src = open_within(from->fd, m->root);
	if (src < 0)
		return vps_err_set(
		    e, src, "open %s in %s", m->root, from->path);
	fd = open_tree(
	    src, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (fd < 0 ||
	    mount_setattr(fd, "", AT_EMPTY_PATH, &private, sizeof(private)) < 0)
		return vps_err_set(e, -errno, "bind %s in %s for %s", m->root,
		    from->path, m->path);
	return take_fd(&fd);
}

static int
attach(struct state *s, const struct vd_mount *m, int fd, struct vps_err *e)
{
	const struct mnt *parent = mnt_by_id(s, m->parent);
	const char *rel;
	auto_close int at = -1;

	rel = parent != NULL ? path_in(m->path, parent->path) : NULL;
	if (rel == NULL)
		return vps_err_say(e, -EBADMSG,
		    "image: mount %s: not on a mount that is there", m->path);
	at = open_within(parent->fd, rel);
	if (at < 0)
		return vps_err_set(e, at, "open mount point %s", m->path);
	if (move_mount(fd, "", at, "",
		MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return vps_err_set(e, -errno, "mount %s", m->path);
	return 0;
}

/* A mount that every instance has. */
static int
find_base(const struct vd_mount *m, struct vps_err *e)
{
	int fd;

	if (*m->path != '/' ||
	    (strcmp(m->path, "/") != 0 && core_basemount(m->path) == NULL))
		return vps_err_say(e, -EBADMSG,
		    "image: mount %s: instances have none there at start",
		    m->path);
	if (strcmp(m->path, "/") == 0) {
		fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	} else {
		const struct open_how how = {
		    .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
		};

		fd = (int)syscall(
		    SYS_openat2, AT_FDCWD, m->path, &how, sizeof(how));
	}
	if (fd < 0)
		return vps_err_set(e, -errno, "open %s", m->path);
	return fd;
}

static int
make(struct state *s, const struct vd_mount *m, struct vps_err *e)
{
	auto_close int fd = -1;
	int r;

	switch (m->how) {
	case HOW_BASE:
		return find_base(m, e);
	case HOW_NEW:
		fd = make_new(m);
		if (fd < 0)
			return vps_err_set(e, fd, "make %s for %s (%s)",
			    m->fstype, m->path, m->opts);
		break;
	default:
		fd = make_bind(s, m, e);
		if (fd < 0)
			return fd;
	}
	r = attach(s, m, fd, e);
	return r < 0 ? r : take_fd(&fd);
}

static struct mnt *
add(struct state *s, const struct vd_mount *m)
{
	struct mnt *n;

	if (s->n == s->cap) {
		uint32_t cap = s->cap ? s->cap * 2 : 16;

		n = reallocarray(s->mnt, cap, sizeof(*n));
		if (n == NULL)
			return NULL;
		s->mnt = n;
		s->cap = cap;
	}
	n = &s->mnt[s->n++];
	*n = (struct mnt){
	    .path = strdup(m->path),
	    .opts = strdup(m->opts),
	    .how = m->how,
	    .fd = -1,
	    .attr = m->attr,
	    .readonly = m->readonly,
	    .unbindable = m->unbindable,
	    .shared = m->shared,
	    .master = m->master,
	};
	return n->path != NULL && n->opts != NULL ? n : NULL;
}

int
rst_mount(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_mount *m = rec;
	struct state *s = state_of(r);
	struct mnt *n;
	int rc;

	if (s == NULL)
		return vps_err_set(e, -ENOMEM, "mount table");
	rc = end_content(s, e);
	if (rc < 0)
		return rc;
	if (m->id != s->n + 1 || m->id > MOUNTS_MAX || m->how >= HOW_MAX_)
		return vps_err_say(
		    e, -EBADMSG, "image: mount %u isn't expected here", m->id);
	if (m->how == HOW_GONE && core_basemount(m->path) == NULL)
		return vps_err_say(e, -EBADMSG,
		    "image: mount %s: instances have none there at start",
		    m->path);
	n = add(s, m);
	if (n == NULL)
		return vps_err_set(e, -ENOMEM, "mount table");
	if (m->how == HOW_GONE)
		return 0;
	rc = make(s, m, e);
	if (rc < 0)
		return rc;
	n->fd = rc;
	return 0;
}

int
rst_inode(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_inode *i = rec;
	struct state *s = state_of(r);
	const struct mnt *m;

	if (s == NULL)
		return vps_err_set(e, -ENOMEM, "mount table");
	/* Contents follow their mount. */
	m = mnt_by_id(s, i->mount);
	if (m == NULL || i->mount != s->n)
		return vps_err_say(e, -EBADMSG,
		    "image: a file in mount %u, which isn't the last one",
		    i->mount);
	if (s->content.mount == 0 &&
	    (m->how == HOW_NEW || core_basemount(m->path) != NULL)) {
		/* Nothing is mounted in a copy. Where there can't be one, what
		 * is beneath other mounts stays as it is. */
		s->bare = open_tree(m->fd, "",
		    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
		rst_content_begin(&s->content, s->bare < 0 ? m->fd : s->bare,
		    i->mount, m->path);
	}
	if (s->content.mount != i->mount)
		return vps_err_say(e, -EBADMSG,
		    "image: mount %s doesn't get contents", m->path);
	return rst_content_inode(&s->content, i, e);
}

int
rst_idata(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_idata *d = rec;
	struct state *s = state_of(r);

	if (s == NULL)
		return vps_err_set(e, -ENOMEM, "mount table");
	if (d->mount == 0 || d->mount != s->content.mount)
		return vps_err_say(e, -EBADMSG,
		    "image: data in mount %u, which isn't the last one",
		    d->mount);
	return rst_content_data(&s->content, d, e);
}

/* What mountinfo says about the mount behind a descriptor. */
static const struct sys_mount *
facts_of(const struct sys_mounts *all, int fd)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return NULL;
	return sys_mounts_find(all, (int)st.stx_mnt_id);
}

/* The option `name`= of a list, up to the comma, as (start, length). */
static const char *
option(const char *opts, const char *name, size_t *len)
{
	size_t n = strlen(name);

	while (*opts != '\0') {
		size_t l = strcspn(opts, ",");

		if (strncmp(opts, name, n) == 0 &&
		    (opts[n] == '=' || opts[n] == ',' || opts[n] == '\0')) {
			*len = l;
			return opts;
		}
		opts += l + (opts[l] == ',');
	}
	*len = 0;
	return "";
}

/* Options of a filesystem made at start that the instance may have changed. */
static const char *const changeable[] = {
    "size", "nr_inodes", "huge", "hidepid", "subset"};

static int
set_readonly_fs(int fd)
{
	auto_close int fs = fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int
set_base_opts(const struct mnt *m, const struct sys_mount *now)
{
	auto_close int fs = -1;
	char opt[256];
	size_t len, len_now;
	bool any = false;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(changeable); i++) {
		const char *o = option(m->opts, changeable[i], &len);
		const char *was = option(now->opts, changeable[i], &len_now);

		if (len == 0 || len >= sizeof(opt) ||
		    (len == len_now && memcmp(o, was, len) == 0))
			continue;
		if (fs < 0)
			fs = fspick(
			    m->fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
		if (fs < 0)
			return -errno;
		memcpy(opt, o, len);
		opt[len] = '\0';
		r = set_opts(fs, opt);
		if (r < 0)
			return r;
		any = true;
	}
	if (any && fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int
set_attr(const struct mnt *m, const struct sys_mount *now)
{
	const uint64_t all = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
			     MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			     MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME |
			     MOUNT_ATTR_NOSYMFOLLOW;
	struct mount_attr a = {.attr_set = m->attr & all, .attr_clr = all};

	if (now != NULL && ((now->attr ^ m->attr) & all) == 0)
		return 0;
	/* A base mount's flags may be locked: only what differs is touched. */
	if (now != NULL) {
		a.attr_set &= ~now->attr | MOUNT_ATTR__ATIME;
		a.attr_clr = now->attr & ~m->attr & all;
		if (((now->attr ^ m->attr) & MOUNT_ATTR__ATIME) != 0)
			a.attr_clr |= MOUNT_ATTR__ATIME;
		else
			a.attr_set &= ~(uint64_t)MOUNT_ATTR__ATIME;
	}
	return mount_setattr(m->fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0
		   ? -errno
		   : 0;
}

static int
set_prop(int fd, uint64_t how)
{
	struct mount_attr a = {.propagation = how};

	return mount_setattr(fd, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0 ? -errno
								       : 0;
}

/* The same peers and masters as `like` has. */
static int
join(const struct mnt *like, const struct mnt *m)
{
	return move_mount(like->fd, "", m->fd, "",
		   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH |
		       MOVE_MOUNT_SET_GROUP) < 0
		   ? -errno
		   : 0;
}

static struct mnt *
peer(struct state *s, uint32_t group)
{
	for (uint32_t i = 0; group != 0 && i < s->n; i++)
		if (s->mnt[i].placed && s->mnt[i].shared == group)
			return &s->mnt[i];
	return NULL;
}

static bool
has_group(const struct state *s, uint32_t group)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->mnt[i].shared == group && s->mnt[i].fd >= 0)
			return true;
	return false;
}

/* Puts one mount into its peer group, behind its master. Which mount of a group
 * comes first is tried out: it must show all that the others show. */
static int
place(struct state *s, struct mnt *m)
{
	struct mnt *p = peer(s, m->shared), *master = peer(s, m->master);
	int r = set_prop(m->fd, MS_PRIVATE);

	if (r == 0 && p != NULL) {
		r = join(p, m);
	} else if (r == 0) {
		if (master != NULL) {
			r = join(master, m);
			if (r == 0)
				r = set_prop(m->fd, MS_SLAVE);
		}
		if (r == 0 && m->shared != 0)
			r = set_prop(m->fd, MS_SHARED);
	}
	if (r == 0 && m->unbindable)
		r = set_prop(m->fd, MS_UNBINDABLE);
	m->placed = r == 0;
	return r;
}

static bool
is_placed(const struct mnt *m, const struct sys_mount *now)
{
	return m->how == HOW_BASE && now != NULL && m->shared == 0 &&
	       m->master == 0 && !m->unbindable && now->shared == 0 &&
	       now->master == 0 && !now->unbindable;
}

static int
set_all_prop(struct state *s, const struct sys_mounts *all, struct vps_err *e)
{
	uint32_t i, todo = 0, last;
	int r = 0;

	for (i = 0; i < s->n; i++) {
		struct mnt *m = &s->mnt[i];

		if (m->fd < 0 || is_placed(m, facts_of(all, m->fd)))
			m->placed = true;
		else
			todo++;
	}
	/* Masters before their slaves; a master outside is none. */
	do {
		last = todo;
		for (i = 0; i < s->n; i++) {
			struct mnt *m = &s->mnt[i];

			if (m->placed ||
			    (m->master != 0 && has_group(s, m->master) &&
				peer(s, m->master) == NULL))
				continue;
			r = place(s, m);
			if (r == 0)
				todo--;
			else if (r != -EINVAL)
				return vps_err_set(
				    e, r, "propagation of mount %s", m->path);
		}
	} while (todo > 0 && todo < last);
	for (i = 0; i < s->n; i++)
		if (!s->mnt[i].placed)
			return vps_err_set(e, r < 0 ? r : -EINVAL,
			    "propagation of mount %s", s->mnt[i].path);
	return 0;
}

static int
finish_one(struct mnt *m, const struct sys_mounts *all, struct vps_err *e)
{
	const struct sys_mount *now = facts_of(all, m->fd);
	int r = 0;

	if (m->how == HOW_BASE && now == NULL)
		return vps_err_say(
		    e, -ENOENT, "mount %s isn't in mountinfo", m->path);
	if (m->how == HOW_BASE && strcmp(m->path, "/") != 0)
		r = set_base_opts(m, now);
	if (r == 0 && m->readonly &&
	    (m->how == HOW_NEW || (now->attr & MOUNT_ATTR_RDONLY) == 0))
		r = set_readonly_fs(m->fd);
	if (r == 0)
		r = set_attr(m, m->how == HOW_BASE ? now : NULL);
	return r < 0 ? vps_err_set(e, r, "options of mount %s", m->path) : 0;
}

static int
finish(struct state *s, struct vps_err *e)
{
	struct sys_mounts all = {0};
	auto_close int proc = -1;
	int r = 0;

	/* The instance's /proc may be hidden beneath something of its own. */
	for (uint32_t i = 0; i < s->n && proc < 0; i++)
		if (s->mnt[i].how == HOW_BASE &&
		    strcmp(s->mnt[i].path, "/proc") == 0)
			proc = fcntl(s->mnt[i].fd, F_DUPFD_CLOEXEC, 3);
	if (proc < 0)
		proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = proc < 0 ? -errno : sys_mounts_read(proc, getpid(), &all);
	if (r < 0)
		return vps_err_set(e, r, "read mountinfo");
	for (uint32_t i = 0; i < s->n && r == 0; i++)
		if (s->mnt[i].fd >= 0)
			r = finish_one(&s->mnt[i], &all, e);
	if (r == 0)
		r = set_all_prop(s, &all, e);
	for (uint32_t i = s->n; i > 0 && r == 0; i--)
		if (s->mnt[i - 1].how == HOW_GONE &&
		    umount2(s->mnt[i - 1].path, MNT_DETACH | UMOUNT_NOFOLLOW) <
			0)
			r = vps_err_set(
			    e, -errno, "unmount %s", s->mnt[i - 1].path);
	sys_mounts_fini(&all);
	return r;
}

int
rst_mounted(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_mounted *m = rec;
	struct state *s = state_of(r);
	int rc;

	if (s == NULL)
		return vps_err_set(e, -ENOMEM, "mount table");
	rc = end_content(s, e);
	if (rc == 0 && m->count != s->n)
		rc = vps_err_say(e, -EBADMSG, "image: %u mounts in place of %u",
		    s->n, m->count);
	if (rc == 0)
		rc = finish(s, e);
	state_free(r);
	return rc;
}
