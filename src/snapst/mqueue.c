/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An open POSIX message queue looks like a regular file; it isn't carried yet.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/vfs.h>

#include "snapst/kinds.h"

#define MQUEUE_MAGIC 0x19800202

static bool
match(const struct snap_fd *f)
{
	struct statfs fs;
	char path[48];

	if (!S_ISREG(f->st.st_mode))
		return false;
	if (f->fd >= 0)
		return fstatfs(f->fd, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", f->pid, f->num);
	return statfs(path, &fs) == 0 && fs.f_type == MQUEUE_MAGIC;
}

static int
check(struct snap *s, const struct snap_fd *f)
{
	snap_object(s, f,
	    "POSIX message queue %s can't be carried; stop the program",
	    f->link);
	return 0;
}

static int
dump(struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	(void)s;
	(void)id;
	return vps_err_say(e, -EOPNOTSUPP, "POSIX message queue %s", f->link);
}

const struct snap_kind snap_mqueue = {
    .name = "POSIX message queue",
    .match = match,
    .check = check,
    .dump = dump,
};
