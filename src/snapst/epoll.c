/* SPDX-License-Identifier: BSD-2-Clause
 *
 * epoll(7). The kernel tells of each target the number under which it was
 * added, not what it is: that number may be closed, or be another file by now.
 * kcmp(2) tells which description it is.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "snapst/snap.h"
#include "sys/fdinfo.h"

static bool
epoll_match(const struct snap_fd *f)
{
	return strcmp(f->link, "anon_inode:[eventpoll]") == 0;
}

static int
epoll_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_epoll v = {.id = id};
	int r = vd_put(snap_writer(s), &vd_type_epoll, &v);

	(void)f;
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

/* Is `fd` of ours the target number `nth` among those added as t->fd? */
static bool
is_target(int fd, const struct snap_fd *f, const struct sys_fdinfo_tfd *t,
    uint32_t nth)
{
	struct kcmp_epoll_slot slot = {
	    .efd = (uint32_t)f->fd, .tfd = (uint32_t)t->fd, .toff = nth};

	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_EPOLL_TFD, fd,
		   &slot) == 0;
}

static int
find_target(struct snap *s, const struct snap_fd *f,
    const struct sys_fdinfo_tfd *t, uint32_t nth, uint32_t *ret)
{
	const struct snap_fd *c;
	uint32_t id, guess = 0;

	/* Nearly always it is still what the number stands for. */
	if (f->pid != 0)
		(void)snap_file_id(s, f->pid, t->fd, &guess);
	for (int pass = guess != 0 ? 0 : 1; pass < 2; pass++) {
		for (size_t n = 0; (c = snap_file_nth(s, n, &id)) != NULL;
		     n++) {
			if (pass == 0 ? id != guess
				      : t->ino != 0 && c->st.st_ino != t->ino)
				continue;
			if (!is_target(c->fd, f, t, nth))
				continue;
			*ret = id;
			return 0;
		}
	}
	return -ENOENT;
}

static int
epoll_dump_refs(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	const char *at = f->info, *again;
	struct sys_fdinfo_tfd t, o;
	int r;

	for (;;) {
		struct vd_epolltarget v = {.epoll = id};
		const char *line = at;
		uint32_t nth = 0;

		r = sys_fdinfo_tfd(&at, &t);
		if (r < 0)
			break;
		/* A number can be there several times, of different files. */
		for (again = f->info; again < line;)
			if (sys_fdinfo_tfd(&again, &o) == 0 && again <= line &&
			    o.fd == t.fd)
				nth++;
		r = find_target(s, f, &t, nth, &v.target);
		if (r < 0)
			return vps_err_say(e, -EOPNOTSUPP,
			    "epoll: target %d isn't held by any process", t.fd);
		v.fd = (uint32_t)t.fd;
		v.events = t.events;
		v.data = t.data;
		r = vd_put(snap_writer(s), &vd_type_epolltarget, &v);
		if (r < 0)
			return vps_err_set(e, r, "image");
	}
	return r == -ENOENT ? 0 : vps_err_set(e, r, "epoll");
}

const struct snap_kind snap_epoll = {
    .name = "epoll",
    .number = VD_T_epoll,
    .match = epoll_match,
    .dump = epoll_dump,
    .dump_refs = epoll_dump_refs,
    .refs_late = true,
};
