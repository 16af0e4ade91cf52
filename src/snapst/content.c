/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See content.h. Owners are those the host sees, translated; so are the ids in
 * access control lists and file capabilities (acl(5), capabilities(7)). Labels
 * of security modules are the host's matter and stay here.
 */
#include "snapst/content.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/stat.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/str.h"
#include "core/basemounts.h"

#define DEPTH_MAX  256
#define CHUNK      (1u << 20)
#define XATTRS_MAX 64
#define STX_WANT   (STATX_BASIC_STATS | STATX_MNT_ID)

struct seen {
	uint64_t ino;
	uint32_t id;
};

struct walk {
	struct snap *s;
	const struct snap_content *c;
	uint64_t mnt_id; /* of the root; another one: something is on top */
	uint32_t last;   /* id given out last */
	void *seen;      /* tsearch(3): files with several names */
	struct buf path; /* for messages */
	uint8_t *chunk;  /* owned, CHUNK bytes */
	struct buf xbuf; /* names and values of attributes */
	struct vd_xattr xattr[XATTRS_MAX];
	struct vps_err *e;
};

static int
fail(struct walk *w, int r, const char *name, const char *what)
{
	return vps_err_set(w->e, r, "%s %s%s%s", what, buf_str(&w->path),
	    *name != '\0' ? "/" : "", name);
}

static int
refuse(struct walk *w, const char *name, const char *why)
{
	return vps_err_say(
	    w->e, -EOPNOTSUPP, "%s/%s: %s", buf_str(&w->path), name, why);
}

static int
cmp_seen(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* 1: the file was met under another name, whose number it has; 0: it is new. */
static int
number(struct walk *w, const struct statx *st, uint32_t *ret)
{
	struct seen key = {.ino = st->stx_ino}, *s;
	void *p;

	if (st->stx_nlink > 1 && !S_ISDIR(st->stx_mode)) {
		p = tfind(&key, &w->seen, cmp_seen);
		if (p != NULL) {
			*ret = (*(struct seen **)p)->id;
			return 1;
		}
		s = malloc(sizeof(*s));
		if (s == NULL)
			return -ENOMEM;
		*s = (struct seen){.ino = st->stx_ino, .id = w->last + 1};
		if (tsearch(s, &w->seen, cmp_seen) == NULL) {
			free(s);
			return -ENOMEM;
		}
	}
	*ret = ++w->last;
	return 0;
}

static uint32_t
le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static void
set_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* struct posix_acl_xattr_header, then entries of {u16 tag, u16 perm, u32 id} */
static int
translate_acl(struct walk *w, uint8_t *p, size_t n)
{
	size_t i;

	if (n < 4 || (n - 4) % 8 != 0 || le32(p) != 2)
		return -EINVAL;
	for (i = 4; i < n; i += 8) {
		unsigned tag = p[i] | (unsigned)p[i + 1] << 8;
		uint32_t id = le32(p + i + 4);

		if (tag == 0x02) /* ACL_USER */
			id = snap_uid(w->s, id);
		else if (tag == 0x08) /* ACL_GROUP */
			id = snap_gid(w->s, id);
		else
			continue;
		if (id == (uint32_t)-1)
			return -EOVERFLOW;
		set_le32(p + i + 4, id);
	}
	return 0;
}

/* struct vfs_ns_cap_data: revision 3 ends in the uid of the root that it is
 * for. */
static int
translate_cap(struct walk *w, uint8_t *p, size_t n)
{
	uint32_t id;

	if (n < 4)
		return -EINVAL;
	if ((le32(p) & VFS_CAP_REVISION_MASK) != VFS_CAP_REVISION_3)
		return 0;
	if (n != XATTR_CAPS_SZ_3)
		return -EINVAL;
	id = snap_uid(w->s, le32(p + n - 4));
	if (id == (uint32_t)-1)
		return -EOVERFLOW;
	set_le32(p + n - 4, id);
	return 0;
}

/* 1: it travels, translated; 0: it stays. */
static int
translate(struct walk *w, const char *name, uint8_t *p, size_t n)
{
	int r = 0;

	if (str_has_prefix(name, "system.posix_acl_"))
		r = translate_acl(w, p, n);
	else if (strcmp(name, "security.capability") == 0)
		r = translate_cap(w, p, n);
	else if (!str_has_prefix(name, "user."))
		return 0;
	return r < 0 ? r : 1;
}

/* Attributes of dir/name into w->xattr; how many. */
static int
get_xattrs(struct walk *w, int dir, const char *name)
{
	char path[512], list[4096];
	size_t off[XATTRS_MAX], len[XATTRS_MAX];
	ssize_t n, v;
	char *p;
	int i, k = 0, r;

	r = str_fmt(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
	if (r < 0)
		return r;
	n = llistxattr(path, list, sizeof(list));
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	buf_reset(&w->xbuf);
	for (p = list; p < list + n; p += strlen(p) + 1) {
		uint8_t *d = buf_reserve(&w->xbuf, XATTR_SIZE_MAX);

		if (d == NULL)
			return -ENOMEM;
		v = lgetxattr(path, p, d, XATTR_SIZE_MAX);
		if (v < 0)
			return -errno;
		r = translate(w, p, d, (size_t)v);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (k == XATTRS_MAX)
			return -E2BIG;
		off[k] = w->xbuf.len;
		len[k] = (size_t)v;
		w->xbuf.len += (size_t)v;
		w->xattr[k].name = strdup(p);
		if (w->xattr[k++].name == NULL)
			return -ENOMEM;
	}
	/* The buffer doesn't move any more. */
	for (i = 0; i < k; i++)
		w->xattr[i].value =
		    (struct vd_bytes){w->xbuf.data + off[i], len[i]};
	return k;
}

static void
free_xattrs(struct walk *w)
{
	size_t i;

	for (i = 0; i < XATTRS_MAX; i++) {
		free((void *)(uintptr_t)w->xattr[i].name);
		w->xattr[i].name = NULL;
	}
}

static int64_t
ns_of(const struct statx_timestamp *t)
{
	return t->tv_sec * 1000000000 + t->tv_nsec;
}

/* Writes the record of dir/name, a new file. */
static int
put_inode(struct walk *w, int dir, uint32_t dir_id, const char *name,
    const struct statx *st, uint32_t id)
{
	char target[4096];
	struct vd_inode rec = {
	    .mount = w->c->mount,
	    .id = id,
	    .dir = dir_id,
	    .name = name,
	    .mode = st->stx_mode,
	    .uid = snap_uid(w->s, st->stx_uid),
	    .gid = snap_gid(w->s, st->stx_gid),
	    .atime_ns = ns_of(&st->stx_atime),
	    .mtime_ns = ns_of(&st->stx_mtime),
	    .xattrs = w->xattr,
	    .links = st->stx_nlink > 1 && !S_ISDIR(st->stx_mode),
	};
	ssize_t n;
	int r = 0;

	if (rec.uid == (uint32_t)-1 || rec.gid == (uint32_t)-1)
		return refuse(w, name, "its owner isn't one of the instance");
	if (S_ISREG(st->stx_mode))
		rec.size = st->stx_size;
	if (S_ISCHR(st->stx_mode) || S_ISBLK(st->stx_mode))
		rec.rdev =
		    (uint64_t)st->stx_rdev_major << 32 | st->stx_rdev_minor;
	if (S_ISLNK(st->stx_mode)) {
		n = readlinkat(dir, name, target, sizeof(target) - 1);
		if (n < 0)
			return fail(w, -errno, name, "read link");
		target[n] = '\0';
		rec.target = target;
	} else {
		r = get_xattrs(w, dir, *name != '\0' ? name : ".");
		if (r >= 0) {
			rec.n_xattrs = (size_t)r;
			r = 0;
		}
		if (r < 0)
			(void)fail(w, r, name, "read attributes of");
	}
	if (r == 0) {
		r = vd_put(snap_writer(w->s), &vd_type_inode, &rec);
		if (r < 0)
			(void)vps_err_set(w->e, r, "write image");
	}
	free_xattrs(w);
	return r;
}

static int
put_data(struct walk *w, int fd, uint32_t id, off_t size)
{
	struct vd_idata rec = {.mount = w->c->mount, .id = id};
	off_t off = 0, end;
	ssize_t n;
	int r;

	while (off < size) {
		off = lseek(fd, off, SEEK_DATA);
		if (off < 0)
			return errno == ENXIO ? 0 : -errno;
		end = lseek(fd, off, SEEK_HOLE);
		if (end < 0)
			return -errno;
		for (; off < end && off < size; off += n) {
			size_t want = CHUNK;

			if ((off_t)want > end - off)
				want = (size_t)(end - off);
			n = pread(fd, w->chunk, want, off);
			if (n < 0)
				return -errno;
			if (n == 0)
				return 0;
			rec.off = (uint64_t)off;
			rec.data = (struct vd_bytes){w->chunk, (size_t)n};
			r = vd_put(snap_writer(w->s), &vd_type_idata, &rec);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int
dump_data(struct walk *w, int dir, const char *name, const struct statx *st,
    uint32_t id)
{
	auto_close int fd = openat(dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NOATIME | O_NONBLOCK | O_CLOEXEC);
	struct stat now;
	int r;

	if (fd < 0 || fstat(fd, &now) < 0)
		return fail(w, -errno, name, "open");
	if (!S_ISREG(now.st_mode) || now.st_ino != st->stx_ino)
		return fail(w, -ESTALE, name, "open");
	r = put_data(w, fd, id, (off_t)st->stx_size);
	return r < 0 ? fail(w, r, name, "read") : 0;
}

/* Is it as every instance's /dev has it at start? */
static bool
is_base(const struct walk *w, int dir, const char *name, const struct statx *st)
{
	const struct core_devnode *d;
	char target[256];
	ssize_t n;

	for (d = core_devnodes; d->name != NULL; d++)
		if (strcmp(d->name, name) == 0)
			break;
	if (d->name == NULL || st->stx_mode != d->mode ||
	    snap_uid(w->s, st->stx_uid) != 0 ||
	    snap_gid(w->s, st->stx_gid) != 0)
		return false;
	if (S_ISCHR(d->mode))
		return st->stx_rdev_major == d->major &&
		       st->stx_rdev_minor == d->minor;
	if (S_ISLNK(d->mode)) {
		n = readlinkat(dir, name, target, sizeof(target));
		return n >= 0 && (size_t)n == strlen(d->target) &&
		       memcmp(target, d->target, (size_t)n) == 0;
	}
	/* The size of a directory of tmpfs tells whether it is empty. */
	return (S_ISREG(d->mode) || S_ISDIR(d->mode)) && st->stx_size == 0;
}

static bool
is_base_device(const char *name, const struct statx *st)
{
	const struct core_devnode *d;

	for (d = core_devnodes; d->name != NULL; d++)
		if (strcmp(d->name, name) == 0)
			return S_ISCHR(st->stx_mode) && S_ISCHR(d->mode) &&
			       st->stx_rdev_major == d->major &&
			       st->stx_rdev_minor == d->minor;
	return false;
}

static int
cmp_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All names in a directory, sorted; one block of memory. */
static int
list_dir(int dir, char ***ret, size_t *ret_n)
{
	auto_closedir DIR *d = NULL;
	auto_close int fd =
	    openat(dir, ".", O_RDONLY | O_DIRECTORY | O_NOATIME | O_CLOEXEC);
	auto_buf struct buf names = {0};
	struct dirent *ent;
	size_t n = 0, i;
	char **v, *p;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (d == NULL)
		return -errno;
	(void)take_fd(&fd);
	for (errno = 0; (ent = readdir(d)) != NULL; errno = 0) {
		if (strcmp(ent->d_name, ".") == 0 ||
		    strcmp(ent->d_name, "..") == 0)
			continue;
		buf_add(&names, ent->d_name, strlen(ent->d_name) + 1);
		n++;
	}
	if (errno != 0)
		return -errno;
	if (buf_err(&names) != 0)
		return -ENOMEM;
	v = malloc((n + 1) * sizeof(*v) + names.len);
	if (v == NULL)
		return -ENOMEM;
	p = (char *)(v + n + 1);
	if (names.len > 0)
		memcpy(p, names.data, names.len);
	for (i = 0; i < n; i++, p += strlen(p) + 1)
		v[i] = p;
	v[n] = NULL;
	qsort(v, n, sizeof(*v), cmp_name);
	*ret = v;
	*ret_n = n;
	return 0;
}

static int walk_dir(struct walk *w, int dir, uint32_t id, int depth);

static int
walk_sub(struct walk *w, int dir, const char *name, uint32_t id, int depth)
{
	auto_close int sub = -1;
	size_t len = w->path.len;
	int r;

	if (depth == DEPTH_MAX)
		return refuse(w, name, "directories are nested too deep");
	sub = openat(dir, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC);
	if (sub < 0)
		return fail(w, -errno, name, "open");
	buf_addf(&w->path, "/%s", name);
	r = walk_dir(w, sub, id, depth + 1);
	w->path.len = len;
	return r;
}

/* The file has one more name. */
static int
put_again(struct walk *w, uint32_t dir_id, const char *name, uint32_t id)
{
	struct vd_inode rec = {.mount = w->c->mount,
	    .id = id,
	    .dir = dir_id,
	    .name = name,
	    .again = 1};
	int r = vd_put(snap_writer(w->s), &vd_type_inode, &rec);

	return r < 0 ? vps_err_set(w->e, r, "write image") : 0;
}

static int
walk_name(struct walk *w, int dir, uint32_t dir_id, const char *name, int depth)
{
	struct statx st;
	uint32_t id;
	int r;

	if (statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STX_WANT,
		&st) < 0)
		return fail(w, -errno, name, "stat");
	/* Only in a /dev, whose mount points every instance has. */
	if (st.stx_mnt_id != w->mnt_id)
		return 0;
	if (w->c->dev && depth == 0 && is_base(w, dir, name, &st))
		return 0;
	/* 0:0 is what overlayfs uses, anybody may make it. */
	if ((S_ISCHR(st.stx_mode) || S_ISBLK(st.stx_mode)) &&
	    (st.stx_rdev_major != 0 || st.stx_rdev_minor != 0) &&
	    !(w->c->dev && depth == 0 && is_base_device(name, &st)))
		return refuse(w, name,
		    "a device node other than those of every instance");
	r = number(w, &st, &id);
	if (r < 0)
		return fail(w, r, name, "number");
	if (r == 1)
		return put_again(w, dir_id, name, id);
	r = put_inode(w, dir, dir_id, name, &st, id);
	if (r < 0)
		return r;
	if (S_ISREG(st.stx_mode) && st.stx_size > 0)
		return dump_data(w, dir, name, &st, id);
	if (S_ISDIR(st.stx_mode))
		return walk_sub(w, dir, name, id, depth);
	return 0;
}

static int
walk_dir(struct walk *w, int dir, uint32_t id, int depth)
{
	auto_free char **names = NULL;
	size_t i, n = 0;
	int r = list_dir(dir, &names, &n);

	if (r < 0)
		return fail(w, r, "", "list");
	for (i = 0; i < n && r == 0; i++)
		r = walk_name(w, dir, id, names[i], depth);
	return r;
}

static int
put_gone(struct walk *w)
{
	const struct core_devnode *d;
	struct statx st;
	int r = 0;

	for (d = core_devnodes; d->name != NULL && r == 0; d++) {
		struct vd_inode rec = {
		    .mount = w->c->mount, .dir = 1, .name = d->name};

		if (statx(w->c->root, d->name, AT_SYMLINK_NOFOLLOW, 0, &st) ==
		    0)
			continue;
		if (errno != ENOENT)
			return fail(w, -errno, d->name, "stat");
		r = vd_put(snap_writer(w->s), &vd_type_inode, &rec);
		if (r < 0)
			(void)vps_err_set(w->e, r, "write image");
	}
	return r;
}

int
snap_content_dump(
    struct snap *s, const struct snap_content *c, struct vps_err *e)
{
	struct walk w = {.s = s, .c = c, .e = e, .last = 1};
	struct statx st;
	int r;

	buf_adds(&w.path, strcmp(c->where, "/") == 0 ? "" : c->where);
	w.chunk = malloc(CHUNK);
	if (w.chunk == NULL || buf_err(&w.path) != 0)
		r = vps_err_set(e, -ENOMEM, "contents of %s", c->where);
	else if (statx(c->root, "", AT_EMPTY_PATH, STX_WANT, &st) < 0)
		r = vps_err_set(e, -errno, "stat %s", c->where);
	else
		r = put_inode(&w, c->root, 0, "", &st, 1);
	w.mnt_id = st.stx_mnt_id;
	if (r == 0 && c->dev)
		r = put_gone(&w);
	if (r == 0 && S_ISDIR(st.stx_mode))
		r = walk_dir(&w, c->root, 1, 0);
	tdestroy(w.seen, free);
	buf_fini(&w.path);
	buf_fini(&w.xbuf);
	free(w.chunk);
	return r;
}
