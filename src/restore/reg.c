/* SPDX-License-Identifier: BSD-2-Clause
 * Regular files, and whatever is opened by O_PATH. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

/* Of no use or of no good when a file is opened the second time. */
#define NOT_AGAIN (O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_ASYNC)

static int
reg_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	int flags = (int)f->f->flags & ~NOT_AGAIN;
	const struct vd_reg *v = f->rec;
	auto_close int fd = -1;
	struct stat st;

	/* O_TMPFILE asks for a new file, and it includes O_DIRECTORY. */
	if ((flags & O_TMPFILE) == O_TMPFILE)
		flags &= ~O_TMPFILE;
	if (v->ghost != 0)
		fd = rst_ghost_open(r, v->ghost, flags, e);
	else
		fd = rst_open(r, v->path, flags, e);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return vps_err_set(e, -errno, "%s", v->path);
	if ((st.st_mode & S_IFMT) != v->type)
		return vps_err_say(e, -EBADMSG,
		    "%s: has become another type of file", v->path);
	if (f->f->pos > 0 && !(flags & O_PATH) &&
	    lseek(fd, f->f->pos, SEEK_SET) < 0)
		return vps_err_set(
		    e, -errno, "%s: position %ld", v->path, (long)f->f->pos);
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_reg = {.number = VD_T_reg, .make = reg_make};
