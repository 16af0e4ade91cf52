/* SPDX-License-Identifier: BSD-2-Clause
 *
 * epoll(7). A target is known to its epoll by its description and by the number
 * under which it was added, so it is added here under that number.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

/* A target waits for all files to be there. */
struct targets {
	uint32_t n;
};

static uint64_t
target_object(uint32_t epoll, uint32_t n)
{
	return (uint64_t)epoll << 32 | n;
}

static int
target_take(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_epolltarget *t = rec;
	struct targets *all = rst_slot(
	    r, VD_T_epolltarget, target_object(t->epoll, 0), sizeof(*all));
	const struct vd_epolltarget **at;

	if (all == NULL || all->n == UINT32_MAX)
		return vps_err_set(e, -ENOMEM, "epoll");
	at = rst_slot(r, VD_T_epolltarget, target_object(t->epoll, ++all->n),
	    sizeof(*at));
	if (at == NULL)
		return vps_err_set(e, -ENOMEM, "epoll");
	*at = t;
	return 0;
}

const struct rst_rec rst_rec_epolltarget = {VD_T_epolltarget, target_take};

static int
epoll_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	(void)r;
	if (fd < 0)
		return vps_err_set(e, -errno, "epoll");
	f->fd = fd;
	return 0;
}

#define OPTIONS (EPOLLONESHOT | EPOLLET | EPOLLWAKEUP | EPOLLEXCLUSIVE)

/* A one-shot target that has shot: it is silent until it is armed again. */
static bool
is_silent(const struct vd_epolltarget *t)
{
	return (t->events & EPOLLONESHOT) && !(t->events & ~OPTIONS);
}

static int
ctl(int ep, int op, int fd, const struct vd_epolltarget *t, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data = {.u64 = t->data}};

	return epoll_ctl(ep, op, fd, &ev) < 0 ? -errno : 0;
}

/* Only an event silences a one-shot target. Where there is none to be had now,
 * it may still report an error or hang-up, which no mask leaves out. */
static int
add_target(int ep, int fd, const struct vd_epolltarget *t)
{
	struct epoll_event ev;
	int r;

	if (!is_silent(t))
		return ctl(ep, EPOLL_CTL_ADD, fd, t, t->events);
	r = ctl(ep, EPOLL_CTL_ADD, fd, t, t->events | EPOLLIN | EPOLLOUT);
	if (r < 0 || epoll_wait(ep, &ev, 1, 0) == 1)
		return r;
	return ctl(ep, EPOLL_CTL_MOD, fd, t, t->events);
}

/* Adds `fd` under the number t->fd, whatever is there in this process: the
 * other file is moved away for a moment. */
static int
add_as(int ep, int fd, const struct vd_epolltarget *t)
{
	int want = (int)t->fd, flags, r;
	auto_close int saved = -1;
	auto_close int ep2 = -1;

	if (fd == want)
		return add_target(ep, fd, t);
	flags = fcntl(want, F_GETFD);
	if (flags >= 0) {
		saved = fcntl(want, F_DUPFD_CLOEXEC, 3);
		if (saved < 0)
			return -errno;
	}
	if (ep == want) {
		ep2 = fcntl(ep, F_DUPFD_CLOEXEC, 3);
		if (ep2 < 0)
			return -errno;
		ep = ep2;
	}
	if (dup3(fd, want, O_CLOEXEC) < 0)
		return -errno;
	r = add_target(ep, want, t);
	if (saved < 0)
		(void)close(want);
	else if (dup3(saved, want, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return -errno;
	return r;
}

static int
epoll_add(struct rst *r, int ep, bool silent, const struct vd_epolltarget *t,
    struct vps_err *e)
{
	int fd, rc;

	if (is_silent(t) != silent)
		return 0;
	fd = rst_fd(r, t->target);
	if (fd < 0)
		return vps_err_say(
		    e, -EBADMSG, "epoll: target %u isn't there", t->target);
	rc = add_as(ep, fd, t);
	return rc < 0 ? vps_err_set(e, rc, "epoll: target %u", t->fd) : 0;
}

static int
epoll_link(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct targets *all = rst_slot(
	    r, VD_T_epolltarget, target_object(f->f->id, 0), sizeof(*all));

	/* The silent ones first: what they are silenced by must not take the
	 * event of another. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 1; all != NULL && i <= all->n; i++) {
			const struct vd_epolltarget **t =
			    rst_slot(r, VD_T_epolltarget,
				target_object(f->f->id, i), sizeof(*t));
			int rc = epoll_add(r, f->fd, pass == 0, *t, e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

const struct rst_kind rst_epoll = {
    .number = VD_T_epoll, .make = epoll_make, .link = epoll_link};
