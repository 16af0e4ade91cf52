/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mounts and what is in them, from one instance into another: two processes,
 * each root of a user namespace with ids of its own, with a root directory and
 * the mounts that every instance has. One makes mounts; they are dumped from
 * outside; the other one makes them again from the image. Both then describe
 * what they see, in words that must be the same.
 */
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "core/basemounts.h"
#include "restore/mount.h"
#include "snapst/mount.h"
#include "sys/mountinfo.h"

#define CHECK(x)                                                               \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, \
			    #x);                                               \
			exit(1);                                               \
		}                                                              \
	} while (0)

struct box {
	pid_t pid;
	int ctl; /* socket to it */
	uid_t base;
	int root; /* of it, from outside */
};

/* What snapst and restore see of it; see mount.c for what they need. */
struct snap {
	const struct box *box;
	struct vd_writer *w;
	struct buf objections;
};
static void *slot; /* restore has one */

void
snap_object(struct snap *s, const struct snap_fd *f, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	(void)f;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_addf(&s->objections, "%s\n", text);
}

struct vd_writer *
snap_writer(struct snap *s)
{
	return s->w;
}

int
snap_root(const struct snap *s)
{
	return s->box->root;
}

pid_t
snap_init(const struct snap *s)
{
	return s->box->pid;
}

static uint32_t
inside(const struct snap *s, uid_t id)
{
	if (id < s->box->base || id >= s->box->base + 65536)
		return (uint32_t)-1;
	return id - s->box->base;
}

uint32_t
snap_uid(const struct snap *s, uid_t host)
{
	return inside(s, host);
}

uint32_t
snap_gid(const struct snap *s, gid_t host)
{
	return inside(s, host);
}

void *
rst_slot(struct rst *r, uint32_t number, uint64_t object, size_t size)
{
	(void)r;
	(void)number;
	(void)object;
	if (slot == NULL)
		slot = calloc(1, size);
	return slot;
}

/* The box: until it runs commands, all of this is what create does. */

static int
make_dev(uid_t base)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), fd;
	const struct core_devnode *d;

	CHECK(fs >= 0);
	CHECK(fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) == 0);
	CHECK(fsconfig(fs, FSCONFIG_SET_STRING, "size", "4m", 0) == 0);
	CHECK(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	fd =
	    fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	CHECK(fd >= 0);
	(void)umask(0);
	for (d = core_devnodes; d->name != NULL; d++) {
		if (S_ISLNK(d->mode))
			CHECK(symlinkat(d->target, fd, d->name) == 0);
		else if (S_ISDIR(d->mode))
			CHECK(mkdirat(fd, d->name, d->mode & 07777) == 0);
		else
			CHECK(mknodat(fd, d->name, d->mode,
				  makedev(d->major, d->minor)) == 0);
		CHECK(fchownat(fd, d->name, base, base, AT_SYMLINK_NOFOLLOW) ==
		      0);
	}
	/* What is as at start isn't carried, nor are its times. */
	for (d = core_devnodes; d->name != NULL; d++)
		CHECK(utimensat(fd, d->name, (struct timespec[2]){{1}, {2}},
			  AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(fchownat(fd, "", base, base, AT_EMPTY_PATH) == 0);
	(void)umask(022);
	(void)close(fs);
	return fd;
}

static int
make_base(const struct core_basemount *b)
{
	int fs = fsopen(b->fstype, FSOPEN_CLOEXEC), fd;
	char opts[256], *p = opts, *o, *eq;

	CHECK(fs >= 0);
	(void)strcpy(opts, b->opts != NULL ? b->opts : "");
	while ((o = strsep(&p, ",")) != NULL) {
		if (*o == '\0')
			continue;
		eq = strchr(o, '=');
		CHECK(eq != NULL);
		*eq++ = '\0';
		CHECK(fsconfig(fs, FSCONFIG_SET_STRING, o, eq, 0) == 0);
	}
	CHECK(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)b->attr);
	CHECK(fd >= 0);
	(void)close(fs);
	return fd;
}

static void
move(int fd, const char *to)
{
	if (move_mount(fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
		fprintf(stderr, "mount on %s: %m\n", to);
		exit(1);
	}
	(void)close(fd);
}

static void
enter(int root, int dev)
{
	int fd[16], i;
	const struct core_basemount *b = core_basemounts;
	const char *const *mask;
	struct stat st;

	CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
	for (i = 0; b[i].path != NULL; i++)
		fd[i] = b[i].host ? dev : make_base(&b[i]);
	CHECK(
	    move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0);
	CHECK(fchdir(root) == 0);
	CHECK(syscall(SYS_pivot_root, ".", ".") == 0);
	CHECK(umount2(".", MNT_DETACH) == 0 && chdir("/") == 0);
	for (i = 0; b[i].path != NULL; i++) {
		(void)mkdir(b[i].path, 0755);
		move(fd[i], b[i].path);
	}
	for (mask = core_masked; *mask != NULL; mask++)
		if (stat(*mask, &st) == 0 && !S_ISDIR(st.st_mode))
			CHECK(mount("/dev/null", *mask, NULL, MS_BIND, NULL) ==
			      0);
}

/* What it holds. */

static void
put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(fchmod(fd, mode) == 0);
	(void)close(fd);
}

static void
dir(const char *path, mode_t mode)
{
	CHECK(mkdir(path, 0700) == 0 && chmod(path, mode) == 0);
}

static void
setup_files(void)
{
	static const uint8_t acl[] = {2, 0, 0, 0, 1, 0, 6, 0, 0xff, 0xff, 0xff,
	    0xff,                                 /* owner rw */
	    2, 0, 4, 0, 0xe8, 3, 0, 0,            /* user 1000 r */
	    4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,   /* group r */
	    16, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,  /* mask r */
	    32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}; /* others */
	const struct timespec ts[2] = {{1111, 222}, {123456789, 987654321}};
	struct vfs_cap_data cap = {
	    .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
	    .data[0].permitted = 1 << CAP_NET_RAW};
	char big[8192];
	int fd;

	dir("/run/lock", 01777);
	put("/run/lock/hidden", "beneath", 0640);
	CHECK(chown("/run/lock", 5, 6) == 0);
	dir("/run/dir", 02750);
	dir("/run/dir/deep", 0755);
	put("/run/a", "hello", 0644);
	CHECK(chown("/run/a", 1000, 1001) == 0 && chmod("/run/a", 06755) == 0);
	CHECK(link("/run/a", "/run/dir/a2") == 0);
	CHECK(link("/run/a", "/run/z") == 0);
	put("/run/caf\xe9", "no UTF-8", 0600);
	put("/run/empty", "", 0400);
	CHECK(symlink("/no/such/place", "/run/link") == 0);
	CHECK(lchown("/run/link", 7, 8) == 0);
	CHECK(mkfifo("/run/fifo", 0622) == 0);
	CHECK(mknod("/run/sock", S_IFSOCK | 0666, 0) == 0);
	CHECK(chmod("/run/sock", 0666) == 0);
	CHECK(mknod("/run/whiteout", S_IFCHR, 0) == 0);
	memset(big, 'x', sizeof(big));
	fd = open("/run/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK(pwrite(fd, big, 5000, 0) == 5000);
	CHECK(pwrite(fd, big, 8192, 2500000) == 8192);
	CHECK(ftruncate(fd, 40000000) == 0);
	(void)close(fd);
	fd = open("/run/large", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	for (int i = 0; i < 400; i++) {
		big[0] = (char)i;
		CHECK(write(fd, big, sizeof(big)) == sizeof(big));
	}
	(void)close(fd);
	CHECK(setxattr("/run/dir/deep", "system.posix_acl_default", acl,
		  sizeof(acl), 0) == 0);
	put("/run/acl", "acl", 0600);
	CHECK(setxattr("/run/acl", "system.posix_acl_access", acl, sizeof(acl),
		  0) == 0);
	put("/run/cap", "cap", 0755);
	CHECK(setxattr("/run/cap", "security.capability", &cap, XATTR_CAPS_SZ_2,
		  0) == 0);
	if (setxattr("/run/dir", "user.test", "\0\1\2", 3, 0) < 0)
		CHECK(errno == EOPNOTSUPP); /* before Linux 6.6 */
	CHECK(utimensat(AT_FDCWD, "/run/a", ts, 0) == 0);
	CHECK(utimensat(AT_FDCWD, "/run/fifo", ts, 0) == 0);
	CHECK(utimensat(AT_FDCWD, "/run/link", ts, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK(utimensat(AT_FDCWD, "/run/dir/deep", ts, 0) == 0);
	CHECK(utimensat(AT_FDCWD, "/run/dir", ts, 0) == 0);
	CHECK(utimensat(AT_FDCWD, "/run", ts, 0) == 0);
}

static void
setup(void)
{
	unsigned long ro = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV;

	CHECK(mount("shm", "/run", "tmpfs", MS_NODEV | MS_NOATIME,
		  "mode=755,size=8m,nr_inodes=5000") == 0);
	setup_files();
	CHECK(mount("locks", "/run/lock", "tmpfs", MS_NOSUID | MS_NOEXEC,
		  "size=1m") == 0);
	put("/run/lock/on top", "x", 0644);
	CHECK(mount("/data/sub", "/mnt", NULL, MS_BIND, NULL) == 0);
	CHECK(mount(NULL, "/mnt", NULL, ro, NULL) == 0);
	CHECK(mount("/run/dir", "/data/b2", NULL, MS_BIND, NULL) == 0);
	CHECK(mount("/dev/null", "/data/file", NULL, MS_BIND, NULL) == 0);
	CHECK(mount("proc", "/data/proc", "proc", MS_NOSUID, NULL) == 0);
	CHECK(mount("r", "/data/ro", "tmpfs", 0, "size=64k") == 0);
	put("/data/ro/f", "read me", 0444);
	CHECK(mount(NULL, "/data/ro", NULL, MS_REMOUNT | MS_RDONLY,
		  "size=64k") == 0);
	/* Nested, mounted from the bottom of the order to its top. */
	CHECK(mount("/data/ro", "/data/a", NULL, MS_BIND, NULL) == 0);
	/* Peers, and a slave of theirs that is shared itself. */
	CHECK(mount(NULL, "/run", NULL, MS_SHARED, NULL) == 0);
	CHECK(mount("/run", "/data/peer", NULL, MS_BIND, NULL) == 0);
	CHECK(mount("/run", "/data/slave", NULL, MS_BIND, NULL) == 0);
	CHECK(mount(NULL, "/data/slave", NULL, MS_SLAVE, NULL) == 0);
	CHECK(mount(NULL, "/data/slave", NULL, MS_SHARED, NULL) == 0);
	CHECK(mount("u", "/data/unb", "tmpfs", 0, NULL) == 0);
	CHECK(mount(NULL, "/data/unb", NULL, MS_UNBINDABLE, NULL) == 0);
	/* What every instance has, changed. */
	CHECK(unlink("/dev/full") == 0);
	CHECK(chmod("/dev/tty", 0600) == 0);
	CHECK(chown("/dev/zero", 3, 4) == 0);
	CHECK(mknod("/dev/log", S_IFSOCK | 0666, 0) == 0);
	CHECK(symlink("shm", "/dev/link") == 0);
	dir("/dev/mine", 0711);
	put("/dev/mine/x", "in dev", 0600);
	CHECK(mount("m", "/dev/mine", "tmpfs", 0, NULL) == 0);
	put("/dev/shm/sem", "shared", 0666);
	CHECK(
	    mount("shm", "/dev/shm", "tmpfs",
		MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=3m") == 0);
	CHECK(umount("/dev/mqueue") == 0);
}

/* What is seen of it. */

static void
describe_xattrs(struct buf *b, const char *path)
{
	char list[4096], value[4096];
	ssize_t n = llistxattr(path, list, sizeof(list)), v;

	for (char *p = list; n > 0 && p < list + n; p += strlen(p) + 1) {
		v = lgetxattr(path, p, value, sizeof(value));
		if (strcmp(p, "security.selinux") == 0 || v < 0)
			continue;
		buf_addf(b, " %s=", p);
		for (ssize_t i = 0; i < v; i++)
			buf_addf(b, "%02x", (unsigned char)value[i]);
	}
}

static void describe_dir(struct buf *b, const char *path, dev_t dev);

static void
describe_file(struct buf *b, const char *path, dev_t dev)
{
	char target[4096] = "", text[65536];
	struct stat st;
	uint64_t sum = 0;
	ssize_t n;
	int fd;

	CHECK(lstat(path, &st) == 0);
	if (st.st_dev != dev)
		return;
	if (S_ISLNK(st.st_mode))
		CHECK(readlink(path, target, sizeof(target) - 1) >= 0);
	buf_addf(b, "  %s: %o %u:%u %ld bytes %u links %ld.%09ld %u:%u %s",
	    path, st.st_mode, st.st_uid, st.st_gid,
	    S_ISREG(st.st_mode) ? (long)st.st_size : 0L,
	    S_ISDIR(st.st_mode) ? 0 : (unsigned)st.st_nlink,
	    (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, major(st.st_rdev),
	    minor(st.st_rdev), target);
	describe_xattrs(b, path);
	if (S_ISREG(st.st_mode)) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		while ((n = read(fd, text, sizeof(text))) > 0)
			for (ssize_t i = 0; i < n; i++)
				sum = sum * 31 + (unsigned char)text[i];
		(void)close(fd);
		buf_addf(b, " %lx, %s", (unsigned long)sum,
		    st.st_size > st.st_blocks * 512 ? "sparse" : "full");
	}
	buf_adds(b, "\n");
	if (S_ISDIR(st.st_mode))
		describe_dir(b, path, dev);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
describe_dir(struct buf *b, const char *path, dev_t dev)
{
	struct dirent **ent;
	char sub[4096];
	int n = scandir(path, &ent, NULL, by_name);

	CHECK(n >= 0);
	for (int i = 0; i < n; i++) {
		if (strcmp(ent[i]->d_name, ".") != 0 &&
		    strcmp(ent[i]->d_name, "..") != 0) {
			(void)snprintf(
			    sub, sizeof(sub), "%s/%s", path, ent[i]->d_name);
			describe_file(b, sub, dev);
		}
		free(ent[i]);
	}
	free(ent);
}

static int
by_path(const void *a, const void *b)
{
	const struct sys_mount *x = a, *y = b;
	int r = strcmp(x->path, y->path);

	return r != 0 ? r : (x->id > y->id) - (x->id < y->id);
}

/* Groups are numbered as they come. */
static unsigned
group(unsigned *seen, unsigned g)
{
	unsigned i;

	if (g == 0)
		return 0;
	for (i = 0; seen[i] != 0 && seen[i] != g; i++)
		;
	seen[i] = g;
	return i + 1;
}

static void
describe(struct buf *b)
{
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sys_mounts all;
	unsigned seen[64] = {0};
	char opts[512];
	struct stat st;

	CHECK(sys_mounts_read(proc, getpid(), &all) == 0);
	qsort(all.m, all.n, sizeof(*all.m), by_path);
	for (size_t i = 0; i < all.n; i++) {
		const struct sys_mount *m = &all.m[i];
		char *p = opts, *o;
		/* The two roots are different directories. */
		bool root = strncmp(m->root, "/A", 2) == 0 ||
			    strncmp(m->root, "/B", 2) == 0;

		if (core_is_masked(m->path))
			continue;
		buf_addf(b, "%s: %s %s %lx", m->path,
		    strcmp(m->path, "/") == 0 ? "" : m->fstype,
		    strcmp(m->path, "/") == 0 ? "" : m->source,
		    (unsigned long)m->attr);
		if (root)
			buf_addf(b, " of root%s", m->root + 2);
		else
			buf_addf(b, " of %s", m->root);
		buf_addf(b, " shared %u", group(seen, m->shared));
		buf_addf(b, " master %u", group(seen, m->master));
		buf_addf(b, " unbindable %d", m->unbindable);
		(void)snprintf(opts, sizeof(opts), "%s", m->opts);
		while ((o = strsep(&p, ",")) != NULL)
			if (strncmp(o, "uid=", 4) != 0 &&
			    strncmp(o, "gid=", 4) != 0 &&
			    strncmp(o, "mode=", 5) != 0 &&
			    strcmp(m->path, "/") != 0)
				buf_addf(b, " %s", o);
		buf_adds(b, "\n");
		if (strcmp(m->fstype, "tmpfs") == 0 && !root &&
		    strcmp(m->path, "/") != 0 && stat(m->path, &st) == 0 &&
		    S_ISDIR(st.st_mode))
			describe_file(b, m->path, st.st_dev);
	}
	(void)close(proc);
	sys_mounts_fini(&all);
	/* Beneath. */
	CHECK(umount2("/run/lock", MNT_DETACH) == 0);
	CHECK(stat("/run/lock", &st) == 0);
	describe_file(b, "/run/lock", st.st_dev);
	CHECK(umount2("/dev/mine", MNT_DETACH) == 0);
	CHECK(stat("/dev/mine", &st) == 0);
	describe_file(b, "/dev/mine", st.st_dev);
	CHECK(stat("/run/a", &st) == 0); /* noatime */
	buf_addf(b, "atime %ld.%09ld\n", (long)st.st_atim.tv_sec,
	    st.st_atim.tv_nsec);
	/* Propagation works. */
	CHECK(mount("t", "/run/dir", "tmpfs", 0, NULL) == 0);
	CHECK(stat("/run/dir", &st) == 0);
	for (int i = 0; i < 2; i++) {
		struct stat other;

		CHECK(stat(i == 0 ? "/data/peer/dir" : "/data/slave/dir",
			  &other) == 0);
		buf_addf(b, "propagated %d\n", other.st_dev == st.st_dev);
	}
}

static int
take_image(int image, struct vps_err *e)
{
	static const struct {
		uint32_t number;
		int (*fn)(struct rst *, const void *, struct vps_err *);
	} t[] = {{VD_T_mount, rst_mount}, {VD_T_inode, rst_inode},
	    {VD_T_idata, rst_idata}, {VD_T_mounted, rst_mounted}};
	struct vd_reader *rd;
	struct vd_item it;
	int r;

	CHECK(lseek(image, 0, SEEK_SET) == 0);
	CHECK(vd_reader_new(image, &rd) == 0);
	for (;;) {
		r = vd_next(rd, &it);
		if (r < 0)
			return vps_err_say(e, r, "%s", vd_reader_why(rd));
		if (it.what == VD_ITEM_END)
			break;
		for (size_t i = 0; i < ARRAY_LEN(t); i++)
			if (t[i].number == it.number)
				r = t[i].fn(NULL, it.rec, e);
		if (r < 0)
			return r;
		vd_drop(rd, it.rec); /* nothing is needed afterwards */
	}
	vd_reader_free(rd);
	return 0;
}

/* Things that can't travel. */
static void
setup_refused(void)
{
	int fd;

	CHECK(mount("lower", "/data/a", "tmpfs", 0, NULL) == 0);
	dir("/data/a/x", 0755);
	CHECK(mount("hidden", "/data/a/x", "tmpfs", 0, NULL) == 0);
	CHECK(mount("upper", "/data/a", "tmpfs", 0, NULL) == 0);
	fd = open("/dev/mqueue/q", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(
	    mount("/proc/self/ns/net", "/data/file", NULL, MS_BIND, NULL) == 0);
	dir("/data/sub/gone", 0755);
	CHECK(mount("/data/sub/gone", "/data/b2", NULL, MS_BIND, NULL) == 0);
	CHECK(rmdir("/data/sub/gone") == 0);
	CHECK(mount("/proc/1", "/data/proc", NULL, MS_BIND, NULL) == 0);
	CHECK(mount("pts", "/mnt", "devpts", 0, "newinstance") == 0);
}

static void
answer(int ctl, const char *s)
{
	CHECK(write(ctl, s, strlen(s) + 1) == (ssize_t)strlen(s) + 1);
}

static void
serve(int ctl, int image)
{
	char c;

	answer(ctl, "ready");
	while (read(ctl, &c, 1) == 1) {
		auto_buf struct buf b = {0};
		struct vps_err e = {0};

		if (c == 's') {
			setup();
		} else if (c == 'o') {
			setup_refused();
		} else if (c == 'r' && take_image(image, &e) < 0) {
			buf_addf(&b, "failed: %s", e.msg);
		} else if (c == 'd') {
			describe(&b);
		}
		answer(ctl, buf_str(&b));
	}
	_exit(0);
}

static void
ask(const struct box *b, const char *cmd, char *ret, size_t n)
{
	ssize_t got;

	if (cmd != NULL)
		CHECK(write(b->ctl, cmd, 1) == 1);
	got = read(b->ctl, ret, n - 1);
	CHECK(got > 0);
	ret[got] = '\0';
}

static void
id_map(pid_t pid, const char *what, uid_t base)
{
	char path[64], text[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
	(void)snprintf(text, sizeof(text), "0 %u 65536", base);
	CHECK(file_write(AT_FDCWD, path, text) == 0);
}

static void
box_new(struct box *b, const char *tmp, const char *name, uid_t base, int image)
{
	static const char *const dirs[] = {"", "/run", "/mnt", "/data",
	    "/data/sub", "/data/b2", "/data/proc", "/data/ro", "/data/a",
	    "/data/peer", "/data/slave", "/data/unb", "/proc", "/sys", "/dev"};
	char path[256], c = 0;
	int sv[2], root, dev;

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		(void)snprintf(
		    path, sizeof(path), "%s/%s%s", tmp, name, dirs[i]);
		CHECK(mkdir(path, 0755) == 0);
		CHECK(chown(path, base, base) == 0);
	}
	(void)snprintf(path, sizeof(path), "%s/%s/data/file", tmp, name);
	put(path, "file", 0644);
	(void)snprintf(path, sizeof(path), "%s/%s", tmp, name);
	root = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(root >= 0);
	dev = make_dev(base);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	CHECK(setsockopt(sv[1], SOL_SOCKET, SO_SNDBUFFORCE, &(int){4 << 20},
		  sizeof(int)) == 0);
	b->base = base;
	b->ctl = sv[0];
	b->pid = (pid_t)syscall(SYS_clone,
	    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
		CLONE_NEWIPC | SIGCHLD,
	    NULL, NULL, NULL, NULL);
	CHECK(b->pid >= 0);
	if (b->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(sv[0]);
		CHECK(read(sv[1], &c, 1) == 1);
		enter(root, dev);
		serve(sv[1], image);
	}
	(void)close(sv[1]);
	(void)close(root);
	(void)close(dev);
	id_map(b->pid, "uid_map", base);
	id_map(b->pid, "gid_map", base);
	CHECK(write(b->ctl, &c, 1) == 1);
	ask(b, NULL, path, sizeof(path));
	CHECK(strcmp(path, "ready") == 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)b->pid);
	b->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(b->root >= 0);
}

static void
box_end(struct box *b)
{
	(void)close(b->ctl);
	(void)close(b->root);
	(void)kill(b->pid, SIGKILL);
	(void)waitpid(b->pid, NULL, 0);
}

static int
dump(const struct box *b, int image, struct vps_err *e)
{
	struct snap s = {.box = b};
	int r;

	CHECK(vd_writer_new(image, &s.w) == 0);
	r = snap_mounts_dump(&s, e);
	if (r == 0)
		CHECK(vd_put_end(s.w) == 0);
	vd_writer_free(s.w);
	return r;
}

static void
first_difference(char *a, char *b)
{
	char *x, *y;

	do {
		x = strsep(&a, "\n");
		y = strsep(&b, "\n");
		if (x == NULL || y == NULL || strcmp(x, y) != 0) {
			fprintf(stderr, "- %s\n+ %s\n", x ? x : "", y ? y : "");
			return;
		}
	} while (x != NULL);
}

static int
travel(const char *tmp)
{
	static char want[1 << 20], got[1 << 20], text[65536];
	int image = memfd_create("image", MFD_CLOEXEC);
	struct vps_err e = {0};
	struct snap s = {0};
	struct box a, b;
	int r;

	box_new(&a, tmp, "A", 300000, image);
	ask(&a, "s", text, sizeof(text));
	s.box = &a;
	CHECK(snap_mounts_check(&s) == 0);
	if (s.objections.len > 0) {
		fprintf(stderr, "%s", buf_str(&s.objections));
		return -1;
	}
	r = dump(&a, image, &e);
	if (r < 0) {
		fprintf(stderr, "dump: %s\n", e.msg);
		return -1;
	}
	box_new(&b, tmp, "B", 700000, image);
	ask(&b, "r", text, sizeof(text));
	if (text[0] != '\0') {
		fprintf(stderr, "restore %s\n", text);
		return -1;
	}
	ask(&a, "d", want, sizeof(want));
	ask(&b, "d", got, sizeof(got));
	if (getenv("SHOW") != NULL)
		fprintf(stderr, "%s", want);
	r = strcmp(want, got) == 0 ? 0 : -1;
	/* It says something. */
	if (strstr(want, "propagated 1\npropagated 1\n") == NULL ||
	    strstr(want, "/run/caf\xe9") == NULL ||
	    strstr(want, "/run/lock/hidden") == NULL)
		r = -1;
	if (r < 0)
		first_difference(want, got);
	box_end(&a);
	box_end(&b);
	(void)close(image);
	return r;
}

static int
refused(const char *tmp)
{
	static const char *const want[] = {
	    "mount /data/a (tmpfs): it is hidden beneath another mount",
	    "mount /data/a/x (tmpfs): it is hidden beneath another mount",
	    "mount /dev/mqueue (mqueue): POSIX message queues",
	    "mount /data/file (nsfs): a filesystem of this type",
	    "mount /data/b2 (tmpfs): what is mounted there has been removed",
	    "mount /data/proc (proc): /1 of it may not exist",
	};
	struct box a;
	struct snap s = {.box = &a};
	struct vps_err e = {0};
	char text[256];
	int r = 0;

	box_new(&a, tmp, "C", 300000, -1);
	CHECK(snap_mounts_check(&s) == 0 && s.objections.len == 0);
	ask(&a, "o", text, sizeof(text));
	CHECK(snap_mounts_check(&s) == 0);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (strstr(buf_str(&s.objections), want[i]) == NULL) {
			fprintf(stderr, "no objection \"%s\"\n", want[i]);
			r = -1;
		}
	if (dump(&a, -1, &e) != -EOPNOTSUPP) {
		fprintf(stderr, "dump: %s\n", e.msg);
		r = -1;
	}
	if (r < 0)
		fprintf(stderr, "%s", buf_str(&s.objections));
	buf_fini(&s.objections);
	box_end(&a);
	return r;
}

int
main(void)
{
	char tmp[] = "/tmp/mounts-XXXXXX";
	int a, b;

	if (geteuid() != 0) {
		fprintf(stderr, "needs root\n");
		return 77;
	}
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mkdtemp(tmp) != NULL);
	CHECK(mount("t", tmp, "tmpfs", 0, "mode=755") == 0);
	a = travel(tmp);
	printf("%s 1 - from one into another\n", a == 0 ? "ok" : "not ok");
	b = refused(tmp);
	printf(
	    "%s 2 - what can't be carried\n1..2\n", b == 0 ? "ok" : "not ok");
	CHECK(umount2(tmp, MNT_DETACH) == 0 && rmdir(tmp) == 0);
	return a < 0 || b < 0;
}
