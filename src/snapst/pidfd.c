/* SPDX-License-Identifier: BSD-2-Clause
 * pidfd_open(2). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fdio.h"
#include "base/str.h"
#include "snapst/snap.h"
#include "sys/fdinfo.h"

static bool
pidfd_match(const struct snap_fd *f)
{
	/* An anonymous inode before pidfs (6.9). */
	return strcmp(f->link, "anon_inode:[pidfd]") == 0 ||
	       str_has_prefix(f->link, "pidfd:[");
}

static bool
is_leader(int64_t pid)
{
	char path[64], text[4096];
	uint64_t tgid;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return file_read_str(AT_FDCWD, path, text, sizeof(text)) > 0 &&
	       sys_fdinfo_u64(text, "Tgid:", 10, &tgid) == 0 &&
	       tgid == (uint64_t)pid;
}

/* The pid inside, 0 if it has been reaped; why not in *ret_why. */
static int
pid_of(
    struct snap *s, const struct snap_fd *f, pid_t *ret, const char **ret_why)
{
	int64_t pid;
	int r = sys_fdinfo_i64(f->info, "Pid:", &pid);

	*ret = 0;
	if (r < 0) {
		*ret_why = "can't be read";
		return r;
	}
	if (pid == -1)
		return 0;
	*ret = pid > 0 ? snap_pid_in(s, (pid_t)pid) : 0;
	if (*ret == 0 || !is_leader(pid)) {
		*ret_why = *ret == 0 ? "of a process outside the instance"
				     : "of a thread";
		return -EOPNOTSUPP;
	}
	return 0;
}

static int
pidfd_check(struct snap *s, const struct snap_fd *f)
{
	const char *why;
	pid_t pid;

	if (pid_of(s, f, &pid, &why) < 0)
		snap_object(s, f, "pidfd %s; close it", why);
	return 0;
}

static int
pidfd_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_pidfd v = {.id = id, .thread = (f->flags & O_EXCL) != 0};
	const char *why;
	pid_t pid;
	int r = pid_of(s, f, &pid, &why);

	if (r < 0)
		return vps_err_say(e, r, "pidfd %s", why);
	v.pid = (uint32_t)pid;
	r = vd_put(snap_writer(s), &vd_type_pidfd, &v);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

const struct snap_kind snap_pidfd = {
    .name = "pidfd",
    .number = VD_T_pidfd,
    .match = pidfd_match,
    .check = pidfd_check,
    .dump = pidfd_dump,
};
