/* SPDX-License-Identifier: BSD-2-Clause
 *
 * timerfd(2). The clocks of the instance have been set before: monotonic goes
 * on where it stopped, boot time and real time have moved on by what passed.
 * A timer is set to its moment by its clock, so that it keeps pace with what
 * the clock shows; only a relative timer on the real-time clock doesn't follow
 * that clock and gets the time that was left.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/auto.h"
#include "restore/rst.h"

#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

static struct timespec
time_of(uint64_t ns)
{
	return (struct timespec){
	    (time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

static int
set_time(int fd, const struct vd_timerfd *v)
{
	struct itimerspec t = {.it_interval = time_of(v->interval_ns),
	    .it_value = time_of(v->left_ns)};
	int flags =
	    (int)v->flags & (TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	bool real =
	    v->clock == CLOCK_REALTIME || v->clock == CLOCK_REALTIME_ALARM;

	if (v->left_ns != 0 && v->at_ns > 0 &&
	    (!real || (flags & TFD_TIMER_ABSTIME))) {
		t.it_value = time_of((uint64_t)v->at_ns);
		flags |= TFD_TIMER_ABSTIME;
	}
	return timerfd_settime(fd, flags, &t, NULL) < 0 ? -errno : 0;
}

static int
timerfd_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_timerfd *v = f->rec;
	auto_close int fd = timerfd_create((int)v->clock, TFD_CLOEXEC);
	int rc;

	(void)r;
	if (fd < 0)
		return vps_err_set(e, -errno, "timerfd of clock %u", v->clock);
	rc = set_time(fd, v);
	if (rc < 0)
		return vps_err_set(e, rc, "timerfd: time");
	if (v->ticks != 0 && ioctl(fd, TFD_IOC_SET_TICKS, &v->ticks) < 0)
		return vps_err_set(e, -errno, "timerfd: expirations");
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_timerfd = {
    .number = VD_T_timerfd, .make = timerfd_make};
