/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sorts out what each line of the instance's mountinfo is, from text alone but
 * for the question whether a mount can be reached.
 *
 * A superblock is known by its device number. The first mount that shows all of
 * it stands for it, the others are bind mounts of that one.
 */
#include "snapst/mount_i.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/str.h"

#define MOUNTS_MAX 10000u

/* Filesystems that can be made anew. */
static const struct {
	const char *name;
	bool contents; /* lives in memory, what is in it travels */
} fstypes[] = {
    {"cgroup", false},
    {"cgroup2", false},
    {"devpts", false},
    {"mqueue", false},
    {"proc", false},
    {"ramfs", true},
    {"sysfs", false},
    {"tmpfs", true},
};

int
snap_mnts_wrong(
    struct snap_mnts *ms, const struct snap_mnt *m, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ms->nwrong++;
	if (ms->e != NULL)
		return vps_err_say(ms->e, -EOPNOTSUPP, "mount %s (%s): %s",
		    m->m->path, m->m->fstype, text);
	snap_object(
	    ms->s, NULL, "mount %s (%s): %s", m->m->path, m->m->fstype, text);
	return 0;
}

const char *
snap_path_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (strcmp(dir, "/") == 0)
		return path + 1;
	if (strncmp(path, dir, n) != 0)
		return NULL;
	if (path[n] == '\0')
		return path + n;
	return path[n] == '/' ? path + n + 1 : NULL;
}

int
snap_mnt_open(struct snap *s, const struct sys_mount *m, int flags)
{
	const struct open_how how = {
	    .flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS,
	};
	auto_close int fd =
	    (int)syscall(SYS_openat2, snap_root(s), m->path, &how, sizeof(how));
	struct statx st;

	if (fd < 0)
		return -errno;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return -errno;
	if ((st.stx_mask & STATX_MNT_ID) == 0)
		return -EOPNOTSUPP; /* before Linux 5.8 */
	if (st.stx_mnt_id != (uint64_t)m->id)
		return -ELOOP;
	return take_fd(&fd);
}

static bool
same_sb(const struct sys_mount *a, const struct sys_mount *b)
{
	return a->major == b->major && a->minor == b->minor;
}

static struct snap_mnt *
mnt_of(struct snap_mnts *ms, int id)
{
	size_t i;

	for (i = 0; i < ms->all.n; i++)
		if (ms->all.m[i].id == id)
			return &ms->mnt[i];
	return NULL;
}

static bool
is_base(const struct snap_mnt *m)
{
	return m != NULL && m->how == SNAP_MNT_BASE;
}

static bool
has_base(const struct snap_mnts *ms, const char *path)
{
	size_t i;

	for (i = 0; i < ms->all.n; i++)
		if (ms->mnt[i].base != NULL &&
		    strcmp(ms->mnt[i].base->path, path) == 0)
			return true;
	return false;
}

/* Those that every instance has at start: they are found by path and type, on
 * another one of them, and the lowest at that place. */
static void
find_base(struct snap_mnts *ms, struct snap_mnt *m)
{
	const struct core_basemount *b = core_basemount(m->m->path);

	if (m->parent == NULL) {
		m->how = SNAP_MNT_BASE;
		return;
	}
	if (!is_base(m->parent) || strcmp(m->parent->m->path, m->m->path) == 0)
		return;
	if (b != NULL && strcmp(b->fstype, m->m->fstype) == 0 &&
	    strcmp(m->m->root, "/") == 0 && !has_base(ms, b->path)) {
		m->how = SNAP_MNT_BASE;
		m->base = b;
	} else if (core_is_masked(m->m->path) ||
		   (strcmp(m->m->path, "/dev/console") == 0 &&
		       strcmp(m->m->fstype, "devpts") == 0)) {
		m->how = SNAP_MNT_IGNORED;
	}
}

static int
fstype_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(fstypes); i++)
		if (strcmp(fstypes[i].name, name) == 0)
			return (int)i;
	return -ENOENT;
}

/* Of all mounts of m's superblock the one that shows the others' roots, bases
 * first: the filesystem of those exists without our doing. */
static struct snap_mnt *
primary_of(struct snap_mnts *ms, const struct snap_mnt *m)
{
	struct snap_mnt *best = NULL;
	size_t i;

	for (i = 0; i < ms->all.n; i++) {
		struct snap_mnt *o = &ms->mnt[i];

		if (!same_sb(o->m, m->m) || o->how == SNAP_MNT_IGNORED ||
		    snap_path_in(m->m->root, o->m->root) == NULL)
			continue;
		if (is_base(o))
			return o;
		if (best == NULL || strlen(o->m->root) < strlen(best->m->root))
			best = o;
	}
	return best;
}

/* Paths in proc and devpts that aren't there when mounts are made anew. */
static bool
is_fleeting(const struct snap_mnt *m)
{
	const char *root = m->m->root + 1;

	return (strcmp(m->m->fstype, "proc") == 0 ||
		   strcmp(m->m->fstype, "devpts") == 0) &&
	       *root >= '0' && *root <= '9';
}

static int
classify(struct snap_mnts *ms, struct snap_mnt *m)
{
	struct snap_mnt *p = primary_of(ms, m);
	size_t n = strlen(m->m->root);
	int type = fstype_of(m->m->fstype);

	if (n > 9 && strcmp(m->m->root + n - 9, "//deleted") == 0)
		return snap_mnts_wrong(ms, m,
		    "what is mounted there has been removed; unmount it");
	/* Bind mounts of the instance's root take its mapping with them. */
	if ((m->m->attr & MOUNT_ATTR_IDMAP) != 0 &&
	    (p == NULL || (p->m->attr & MOUNT_ATTR_IDMAP) == 0))
		return snap_mnts_wrong(
		    ms, m, "a mapping of owners of its own can't be carried");
	if (m->m->odd != NULL)
		return snap_mnts_wrong(
		    ms, m, "option %s can't be carried", m->m->odd);
	if (p != NULL && p != m) {
		m->how = SNAP_MNT_BIND;
		m->from = p;
		m->root = snap_path_in(m->m->root, p->m->root);
		if (is_fleeting(m))
			return snap_mnts_wrong(ms, m,
			    "%s of it may not exist when it is mounted again",
			    m->m->root);
		return 0;
	}
	m->how = SNAP_MNT_NEW;
	if (type < 0)
		return snap_mnts_wrong(ms, m,
		    "a filesystem of this type, or from outside of the "
		    "instance, can't be carried; unmount it");
	if (!fstypes[type].contents && strcmp(m->m->root, "/") != 0)
		return snap_mnts_wrong(
		    ms, m, "only %s of it is mounted", m->m->root);
	m->contents = fstypes[type].contents;
	return 0;
}

/* Names in a directory other than . and .. and `but`, -1 if it can't be read.
 */
static int
count_names(int fd, const char *but)
{
	auto_closedir DIR *d = fdopendir(fd);
	const struct dirent *ent;
	int n = 0;

	if (d == NULL) {
		(void)close(fd);
		return -1;
	}
	while ((ent = readdir(d)) != NULL)
		if (strcmp(ent->d_name, ".") != 0 &&
		    strcmp(ent->d_name, "..") != 0 &&
		    strcmp(ent->d_name, but) != 0)
			n++;
	return n;
}

/* Message queues have contents that nothing reads without taking them; ptys of
 * another devpts than the instance's own aren't known to the terminals. */
static int
check_empty(struct snap_mnts *ms, const struct snap_mnt *m)
{
	bool mq = strcmp(m->m->fstype, "mqueue") == 0;
	int fd;

	if (!mq && (strcmp(m->m->fstype, "devpts") != 0 || is_base(m)))
		return 0;
	fd = snap_mnt_open(ms->s, m->m, O_RDONLY | O_DIRECTORY);
	if (fd < 0 || count_names(fd, mq ? "" : "ptmx") == 0)
		return 0;
	return snap_mnts_wrong(ms, m,
	    mq ? "POSIX message queues can't be carried"
	       : "terminals of an additional devpts can't be carried");
}

static int
check_reach(struct snap_mnts *ms, const struct snap_mnt *m)
{
	auto_close int fd = snap_mnt_open(ms->s, m->m, O_PATH);

	if (fd >= 0)
		return 0;
	/* A base mount without contents is made anew wherever it is. */
	if (is_base(m) && (m->base == NULL || !m->base->contents))
		return 0;
	if (fd == -ELOOP || fd == -ENOENT || fd == -ENOTDIR)
		return snap_mnts_wrong(ms, m,
		    "it is hidden beneath another mount; unmount one of them");
	return snap_mnts_wrong(ms, m, "can't be opened: %s", strerror(-fd));
}

/* The tree, and in it what every instance has. The lines of mountinfo have no
 * order that can be relied on. */
static int
find_bases(struct snap_mnts *ms)
{
	size_t i, todo = ms->all.n, roots = 0, last;

	for (i = 0; i < ms->all.n; i++) {
		struct snap_mnt *m = &ms->mnt[i];

		m->m = &ms->all.m[i];
		m->how = SNAP_MNT_NEW;
		m->parent = mnt_of(ms, m->m->parent);
		/* The root's parent is outside, or itself. */
		if (m->parent == m)
			m->parent = NULL;
		roots += m->parent == NULL;
	}
	do {
		last = todo;
		for (i = 0; i < ms->all.n; i++) {
			struct snap_mnt *m = &ms->mnt[i];

			if (m->sorted ||
			    (m->parent != NULL && !m->parent->sorted))
				continue;
			find_base(ms, m);
			if (m->parent != NULL && m->how == SNAP_MNT_NEW)
				m->parent->covered = true;
			m->sorted = true;
			todo--;
		}
	} while (todo > 0 && todo < last);
	if (todo == 0 && roots == 1)
		return 0;
	return vps_err_say(ms->e, -EAGAIN,
	    "the instance's mounts changed while they were read");
}

static int
sort_out(struct snap_mnts *ms)
{
	size_t i;
	int r = find_bases(ms);

	for (i = 0; i < ms->all.n && r == 0; i++) {
		struct snap_mnt *m = &ms->mnt[i];

		if (m->how == SNAP_MNT_IGNORED)
			continue;
		if (m->parent != NULL && m->parent->how == SNAP_MNT_IGNORED)
			r = snap_mnts_wrong(
			    ms, m, "it is on top of what protects the host");
		else if (!is_base(m))
			r = classify(ms, m);
		else if (m->base != NULL)
			m->contents = m->base->contents;
		if (r == 0)
			r = check_reach(ms, m);
		if (r == 0)
			r = check_empty(ms, m);
	}
	return r;
}

int
snap_mnts_read(struct snap_mnts *ms)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (proc < 0)
		return vps_err_set(ms->e, -errno, "open /proc");
	r = sys_mounts_read(proc, snap_init(ms->s), &ms->all);
	if (r == 0 && ms->all.n == 0)
		r = -ENOENT;
	if (r < 0)
		return vps_err_set(ms->e, r, "read the instance's mountinfo");
	if (ms->all.n > MOUNTS_MAX) {
		struct snap_mnt first = {.m = &ms->all.m[0]};

		return snap_mnts_wrong(ms, &first,
		    "%zu mounts are too many, %u can be carried", ms->all.n,
		    MOUNTS_MAX);
	}
	ms->mnt = calloc(ms->all.n, sizeof(*ms->mnt));
	if (ms->mnt == NULL)
		return vps_err_set(ms->e, -ENOMEM, "mount table");
	return sort_out(ms);
}

void
snap_mnts_fini(struct snap_mnts *ms)
{
	sys_mounts_fini(&ms->all);
	free(ms->mnt);
	ms->mnt = NULL;
}

int
snap_mounts_check(struct snap *s)
{
	struct snap_mnts ms = {.s = s};
	int r = snap_mnts_read(&ms);

	snap_mnts_fini(&ms);
	return r;
}
