/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Descriptors and the open file descriptions behind them. A description that
 * several descriptors (of several processes) share is written once: duplicates
 * in our hands are put in order by inode and then by kcmp(2).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "snapst/kinds.h"
#include "snapst/snap_i.h"
#include "sys/pidfd.h"

static int
file_cmp(const void *a, const void *b)
{
	const struct snap_file *x = a, *y = b;
	long r;

	if (x->f.st.st_dev != y->f.st.st_dev)
		return x->f.st.st_dev < y->f.st.st_dev ? -1 : 1;
	if (x->f.st.st_ino != y->f.st.st_ino)
		return x->f.st.st_ino < y->f.st.st_ino ? -1 : 1;
	if (x->f.fd == y->f.fd)
		return 0;
	r = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, x->f.fd, y->f.fd);
	/* 3: not equal, order unknown; can't happen for files of one system */
	return r == 0 ? 0 : r == 1 ? -1 : 1;
}

static int
octal_line(const char *info, const char *key, int base, int64_t *ret)
{
	const char *p = strstr(info, key);

	if (p == NULL)
		return -ENOENT;
	*ret = strtoll(p + strlen(key), NULL, base);
	return 0;
}

/* What /proc shows of descriptor `num`; texts live in the arena. */
static int
fd_look(struct snap *s, pid_t pid, int num, struct snap_fd *f)
{
	auto_buf struct buf b = {0};
	char path[64];
	int64_t v = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%d/fdinfo/%d", pid, num);
	r = file_read(s->proc, path, &b, 1 << 22);
	if (r < 0)
		return r;
	f->info = arena_str(&s->arena, buf_str(&b));
	if (f->info == NULL)
		return -ENOMEM;
	if (octal_line(f->info, "pos:", 10, &v) == 0)
		f->pos = v;
	if (octal_line(f->info, "flags:", 8, &v) == 0)
		f->flags = (int)v;
	if (octal_line(f->info, "mnt_id:", 10, &v) == 0)
		f->mnt_id = (int)v;
	(void)snprintf(path, sizeof(path), "%d/fd/%d", pid, num);
	f->link = snap_readlink(s, path);
	if (f->link == NULL || fstatat(s->proc, path, &f->st, 0) < 0)
		return -errno;
	return 0;
}

int
snap_fds_check(struct snap *s, struct snap_proc *p)
{
	auto_free int *nums = NULL;
	char path[32];
	int n;

	(void)snprintf(path, sizeof(path), "%d/fd", p->live);
	n = sys_numdir(s->proc, path, &nums);
	if (n < 0)
		return n == -ENOENT ? 0 : n;
	for (int i = 0; i < n; i++) {
		struct snap_fd f = {.pid = p->live,
		    .pid_in = p->pid_in,
		    .num = nums[i],
		    .fd = -1};
		const struct snap_kind *k;

		if (fd_look(s, p->live, nums[i], &f) < 0)
			continue; /* closed meanwhile */
		k = snap_kind_of(&f);
		if (k == NULL)
			snap_object(s, &f,
			    "%s: this kind of file can't be carried", f.link);
		else if (k->check != NULL)
			(void)k->check(s, &f);
	}
	return 0;
}

/* Enters a description that wasn't known; f->fd becomes the file's. */
static int
file_new(struct snap *s, const struct snap_fd *f, struct snap_file **ret)
{
	struct snap_file *x;

	if (s->nfiles == s->files_cap) {
		size_t cap = s->files_cap ? s->files_cap * 2 : 256;
		struct snap_file **v = reallocarray(s->files, cap, sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		s->files = v;
		s->files_cap = cap;
	}
	x = arena_alloc(&s->arena, sizeof(*x));
	if (x == NULL)
		return -ENOMEM;
	x->f = *f;
	x->id = (uint32_t)s->nfiles + 1;
	x->kind = snap_kind_of(f);
	s->files[s->nfiles++] = x;
	*ret = x;
	return 0;
}

/* Finds the description of f->fd or enters it. Takes f->fd over. */
static int
file_enter(struct snap *s, struct snap_fd *f, uint32_t *ret)
{
	struct snap_file key = {.f = *f}, *x;
	void *found = tfind(&key, &s->file_tree, file_cmp);
	int r;

	if (found != NULL) {
		*ret = (*(struct snap_file **)found)->id;
		(void)close(f->fd);
		return 0;
	}
	r = file_new(s, f, &x);
	if (r < 0) {
		(void)close(f->fd);
		return r;
	}
	if (tsearch(x, &s->file_tree, file_cmp) == NULL)
		return -ENOMEM;
	*ret = x->id;
	return 0;
}

/* Remembers descriptors whose fdinfo tells of locks: it shows an fcntl lock
 * only where its owner is, so every descriptor is asked. */
static int
note_locks(struct snap *s, const struct snap_fd *f, uint32_t file)
{
	const struct snap_fd *first = &s->files[file - 1]->f;

	if (strstr(f->info, "\nlock:") == NULL)
		return 0;
	if (s->nlockers == s->lockers_cap) {
		size_t cap = s->lockers_cap ? s->lockers_cap * 2 : 32;
		void *v = reallocarray(s->lockers, cap, sizeof(*s->lockers));

		if (v == NULL)
			return -ENOMEM;
		s->lockers = v;
		s->lockers_cap = cap;
	}
	s->lockers[s->nlockers++] = (struct snap_locker){.f = *f,
	    .file = file,
	    .first = first->pid == f->pid && first->num == f->num};
	return 0;
}

int
snap_fds(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	auto_free int *nums = NULL;
	char path[32];
	int n;

	if (p->pidfd < 0)
		p->pidfd = sys_pidfd_open_task(p->live);
	if (p->pidfd < 0)
		return vps_err_set(e, p->pidfd, "process %d", p->pid_in);
	(void)snprintf(path, sizeof(path), "%d/fd", p->live);
	n = sys_numdir(s->proc, path, &nums);
	if (n < 0)
		return vps_err_set(
		    e, n, "process %d: list its descriptors", p->pid_in);
	p->fds = arena_array(&s->arena, (size_t)n, sizeof(*p->fds));
	if (p->fds == NULL)
		return vps_err_set(e, -ENOMEM, "process %d", p->pid_in);
	for (int i = 0; i < n; i++) {
		struct snap_fd f = {.pid = p->live,
		    .pid_in = p->pid_in,
		    .num = nums[i],
		    .fd = -1};
		struct vd_fdent *d = &p->fds[i];
		int r = fd_look(s, p->live, nums[i], &f);

		if (r == 0) {
			f.fd =
			    (int)syscall(SYS_pidfd_getfd, p->pidfd, nums[i], 0);
			r = f.fd < 0 ? -errno : 0;
		}
		d->fd = (uint32_t)nums[i];
		d->cloexec = (f.flags & O_CLOEXEC) != 0;
		if (r == 0)
			r = file_enter(s, &f, &d->file);
		if (r == 0)
			r = note_locks(s, &f, d->file);
		if (r < 0)
			return vps_err_set(e, r, "process %d (%s) fd %d",
			    p->pid_in, p->stat.comm, nums[i]);
	}
	p->nfds = (size_t)n;
	p->rec.fds = p->fds;
	p->rec.n_fds = p->nfds;
	return 0;
}

int
snap_file_id(struct snap *s, pid_t pid, int num, uint32_t *ret)
{
	for (size_t i = 0; i < s->nprocs; i++) {
		const struct snap_proc *p = &s->procs[i];

		if (p->live != pid)
			continue;
		for (size_t k = 0; k < p->nfds; k++) {
			if (p->fds[k].fd == (uint32_t)num) {
				*ret = p->fds[k].file;
				return 0;
			}
		}
	}
	return -ENOENT;
}

int
snap_file_own(struct snap *s, int fd, uint32_t *ret, struct vps_err *e)
{
	struct snap_fd f = {.num = -1, .fd = -1};
	int r = fd_look(s, getpid(), fd, &f);

	if (r == 0) {
		f.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		r = f.fd < 0 ? -errno : file_enter(s, &f, ret);
		if (r == 0 && s->files[*ret - 1]->f.num == -1)
			r = note_locks(s, &f, *ret);
	}
	return r < 0 ? vps_err_set(e, r, "descriptor in flight") : 0;
}

const struct snap_fd *
snap_file_nth(struct snap *s, size_t n, uint32_t *ret_id)
{
	if (n >= s->nfiles)
		return NULL;
	*ret_id = s->files[n]->id;
	return &s->files[n]->f;
}

static int
file_put(struct snap *s, struct snap_file *x, struct vps_err *e)
{
	struct vd_file rec;
	int r;

	if (x->kind == NULL)
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %d fd %d: %s: this kind of file can't be carried",
		    x->f.pid_in, x->f.num, x->f.link);
	r = snap_file_record(s, &x->f, x->id, x->kind->number, &rec, e);
	if (r < 0)
		return r;
	r = vd_put(s->w, &vd_type_file, &rec);
	if (r < 0)
		return vps_err_set(e, r, "write the image");
	r = x->kind->dump(s, &x->f, x->id, e);
	return r < 0 ? vps_err_wrap(e, r, "process %d fd %d (%s)", x->f.pid_in,
			   x->f.num, x->kind->name)
		     : 0;
}

/* Writes the files from number `n` on; how many there are then. */
static int
put_from(struct snap *s, size_t n, struct vps_err *e)
{
	for (; n < s->nfiles; n++) {
		int r = file_put(s, s->files[n], e);

		if (r < 0)
			return r;
	}
	return (int)n;
}

static int
put_locks(struct snap *s, struct vps_err *e)
{
	for (size_t i = 0; i < s->nlockers; i++) {
		const struct snap_locker *l = &s->lockers[i];
		int r = snap_locks_dump(s, &l->f, l->file, l->first, e);

		if (r < 0)
			return vps_err_wrap(
			    e, r, "process %d fd %d", l->f.pid_in, l->f.num);
	}
	return 0;
}

int
snap_files_put(struct snap *s, struct vps_err *e)
{
	int put = put_from(s, 0, e), r;

	/* the list grows while descriptors in flight are found */
	for (int late = 0; late < 2 && put >= 0; late++) {
		for (size_t i = 0; i < s->nfiles && put >= 0; i++) {
			struct snap_file *x = s->files[i];

			if (x->kind->dump_refs == NULL ||
			    x->kind->refs_late != (late != 0))
				continue;
			r = x->kind->dump_refs(s, &x->f, x->id, e);
			if (r < 0)
				return vps_err_wrap(e, r,
				    "process %d fd %d (%s)", x->f.pid_in,
				    x->f.num, x->kind->name);
			put = put_from(s, (size_t)put, e);
		}
	}
	if (put < 0)
		return put;
	r = snap_kinds_end(s, e);
	return r < 0 ? r : put_locks(s, e);
}

static void
tree_nofree(void *p)
{
	(void)p;
}

void
snap_files_free(struct snap *s)
{
	tdestroy(s->file_tree, tree_nofree);
	s->file_tree = NULL;
	for (size_t i = 0; i < s->nfiles; i++)
		(void)close(s->files[i]->f.fd);
	free(s->files);
	s->files = NULL;
	s->nfiles = s->files_cap = 0;
	free(s->lockers);
	s->lockers = NULL;
	s->nlockers = s->lockers_cap = 0;
}
