/* SPDX-License-Identifier: BSD-2-Clause
 *
 * inotify(7). The watches are added last of all, so that nothing that the
 * restore does is reported to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)
#endif

static int
inotify_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	int fd = inotify_init1(IN_CLOEXEC);

	(void)r;
	if (fd < 0)
		return vps_err_set(e, -errno, "inotify");
	f->fd = fd;
	return 0;
}

static int
add_watch(
    struct rst *r, int fd, const struct vd_inotifywatch *w, struct vps_err *e)
{
	auto_close int at = rst_open(r, w->path, O_PATH, e);
	char path[64];
	int wd = (int)w->wd;

	if (at < 0)
		return at;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	if (ioctl(fd, INOTIFY_IOC_SETNEXTWD, wd) < 0)
		return vps_err_set(e, -errno, "inotify: next watch %d", wd);
	/* IN_DONT_FOLLOW isn't kept and must not be here: it is a link. */
	wd = inotify_add_watch(fd, path, w->mask & ~(uint32_t)IN_DONT_FOLLOW);
	if (wd < 0)
		return vps_err_set(e, -errno, "inotify: watch %s", w->path);
	if (wd != (int)w->wd)
		return vps_err_say(e, -EBADMSG,
		    "inotify: watch %s got number %d instead of %u", w->path,
		    wd, w->wd);
	return 0;
}

static int
inotify_finish(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_inotify *v = f->rec;

	/* fdinfo lists the newest first; the next one is numbered behind the
	 * last that is added. */
	for (size_t i = v->n_watches; i > 0; i--) {
		int rc = add_watch(r, f->fd, &v->watches[i - 1], e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

const struct rst_kind rst_inotify = {
    .number = VD_T_inotify, .make = inotify_make, .finish = inotify_finish};
