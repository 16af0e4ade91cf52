/* SPDX-License-Identifier: BSD-2-Clause
 *
 * All open file descriptions, made once in the builder.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/kinds.h"
#include "restore/rst_i.h"

int
rst_fd(struct rst *r, uint32_t id)
{
	if (id == 0 || id > r->nfiles || r->files[id - 1].fd < 0)
		return -EBADMSG;
	return r->files[id - 1].fd;
}

int
rst_open(struct rst *r, const char *path, int flags, struct vps_err *e)
{
	struct open_how how = {.flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
	    .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	(void)r;
	return fd < 0 ? vps_err_set(e, -errno, "open %s", path) : fd;
}

int
rst_take_fd(struct rst *r, pid_t pid, int num, struct vps_err *e)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int fd;

	(void)r;
	if (pidfd < 0)
		return vps_err_set(e, -errno, "process %d", pid);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, num, 0);
	return fd < 0 ? vps_err_set(e, -errno,
			    "take descriptor %d of process %d", num, pid)
		      : fd;
}

int
rst_holder(struct rst *r, uint32_t id, pid_t like, pid_t *ret_pid, int *ret_num)
{
	int found = -ENOENT;

	for (size_t i = 0; i < r->nprocs; i++) {
		const struct vd_proc *p = r->procs[i].rec;

		for (size_t k = 0; k < p->n_fds; k++) {
			if (p->fds[k].file != id ||
			    (found == 0 && (pid_t)p->pid != like))
				continue;
			*ret_pid = (pid_t)p->pid;
			*ret_num = (int)p->fds[k].fd;
			if (*ret_pid == like)
				return 0;
			found = 0;
		}
	}
	return found;
}

uint64_t
rst_remote_data(const struct rst *r)
{
	return r->stub.base + SYS_REMOTE_DATA;
}

static struct sys_tracee *
tracee_of(struct rst *r, pid_t pid)
{
	struct rst_proc *p = rst_proc(r, (uint32_t)pid);

	if (p != NULL)
		return p->made ? &p->th[0].t : NULL;
	/* a leader that is gone in the image still has its number */
	for (struct rst_temp *t = r->temps; t != NULL; t = t->next)
		if (t->pid == (uint32_t)pid)
			return &t->t;
	return NULL;
}

int
rst_remote(struct rst *r, pid_t pid, struct sys_rcalls *c, struct vps_err *e)
{
	struct sys_tracee *t = tracee_of(r, pid == 0 ? 1 : pid);
	struct sys_remote m;
	unsigned failed = 0;
	int rc;

	if (t == NULL)
		return vps_err_say(
		    e, -ESRCH, "process %d isn't part of the image", pid);
	m = (struct sys_remote){t->tid, r->stub.base, r->stub.sysinsn};
	rc = sys_remote_run(&m, t, c, &failed, NULL, NULL);
	return rc < 0 ? vps_err_set(e, rc, "process %d: system call %ld", pid,
			    c->call[failed].nr)
		      : 0;
}

void *
rst_slot(struct rst *r, uint32_t number, uint64_t object, size_t size)
{
	return slots_get(&r->slots, number, object, size);
}

int
rst_files(struct rst *r, struct vps_err *e)
{
	const struct rst_kind *k;
	int rc;

	for (size_t i = 0; i < r->nfiles; i++) {
		struct rst_file *f = &r->files[i];

		k = rst_kind_of(f->f->kind);
		rc = k->make(r, f, e);
		if (rc < 0)
			return vps_err_wrap(e, rc, "file %zu", i + 1);
	}
	for (size_t i = 0; i < r->nfiles; i++) {
		struct rst_file *f = &r->files[i];

		k = rst_kind_of(f->f->kind);
		rc = k->link == NULL ? 0 : k->link(r, f, e);
		if (rc == 0)
			rc = rst_file_flags(r, f, e);
		if (rc < 0)
			return vps_err_wrap(e, rc, "file %zu", i + 1);
	}
	return 0;
}

int
rst_files_finish(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nfiles; i++) {
		struct rst_file *f = &r->files[i];
		const struct rst_kind *k = rst_kind_of(f->f->kind);
		int rc = k->finish == NULL ? 0 : k->finish(r, f, e);

		if (rc == 0)
			rc = rst_file_late(r, f, e);
		if (rc < 0)
			return vps_err_wrap(e, rc, "file %zu", i + 1);
	}
	return 0;
}
