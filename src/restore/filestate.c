/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What all kinds of open files share: flags, locks, who gets SIGIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "restore/rst.h"

/* What F_SETFL can change, without O_ASYNC: that comes with its owner. */
#define STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

int
rst_file_flags(struct rst *r, const struct rst_file *f, struct vps_err *e)
{
	int want = (int)f->f->flags & STATUS_FLAGS, have;

	(void)r;
	if (f->f->flags & O_PATH)
		return 0;
	have = fcntl(f->fd, F_GETFL);
	if (have < 0)
		return vps_err_set(e, -errno, "file %u: flags", f->f->id);
	if ((have & STATUS_FLAGS) == want)
		return 0;
	if (fcntl(f->fd, F_SETFL, (have & ~STATUS_FLAGS) | want) < 0)
		return vps_err_set(
		    e, -errno, "file %u: flags %#x", f->f->id, want);
	return 0;
}

/* Locks wait in slots (file, n) for their file to be complete. */

struct lock_list {
	uint32_t n;
};

static uint64_t
lock_object(uint32_t file, uint32_t n)
{
	return (uint64_t)file << 32 | n;
}

static int
lock_take(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_lock *l = rec;
	struct lock_list *all;
	const struct vd_lock **at;

	all = rst_slot(r, VD_T_lock, lock_object(l->file, 0), sizeof(*all));
	if (all == NULL || all->n == UINT32_MAX)
		return vps_err_set(e, -ENOMEM, "locks");
	at =
	    rst_slot(r, VD_T_lock, lock_object(l->file, ++all->n), sizeof(*at));
	if (at == NULL)
		return vps_err_set(e, -ENOMEM, "locks");
	*at = l;
	return 0;
}

const struct rst_rec rst_rec_lock = {VD_T_lock, lock_take};

static int
lock_fcntl(
    struct rst *r, const struct vd_lock *l, struct flock *fl, struct vps_err *e)
{
	struct sys_rcalls c = {0};
	int rc = sys_rcalls_init(&c);
	size_t off;

	if (rc < 0)
		return vps_err_set(e, rc, "locks");
	off = sys_rdata(&c, fl, sizeof(*fl));
	(void)sys_radd(
	    &c, SYS_fcntl, RA_VAL(l->fd), RA_VAL(F_SETLK), RA_DATA(off));
	rc = rst_remote(r, (pid_t)l->pid, &c, e);
	sys_rcalls_fini(&c);
	return rc;
}

static int
lock_set(struct rst *r, const struct rst_file *f, const struct vd_lock *l,
    struct vps_err *e)
{
	struct flock fl = {.l_type = l->write ? F_WRLCK : F_RDLCK,
	    .l_whence = SEEK_SET,
	    .l_start = (off_t)l->start,
	    .l_len = (off_t)l->len};
	int rc;

	switch (l->type) {
	case 0:
		return lock_fcntl(r, l, &fl, e);
	case 1:
		rc = fcntl(f->fd, F_OFD_SETLK, &fl);
		break;
	case 2:
		rc = flock(f->fd, (l->write ? LOCK_EX : LOCK_SH) | LOCK_NB);
		break;
	default:
		return vps_err_say(
		    e, -EBADMSG, "file %u: lock of type %u", l->file, l->type);
	}
	return rc < 0 ? vps_err_set(e, -errno, "file %u: lock", l->file) : 0;
}

static int
set_locks(struct rst *r, const struct rst_file *f, struct vps_err *e)
{
	const struct lock_list *all =
	    rst_slot(r, VD_T_lock, lock_object(f->f->id, 0), sizeof(*all));

	for (uint32_t i = 1; all != NULL && i <= all->n; i++) {
		const struct vd_lock **l = rst_slot(
		    r, VD_T_lock, lock_object(f->f->id, i), sizeof(*l));
		int rc = lock_set(r, f, *l, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* The kernel reports the number of the descriptor by which it was set (si_fd,
 * F_SETSIG), so a process that holds it does that. */
static int
set_async(struct rst *r, const struct rst_file *f, struct vps_err *e)
{
	int flags = fcntl(f->fd, F_GETFL), num, rc;
	struct sys_rcalls c = {0};
	pid_t pid;

	if (flags < 0)
		return vps_err_set(e, -errno, "file %u: O_ASYNC", f->f->id);
	if (rst_holder(r, f->f->id, (pid_t)f->f->owner_pid, &pid, &num) < 0) {
		rc = fcntl(f->fd, F_SETFL, flags | O_ASYNC);
		return rc < 0 ? vps_err_set(
				    e, -errno, "file %u: O_ASYNC", f->f->id)
			      : 0;
	}
	rc = sys_rcalls_init(&c);
	if (rc < 0)
		return vps_err_set(e, rc, "O_ASYNC");
	(void)sys_radd(&c, SYS_fcntl, RA_VAL(num), RA_VAL(F_SETFL),
	    RA_VAL(flags | O_ASYNC));
	rc = rst_remote(r, pid, &c, e);
	sys_rcalls_fini(&c);
	return rc;
}

static int
set_owner(struct rst *r, const struct rst_file *f, struct vps_err *e)
{
	const struct vd_file *v = f->f;
	struct f_owner_ex own = {
	    .type = (int)v->owner_type, .pid = (pid_t)llabs(v->owner_pid)};

	if (v->owner_pid != 0 && fcntl(f->fd, F_SETOWN_EX, &own) < 0)
		return vps_err_set(
		    e, -errno, "file %u: owner %ld", v->id, (long)v->owner_pid);
	if (v->owner_sig != 0 && fcntl(f->fd, F_SETSIG, (int)v->owner_sig) < 0)
		return vps_err_set(
		    e, -errno, "file %u: signal %u", v->id, v->owner_sig);
	return v->flags & O_ASYNC ? set_async(r, f, e) : 0;
}

int
rst_file_late(struct rst *r, const struct rst_file *f, struct vps_err *e)
{
	int rc;

	if (f->f->flags & O_PATH)
		return 0;
	rc = set_locks(r, f, e);
	return rc < 0 ? rc : set_owner(r, f, e);
}
