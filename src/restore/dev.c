/* SPDX-License-Identifier: BSD-2-Clause
 * Character devices that hold no state. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "restore/rst.h"

static int
dev_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_dev *v = f->rec;
	auto_close int path = rst_open(r, v->path, O_PATH, e);
	auto_close int fd = -1;
	struct stat st;

	if (path < 0)
		return path;
	/* Looked at before it is opened: opening a device can do something. */
	if (fstat(path, &st) < 0)
		return vps_err_set(e, -errno, "%s", v->path);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(v->major, v->minor))
		return vps_err_say(e, -ENODEV,
		    "%s: isn't the character device %u:%u here", v->path,
		    v->major, v->minor);
	fd = rst_open(r, v->path,
	    ((int)f->f->flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_ASYNC)) |
		O_NOCTTY,
	    e);
	if (fd < 0)
		return fd;
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_dev = {.number = VD_T_dev, .make = dev_make};
