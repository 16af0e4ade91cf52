/* SPDX-License-Identifier: BSD-2-Clause
 *
 * timerfd(2). Both the time that is left and the moment by the clock that the
 * instance sees go into the image: which one counts afterwards depends on the
 * clock, and restore decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "snapst/snap.h"
#include "sys/fdinfo.h"

static bool
timerfd_match(const struct snap_fd *f)
{
	return strcmp(f->link, "anon_inode:[timerfd]") == 0;
}

static uint64_t
ns_of(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* A periodic timer that has expired counts its missed periods only when it is
 * asked; the owner doesn't notice that somebody did. */
static int
read_timer(const struct snap_fd *f, struct sys_fdinfo_timer *ret)
{
	struct itimerspec now;
	char path[64], text[1024];
	int r;

	if (timerfd_gettime(f->fd, &now) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
	r = file_read_str(AT_FDCWD, path, text, sizeof(text));
	return r < 0 ? r : sys_fdinfo_timer(text, ret);
}

static int
timerfd_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct sys_fdinfo_timer t;
	struct vd_timerfd v = {.id = id};
	int r = read_timer(f, &t);

	if (r == 0) {
		v.clock = (uint32_t)t.clockid;
		v.flags = t.flags;
		v.ticks = t.ticks;
		v.interval_ns = ns_of(&t.t.it_interval);
		v.left_ns = ns_of(&t.t.it_value);
		if (v.left_ns != 0)
			v.at_ns = snap_clock(s, t.clockid) + (int64_t)v.left_ns;
		r = vd_put(snap_writer(s), &vd_type_timerfd, &v);
	}
	return r < 0 ? vps_err_set(e, r, "timerfd") : 0;
}

const struct snap_kind snap_timerfd = {
    .name = "timerfd",
    .number = VD_T_timerfd,
    .match = timerfd_match,
    .dump = timerfd_dump,
};
