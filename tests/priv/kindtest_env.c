/* SPDX-License-Identifier: BSD-2-Clause
 * The snap_*() and rst_*() of a test: see kindtest.h. */
#include <assert.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "kindtest_i.h"

/* struct snap and struct rst are never defined here: both are a struct kt. */
static struct kt *
of_snap(const struct snap *s)
{
	return (struct kt *)(uintptr_t)s;
}

static struct kt *
of_rst(const struct rst *r)
{
	return (struct kt *)(uintptr_t)r;
}

void
kt_slots_fini(struct kt *kt)
{
	while (kt->slot != NULL) {
		struct kt_slot *t = kt->slot;

		kt->slot = t->next;
		free(t);
	}
}

void
kt_env_fini(struct kt *kt)
{
	for (size_t i = 0; i < kt->nfd; i++) {
		struct snap_fd *f = &kt->fd[i].f;

		free((void *)(uintptr_t)f->link);
		free((void *)(uintptr_t)f->info);
		if (f->fd >= 0)
			(void)close(f->fd);
	}
	kt->nfd = 0;
	buf_fini(&kt->obj);
	kt_slots_fini(kt);
}

static void *
slot_get(struct kt *kt, uint32_t number, uint64_t object, size_t size)
{
	struct kt_slot *t;

	for (t = kt->slot; t != NULL; t = t->next)
		if (t->number == number && t->object == object)
			return t->data;
	t = calloc(1, sizeof(*t) + size);
	assert(t != NULL);
	t->number = number;
	t->object = object;
	t->next = kt->slot;
	kt->slot = t;
	return t->data;
}

void
snap_object(struct snap *s, const struct snap_fd *f, const char *fmt, ...)
{
	struct kt *kt = of_snap(s);
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (f != NULL)
		buf_addf(&kt->obj, "process %d fd %d: ", f->pid_in, f->num);
	buf_addf(&kt->obj, "%s\n", msg);
	kt->nobj++;
}

struct vd_writer *
snap_writer(struct snap *s)
{
	return of_snap(s)->w;
}

int
snap_root(const struct snap *s)
{
	return of_snap(s)->root;
}

int
snap_undo_dir(const struct snap *s)
{
	return of_snap(s)->undo;
}

int
snap_ext_master(struct snap *s, unsigned i, int *ret_num)
{
	struct kt *kt = of_snap(s);

	if (i > 0 || kt->ext <= 0)
		return -ENOENT;
	*ret_num = 7;
	return kt->ext;
}

pid_t
snap_init(const struct snap *s)
{
	(void)s;
	return getpid();
}

uint32_t
snap_uid(const struct snap *s, uid_t host)
{
	(void)s;
	return host;
}

uint32_t
snap_gid(const struct snap *s, gid_t host)
{
	(void)s;
	return host;
}

pid_t
snap_pid_in(const struct snap *s, pid_t host)
{
	return kt_proc_of(of_snap(s), host) != NULL ? host : 0;
}

pid_t
snap_pid_host(const struct snap *s, pid_t in)
{
	return snap_pid_in(s, in);
}

int
snap_file_id(struct snap *s, pid_t pid, int num, uint32_t *ret)
{
	struct kt *kt = of_snap(s);

	for (size_t i = 0; i < kt->nfd; i++) {
		if (kt->fd[i].f.pid != pid || kt->fd[i].f.num != num)
			continue;
		*ret = kt->fd[i].id;
		return 0;
	}
	return -ENOENT;
}

static int
add_flying(struct kt *kt, int fd, struct vps_err *e)
{
	struct kt_fd *d = &kt->fd[kt->nfd];
	struct buf b = {0};
	char path[64], link[4096];
	ssize_t n;

	assert(kt->nfd < KT_FDS);
	*d = (struct kt_fd){.f = {.num = -1, .fd = -1}, .first = true};
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link) - 1);
	assert(n >= 0);
	link[n] = '\0';
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	assert(file_read(AT_FDCWD, path, &b, 1 << 20) == 0);
	d->f.link = strdup(link);
	d->f.info = strdup(buf_str(&b));
	buf_fini(&b);
	(void)sscanf(d->f.info, "pos:\t%ld\nflags:\t%o\nmnt_id:\t%d", &d->f.pos,
	    (unsigned *)&d->f.flags, &d->f.mnt_id);
	d->f.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	assert(d->f.fd >= 0 && fstat(fd, &d->f.st) == 0);
	d->id = ++kt->nfile;
	kt->nfd++;
	return kt_dump_one(kt, d, e);
}

int
snap_file_own(struct snap *s, int fd, uint32_t *ret, struct vps_err *e)
{
	struct kt *kt = of_snap(s);
	int r;

	for (size_t i = 0; i < kt->nfd; i++) {
		if (!kt->fd[i].first || !kt_same_file(kt->fd[i].f.fd, fd))
			continue;
		*ret = kt->fd[i].id;
		return 0;
	}
	r = add_flying(kt, fd, e);
	if (r == 0)
		*ret = kt->nfile;
	return r;
}

const struct snap_fd *
snap_file_nth(struct snap *s, size_t n, uint32_t *ret_id)
{
	struct kt *kt = of_snap(s);

	for (size_t i = 0; i < kt->nfd; i++) {
		if (!kt->fd[i].first || n-- > 0)
			continue;
		*ret_id = kt->fd[i].id;
		return &kt->fd[i].f;
	}
	return NULL;
}

void *
snap_slot(struct snap *s, uint32_t number, uint64_t object, size_t size)
{
	return slot_get(of_snap(s), number, object, size);
}

int
rst_fd(struct rst *r, uint32_t id)
{
	struct kt *kt = of_rst(r);

	for (size_t i = 0; i < kt->nrf; i++)
		if (kt->rf[i].f->id == id)
			return kt->rf[i].fd;
	return -EBADMSG;
}

int
rst_remote(struct rst *r, pid_t pid, struct sys_rcalls *c, struct vps_err *e)
{
	struct kt *kt = of_rst(r);
	int rc;

	if (c->err != 0)
		return vps_err_set(e, c->err, "table");
	if (pid == 0 || kt_proc_of(kt, pid) == NULL)
		rc = kt_table_once(kt, c);
	else
		rc = kt_table(kt_proc_of(kt, pid), c);
	return rc < 0 ? vps_err_set(e, rc, "table in process %d", pid) : 0;
}

int
rst_take_fd(struct rst *r, pid_t pid, int num, struct vps_err *e)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, num, 0);

	(void)r;
	return fd < 0 ? vps_err_set(e, -errno, "fd %d of %d", num, pid) : fd;
}

int
rst_open(struct rst *r, const char *path, int flags, struct vps_err *e)
{
	struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
	long fd;

	fd = syscall(SYS_openat2, of_rst(r)->root, path, &how, sizeof(how));
	return fd < 0 ? vps_err_set(e, -errno, "open %s", path) : (int)fd;
}

int
rst_holder(struct rst *r, uint32_t id, pid_t like, pid_t *ret_pid, int *ret_num)
{
	struct kt *kt = of_rst(r);

	for (size_t i = 0; i < kt->nfd; i++) {
		if (kt->fd[i].id != id || kt->fd[i].f.num < 0 ||
		    (like != 0 && kt->fd[i].f.pid != like))
			continue;
		*ret_pid = kt->fd[i].f.pid;
		*ret_num = kt->fd[i].f.num;
		return 0;
	}
	return like == 0 ? -ENOENT : rst_holder(r, id, 0, ret_pid, ret_num);
}

void *
rst_slot(struct rst *r, uint32_t number, uint64_t object, size_t size)
{
	return slot_get(of_rst(r), number, object, size);
}
