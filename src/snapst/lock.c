/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Locks, from the lock: lines of fdinfo. That shows the locks that were placed
 * through this description: flock and OFD locks in every process that has it,
 * an fcntl lock only in the process that owns it.
 */
#include <errno.h>

#include "snapst/snap.h"
#include "sys/fdinfo.h"

void
snap_locks_check(struct snap *s, const struct snap_fd *f)
{
	const char *at = f->info;
	struct sys_fdinfo_lock l;

	while (sys_fdinfo_lock(&at, &l) == 0)
		if (l.type == SYS_LOCK_LEASE)
			snap_object(s, f,
			    "%s: a lease (fcntl F_SETLEASE) can't be carried",
			    f->link);
}

static int
put_lock(struct snap *s, const struct snap_fd *f, uint32_t id,
    const struct sys_fdinfo_lock *l)
{
	struct vd_lock v = {.file = id,
	    .type = (uint32_t)l->type,
	    .write = (uint32_t)l->write,
	    .start = l->start,
	    .len = l->len};

	/* The pid in the line may be dead (a flock is the description's) and
	 * counts only for fcntl, where it is this process. */
	if (l->type == SYS_LOCK_POSIX) {
		v.pid = (uint32_t)f->pid_in;
		v.fd = (uint32_t)f->num;
	}
	return vd_put(snap_writer(s), &vd_type_lock, &v);
}

int
snap_locks_dump(struct snap *s, const struct snap_fd *f, uint32_t id,
    bool first, struct vps_err *e)
{
	const char *at = f->info;
	struct sys_fdinfo_lock l;
	int r;

	for (;;) {
		r = sys_fdinfo_lock(&at, &l);
		if (r < 0)
			break;
		if (l.type == SYS_LOCK_LEASE)
			return vps_err_say(e, -EOPNOTSUPP,
			    "%s: a lease can't be carried", f->link);
		if (l.type != SYS_LOCK_POSIX && !first)
			continue;
		r = put_lock(s, f, id, &l);
		if (r < 0)
			return vps_err_set(e, r, "image");
	}
	return r == -ENOENT ? 0 : vps_err_set(e, r, "locks of %s", f->link);
}
