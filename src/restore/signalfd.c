/* SPDX-License-Identifier: BSD-2-Clause
 * signalfd(2). */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/rst.h"

static int
signalfd_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_signalfd *v = f->rec;
	/* The kernel's form of a mask, not libc's. */
	long fd =
	    syscall(SYS_signalfd4, -1, &v->mask, sizeof(v->mask), O_CLOEXEC);

	(void)r;
	if (fd < 0)
		return vps_err_set(e, -errno, "signalfd");
	f->fd = (int)fd;
	return 0;
}

const struct rst_kind rst_signalfd = {
    .number = VD_T_signalfd, .make = signalfd_make};
