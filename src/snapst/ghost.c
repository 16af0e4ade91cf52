/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files that no name leads to: unlinked ones, memfds, shared memory. Owns their
 * numbers and writes their attributes at once and their contents with the
 * pages. One ghost is one inode, however often it is open or mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "snapst/snap.h"

#define DELETED " (deleted)"
/* What must travel within the pause. */
#define GHOST_MAX (UINT64_C(4) << 30)
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC 0x5345434d
#endif
#ifndef MQUEUE_MAGIC
#define MQUEUE_MAGIC 0x19800202
#endif

struct ghost {
	struct ghost *next;
	uint32_t id;
	dev_t dev;
	ino_t ino;
	uint64_t size;
	int fd;     /* owned, readable */
	char *link; /* owned; NULL when the record has been written */
};

/* The one slot of this kind. */
struct ghosts {
	struct ghost *first;
	uint32_t n;
	dev_t shm; /* device of the kernel's own mount of shared memory */
};

static struct ghosts *
ghosts_of(struct snap *s)
{
	return snap_slot(s, VD_T_ghost, 0, sizeof(struct ghosts));
}

void
snap_ghosts_fini(struct snap *s)
{
	struct ghosts *all = ghosts_of(s);

	while (all != NULL && all->first != NULL) {
		struct ghost *g = all->first;

		all->first = g->next;
		(void)close(g->fd);
		free(g->link);
		free(g);
	}
	if (all != NULL)
		*all = (struct ghosts){0};
}

bool
snap_is_ghost(const struct stat *st, const char *link)
{
	size_t n = strlen(link), d = strlen(DELETED);

	return st->st_nlink == 0 && S_ISREG(st->st_mode) && n > d &&
	       strcmp(link + n - d, DELETED) == 0;
}

const char *
snap_ghost_refuse(long fs_type, const struct stat *st)
{
	if (fs_type == HUGETLBFS_MAGIC)
		return "huge pages of hugetlbfs can't be carried";
	if (fs_type == SECRETMEM_MAGIC)
		return "memfd_secret memory can't be read";
	if (fs_type == MQUEUE_MAGIC)
		return "message queues can't be carried";
	if ((uint64_t)st->st_blocks * 512 > GHOST_MAX)
		return "an unlinked file of more than 4 GiB takes too long; "
		       "close it or give it a name";
	return NULL;
}

static dev_t
shm_device(void)
{
	auto_close int fd = memfd_create("vps", MFD_CLOEXEC);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? st.st_dev : 0;
}

static int
reopen(int fd)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, r;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = open(path, flags | O_NOATIME);
	if (r < 0)
		r = open(path, flags);
	return r < 0 ? -errno : r;
}

/* Extended attributes */

static bool
is_acl(const char *name)
{
	return strncmp(name, "system.posix_acl_", 17) == 0;
}

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

/* The ids in an access list (struct posix_acl_xattr_header and entries) and in
 * a file capability are the host's. */
static int
map_value(struct snap *s, const char *name, uint8_t *v, size_t *n)
{
	struct acl_entry a;
	uint32_t magic;

	if (is_acl(name)) {
		for (size_t i = 4; i + sizeof(a) <= *n; i += sizeof(a)) {
			memcpy(&a, v + i, sizeof(a));
			if (a.tag == 0x02)
				a.id = snap_uid(s, a.id);
			else if (a.tag == 0x08)
				a.id = snap_gid(s, a.id);
			memcpy(v + i, &a, sizeof(a));
		}
	} else if (strcmp(name, "security.capability") == 0 && *n == 24) {
		/* Version 3 names the root user of a namespace: the instance's
		 * own is version 2 when seen from inside. */
		memcpy(&a.id, v + 20, 4);
		if (snap_uid(s, a.id) != 0)
			return -EOPNOTSUPP;
		memcpy(&magic, v, 4);
		magic = (magic & 0x00ffffffu) | 0x02000000u;
		memcpy(v, &magic, 4);
		*n = 20;
	}
	return 0;
}

#define ATTRS_MAX 64

struct attrs {
	struct vd_ghostattr a[ATTRS_MAX];
	size_t n;
	struct buf names, values;
};

static void
attrs_fini(struct attrs *x)
{
	buf_fini(&x->names);
	buf_fini(&x->values);
}

static bool
travels(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || is_acl(name) ||
	       strcmp(name, "security.capability") == 0;
}

static int
read_attrs(struct snap *s, int fd, struct attrs *x)
{
	char *list = (char *)buf_reserve(&x->names, 65536);
	uint8_t *v = buf_reserve(&x->values, ATTRS_MAX * 65536);
	ssize_t n;

	if (list == NULL || v == NULL)
		return -ENOMEM;
	n = flistxattr(fd, list, 65536);
	if (n < 0)
		return errno == EOPNOTSUPP ? 0 : -errno;
	for (char *p = list; p < list + n; p += strlen(p) + 1) {
		ssize_t len;
		size_t used;

		if (!travels(p))
			continue;
		if (x->n == ATTRS_MAX)
			return -E2BIG;
		len = fgetxattr(fd, p, v, 65536);
		if (len < 0)
			return -errno;
		used = (size_t)len;
		if (map_value(s, p, v, &used) < 0)
			return -EOPNOTSUPP;
		x->a[x->n++] =
		    (struct vd_ghostattr){.name = p, .value = {v, used}};
		v += used;
	}
	return 0;
}

/* Numbering */

static int64_t
ns_of(const struct timespec *t)
{
	return t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
}

static int
put_record(struct snap *s, const struct ghosts *all, const struct ghost *g,
    const struct stat *st, struct vps_err *e)
{
	const char *link = g->link;
	size_t n = strlen(link), d = strlen(DELETED);
	struct vd_ghost v = {.id = g->id,
	    .mode = st->st_mode & 07777,
	    .uid = snap_uid(s, st->st_uid),
	    .gid = snap_gid(s, st->st_gid),
	    .size = (uint64_t)st->st_size,
	    .atime_ns = ns_of(&st->st_atim),
	    .mtime_ns = ns_of(&st->st_mtim)};
	struct attrs x = {0};
	char name[4096], tmp[64];
	int r;

	if (v.uid == UINT32_MAX || v.gid == UINT32_MAX)
		return vps_err_say(e, -EOPNOTSUPP,
		    "%s: belongs to a user outside the instance", link);
	if (n > d && strcmp(link + n - d, DELETED) == 0)
		n -= d;
	if (n >= sizeof(name))
		return vps_err_set(e, -ENAMETOOLONG, "%s", link);
	memcpy(name, link, n);
	name[n] = '\0';
	v.path = name;
	if (st->st_dev == all->shm) {
		v.kind = strncmp(name, "/memfd:", 7) == 0 ? 1 : 2;
		if (v.kind == 1)
			v.path = name + 7;
		r = fcntl(g->fd, F_GET_SEALS);
		v.seals = r < 0 ? 0 : (uint32_t)r;
	}
	/* The kernel names what O_TMPFILE made after its inode. */
	(void)snprintf(tmp, sizeof(tmp), "/#%lu", (unsigned long)st->st_ino);
	v.linkable =
	    n > strlen(tmp) - 1 && strcmp(name + n - strlen(tmp), tmp) == 0;
	r = read_attrs(s, g->fd, &x);
	if (r == 0) {
		v.attrs = x.a;
		v.n_attrs = x.n;
		r = vd_put(snap_writer(s), &vd_type_ghost, &v);
	}
	attrs_fini(&x);
	return r < 0 ? vps_err_set(e, r, "%s", link) : 0;
}

static int
add_ghost(struct ghosts *all, int fd, const struct stat *st, const char *link,
    struct ghost **ret)
{
	struct ghost *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	g->fd = reopen(fd);
	g->link = strdup(link);
	if (g->fd < 0 || g->link == NULL) {
		int r = g->fd < 0 ? g->fd : -ENOMEM;

		if (g->fd >= 0)
			(void)close(g->fd);
		free(g->link);
		free(g);
		return r;
	}
	g->id = ++all->n;
	g->dev = st->st_dev;
	g->ino = st->st_ino;
	g->size = (uint64_t)st->st_size;
	g->next = all->first;
	all->first = g;
	*ret = g;
	return 0;
}

int
snap_ghost_number(
    struct snap *s, int fd, const char *link, uint32_t *ret, struct vps_err *e)
{
	struct ghosts *all = ghosts_of(s);
	struct ghost *g;
	struct statfs fs;
	struct stat st;
	const char *no;
	int r;

	if (all == NULL || fstat(fd, &st) < 0)
		return vps_err_set(
		    e, all == NULL ? -ENOMEM : -errno, "%s", link);
	for (g = all->first; g != NULL; g = g->next) {
		if (g->dev == st.st_dev && g->ino == st.st_ino) {
			*ret = g->id;
			return 0;
		}
	}
	if (!S_ISREG(st.st_mode))
		return vps_err_say(e, -EOPNOTSUPP,
		    "%s: isn't a regular file and has no name", link);
	no = snap_ghost_refuse(fstatfs(fd, &fs) < 0 ? 0 : (long)fs.f_type, &st);
	if (no != NULL)
		return vps_err_say(e, -EOPNOTSUPP, "%s: %s", link, no);
	if (all->shm == 0)
		all->shm = shm_device();
	r = add_ghost(all, fd, &st, link, &g);
	if (r < 0)
		return vps_err_set(e, r, "open %s", link);
	*ret = g->id;
	return 0;
}

int
snap_ghosts_records(struct snap *s, struct vps_err *e)
{
	struct ghosts *all = ghosts_of(s);

	for (struct ghost *g = all ? all->first : NULL; g != NULL;
	     g = g->next) {
		struct stat st;
		int r;

		if (g->link == NULL)
			continue;
		if (fstat(g->fd, &st) < 0)
			return vps_err_set(e, -errno, "%s", g->link);
		r = put_record(s, all, g, &st, e);
		if (r < 0)
			return r;
		free(take_ptr(&g->link));
	}
	return 0;
}

int
snap_ghost_id(
    struct snap *s, int fd, const char *link, uint32_t *ret, struct vps_err *e)
{
	int r = snap_ghost_number(s, fd, link, ret, e);

	return r < 0 ? r : snap_ghosts_records(s, e);
}

/* Contents */

struct batch {
	struct vd_writer *w;
	uint32_t obj;
	uint8_t *buf; /* VD_PAGES_MAX pages */
	struct vd_extent x[VD_PAGES_MAX];
	size_t nx, npages;
};

static int
batch_flush(struct batch *b)
{
	struct iovec iov = {b->buf, b->npages * VD_PAGE};
	int r = 0;

	if (b->npages > 0)
		r = vd_put_pages(b->w, b->obj, b->x, b->nx, &iov, 1);
	b->nx = b->npages = 0;
	return r;
}

static bool
is_zero(const uint8_t *p)
{
	return p[0] == 0 && memcmp(p, p + 1, VD_PAGE - 1) == 0;
}

/* Pages that hold only zeros are left out: a hole reads the same. */
static void
batch_page(struct batch *b, uint64_t off)
{
	struct vd_extent *last = b->nx > 0 ? &b->x[b->nx - 1] : NULL;

	if (is_zero(b->buf + b->npages * VD_PAGE))
		return;
	if (last != NULL && last->addr + last->npages * VD_PAGE == off)
		last->npages++;
	else
		b->x[b->nx++] = (struct vd_extent){off, 1};
	b->npages++;
}

static int
read_page(const struct ghost *g, uint8_t *p, uint64_t off)
{
	size_t want = VD_PAGE, got = 0;

	if (g->size - off < want)
		want = (size_t)(g->size - off);
	while (got < want) {
		ssize_t n =
		    pread(g->fd, p + got, want - got, (off_t)(off + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		got += (size_t)n;
	}
	memset(p + got, 0, VD_PAGE - got);
	return 0;
}

static int
put_range(struct batch *b, const struct ghost *g, uint64_t at, uint64_t end)
{
	int r = 0;

	for (; at < end && r == 0; at += VD_PAGE) {
		r = read_page(g, b->buf + b->npages * VD_PAGE, at);
		if (r < 0)
			return r;
		batch_page(b, at);
		if (b->npages == VD_PAGES_MAX)
			r = batch_flush(b);
	}
	return r;
}

static int
put_contents(struct batch *b, const struct ghost *g)
{
	uint64_t at = 0;

	while (at < g->size) {
		off_t data = lseek(g->fd, (off_t)at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno == ENXIO)
			break; /* nothing but a hole is left */
		if (data < 0) {
			data = (off_t)at;
			hole = (off_t)g->size;
		} else {
			hole = lseek(g->fd, data, SEEK_HOLE);
			if (hole < 0)
				return -errno;
		}
		data &= ~(off_t)(VD_PAGE - 1);
		hole = (hole + VD_PAGE - 1) & ~(off_t)(VD_PAGE - 1);
		if ((uint64_t)data < at)
			data = (off_t)at; /* filesystem blocks below a page */
		r = put_range(b, g, (uint64_t)data, (uint64_t)hole);
		if (r < 0)
			return r;
		at = (uint64_t)hole;
	}
	return batch_flush(b);
}

int
snap_ghosts_pages(struct snap *s, struct vps_err *e)
{
	struct ghosts *all = ghosts_of(s);
	auto_free uint8_t *mem = NULL;
	auto_free struct batch *b = NULL;

	if (all == NULL)
		return vps_err_set(e, -ENOMEM, "unlinked files");
	if (all->first == NULL)
		return 0;
	b = calloc(1, sizeof(*b));
	mem = aligned_alloc(VD_PAGE, VD_PAGES_MAX * VD_PAGE);
	if (b == NULL || mem == NULL)
		return vps_err_set(e, -ENOMEM, "unlinked files");
	b->w = snap_writer(s);
	b->buf = mem;
	for (const struct ghost *g = all->first; g != NULL; g = g->next) {
		int r;

		b->obj = VD_GHOST_OBJ | g->id;
		r = put_contents(b, g);
		if (r < 0)
			return vps_err_set(
			    e, r, "contents of unlinked file %u", g->id);
	}
	return 0;
}
