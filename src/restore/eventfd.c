/* SPDX-License-Identifier: BSD-2-Clause
 * eventfd(2). */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

static int
eventfd_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_eventfd *v = f->rec;
	auto_close int fd =
	    eventfd(0, EFD_CLOEXEC | (v->semaphore ? EFD_SEMAPHORE : 0));

	(void)r;
	if (fd < 0)
		return vps_err_set(e, -errno, "eventfd");
	if (v->count == UINT64_MAX)
		return vps_err_say(e, -EBADMSG, "eventfd: count");
	if (v->count != 0 && write(fd, &v->count, 8) != 8)
		return vps_err_set(e, -errno, "eventfd: count");
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_eventfd = {
    .number = VD_T_eventfd, .make = eventfd_make};
