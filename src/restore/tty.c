/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pseudo-terminals: made by number, either by the first end that comes or
 * earlier, for a session that is controlled by one. One slave is kept open
 * until all is done, so that nothing looks hung up in between.
 */
#include "restore/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/kinds.h"
#include "sys/pty.h"
#include "sys/ttyq.h"

#define TERMS_MAX 4096

struct term {
	uint32_t index;
	int master, slave; /* + 1; 0: none */
	const struct vd_ttypair *p;
	struct term *next;
};

struct terms {
	struct term *first;
	bool linked;
	unsigned left; /* finish calls to come */
};

static struct terms *
terms_of(struct rst *r)
{
	return rst_slot(r, VD_T_ttypair, 0, sizeof(struct terms));
}

static struct term *
term_of(struct rst *r, uint32_t index)
{
	struct term *t = rst_slot(r, VD_T_tty, index, sizeof(struct term));
	struct terms *all = terms_of(r);

	if (t == NULL || all == NULL || index >= TERMS_MAX)
		return NULL;
	for (struct term *x = all->first; x != NULL; x = x->next)
		if (x == t)
			return t;
	t->index = index;
	t->next = all->first;
	all->first = t;
	return t;
}

static int
keep(struct term *t, int master)
{
	int slave = sys_pty_slave(master, O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (slave < 0)
		return slave;
	t->master = master + 1;
	t->slave = slave + 1;
	return 0;
}

/* The kernel gives the lowest free number: those below are held until ours
 * comes. */
static int
open_number(struct rst *r, uint32_t index, struct vps_err *e)
{
	auto_free int *held = calloc(TERMS_MAX, sizeof(*held));
	unsigned n = 0;
	int fd, num = -1, unlocked = 0;

	if (held == NULL)
		return vps_err_set(e, -ENOMEM, "terminal %u", index);
	for (;;) {
		fd = rst_open(r, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, e);
		if (fd < 0)
			break;
		if (ioctl(fd, TIOCGPTN, &num) < 0 ||
		    ioctl(fd, TIOCSPTLCK, &unlocked) < 0) {
			int code = -errno;

			(void)close(fd);
			fd = vps_err_set(e, code, "terminal %u", index);
			break;
		}
		if ((uint32_t)num == index)
			break;
		held[n++] = fd;
		if ((uint32_t)num > index || n == TERMS_MAX) {
			fd = vps_err_say(
			    e, -EBUSY, "terminal %u is in use", index);
			break;
		}
	}
	while (n > 0)
		(void)close(held[--n]);
	return fd;
}

static void
set_size(const struct term *t)
{
	struct winsize now, ws;

	if (t->p == NULL)
		return;
	ws = (struct winsize){(unsigned short)t->p->rows,
	    (unsigned short)t->p->cols, (unsigned short)t->p->xpixel,
	    (unsigned short)t->p->ypixel};
	/* A change would be signalled. */
	if (ioctl(t->master - 1, TIOCGWINSZ, &now) < 0 ||
	    memcmp(&now, &ws, sizeof(ws)) != 0)
		(void)ioctl(t->master - 1, TIOCSWINSZ, &ws);
}

int
rst_tty_make(struct rst *r, uint32_t index, struct vps_err *e)
{
	struct term *t = term_of(r, index);
	int fd, rc;

	if (t == NULL)
		return vps_err_say(e, -EBADMSG, "terminal %u", index);
	if (t->master != 0)
		return 0;
	fd = open_number(r, index, e);
	if (fd < 0)
		return fd;
	rc = keep(t, fd);
	if (rc < 0) {
		(void)close(fd);
		return vps_err_set(e, rc, "open terminal %u", index);
	}
	set_size(t);
	return 0;
}

int
rst_tty_give(struct rst *r, int master, struct vps_err *e)
{
	struct term *t;
	unsigned index;
	int fd, rc;

	if (ioctl(master, TIOCGPTN, &index) < 0)
		return vps_err_set(e, -errno, "terminal from outside");
	t = term_of(r, index);
	if (t == NULL || t->master != 0)
		return vps_err_say(e, -EINVAL, "terminal %u twice", index);
	fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
	rc = fd < 0 ? -errno : keep(t, fd);
	return rc < 0 ? vps_err_set(e, rc, "terminal %u", index) : 0;
}

int
rst_tty_master(struct rst *r, uint32_t index)
{
	struct term *t = term_of(r, index);

	return t != NULL && t->master != 0 ? t->master - 1 : -ENOENT;
}

int
rst_tty_outside(struct rst *r, unsigned i, uint32_t *ret_num)
{
	struct terms *all = terms_of(r);

	if (all == NULL)
		return -ENOMEM;
	for (struct term *t = all->first; t != NULL; t = t->next) {
		if (t->p == NULL || !t->p->outside || i-- > 0)
			continue;
		*ret_num = t->p->outside_num;
		return t->master - 1;
	}
	return -ENOENT;
}

/* --- sessions --- */

static unsigned
add_open(struct sys_rcalls *c, uint32_t index)
{
	char path[32];
	size_t off;

	(void)snprintf(path, sizeof(path), "/dev/pts/%u", index);
	off = sys_rdata(c, path, strlen(path) + 1);
	return (unsigned)sys_radd(c, SYS_openat, RA_VAL(AT_FDCWD), RA_DATA(off),
	    RA_VAL(O_RDWR | O_NOCTTY | O_CLOEXEC));
}

void
rst_tty_ctty(struct sys_rcalls *c, uint32_t index)
{
	unsigned i = add_open(c, index);

	(void)sys_radd(c, SYS_ioctl, RA_PREV(i), RA_VAL(TIOCSCTTY), RA_VAL(0));
	(void)sys_radd(c, SYS_close, RA_PREV(i));
}

void
rst_tty_none(struct sys_rcalls *c)
{
	size_t off = sys_rdata(c, "/dev/tty", sizeof("/dev/tty"));
	unsigned i;

	i = (unsigned)sys_radd(c, SYS_openat, RA_VAL(AT_FDCWD), RA_DATA(off),
	    RA_VAL(O_RDWR | O_CLOEXEC));
	(void)sys_radd(c, SYS_ioctl, RA_PREV(i), RA_VAL(TIOCNOTTY), RA_VAL(0));
	(void)sys_radd(c, SYS_close, RA_PREV(i));
}

void
rst_tty_group(struct sys_rcalls *c, uint32_t index, pid_t group)
{
	uint64_t block = 1ULL << (SIGTTOU - 1), old = 0;
	size_t set = sys_rdata(c, &block, sizeof(block));
	size_t was = sys_rdata(c, &old, sizeof(old));
	size_t pg = sys_rdata(c, &group, sizeof(group));
	unsigned i = add_open(c, index);

	(void)sys_radd(c, SYS_rt_sigprocmask, RA_VAL(SIG_BLOCK), RA_DATA(set),
	    RA_DATA(was), RA_VAL(sizeof(block)));
	/* The group may have died since it was put in front. */
	(void)sys_radd(
	    c, SYS_ioctl, RA_PREV(i), RA_VAL(TIOCSPGRP), RA_DATA(pg));
	sys_rmay_fail(c);
	(void)sys_radd(c, SYS_rt_sigprocmask, RA_VAL(SIG_SETMASK), RA_DATA(was),
	    RA_VAL(0), RA_VAL(sizeof(block)));
	(void)sys_radd(c, SYS_close, RA_PREV(i));
}

/* --- files --- */

static int
open_hungup(struct rst *r, int flags, struct vps_err *e)
{
	auto_close int master =
	    rst_open(r, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, e);
	int unlocked = 0, fd;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return vps_err_set(e, -errno, "terminal");
	fd = sys_pty_slave(master, flags);
	return fd < 0 ? vps_err_set(e, fd, "terminal that is hung up") : fd;
}

/* By its own name where that leads to it (/dev/console), else by number. */
static int
open_slave(struct rst *r, const struct vd_tty *rec, int master, int flags)
{
	unsigned dev = 0;
	int fd;

	if (strcmp(rec->path, "/dev/console") == 0) {
		fd = rst_open(r, rec->path, flags, NULL);
		if (fd >= 0 && ioctl(fd, TIOCGDEV, &dev) == 0 &&
		    (major(dev) - 136) * 256 + minor(dev) == rec->index)
			return fd;
		if (fd >= 0)
			(void)close(fd);
	}
	return sys_pty_slave(master, flags);
}

static int
make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_tty *rec = f->rec;
	int flags = (int)(f->f->flags & O_ACCMODE) | O_NOCTTY | O_NONBLOCK;
	struct terms *all = terms_of(r);
	struct term *t;
	int rc;

	if (all == NULL)
		return vps_err_set(e, -ENOMEM, "terminal");
	all->left++;
	if (rec->hungup) {
		f->fd = open_hungup(r, flags, e);
		return f->fd < 0 ? f->fd : 0;
	}
	rc = rst_tty_make(r, rec->index, e);
	if (rc < 0)
		return rc;
	t = term_of(r, rec->index);
	if (rec->master)
		f->fd = fcntl(t->master - 1, F_DUPFD_CLOEXEC, 3);
	else
		f->fd = open_slave(r, rec, t->master - 1, flags);
	if (f->fd < 0)
		return vps_err_set(e, rec->master ? -errno : f->fd,
		    "open terminal %u", rec->index);
	return 0;
}

static int
take_pair(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_ttypair *p = rec;
	struct term *t = term_of(r, p->index);

	if (t == NULL || t->p != NULL)
		return vps_err_say(e, -EBADMSG, "terminal %u", p->index);
	t->p = p;
	return 0;
}

static int
fill(const struct vd_ttydata *d, size_t n, uint8_t *area, uint32_t *used)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = d[i].how > SYS_TTYQ_EOF
			 ? -EBADMSG
			 : sys_ttyq_add(area, used, (enum sys_ttyq_how)d[i].how,
			       d[i].data.p, d[i].data.n);
	return rc;
}

static int
put_data(const struct term *t)
{
	const struct vd_ttypair *p = t->p;
	struct sys_ttyq *q;
	int rc = sys_ttyq_new(-1, NULL, &q);

	if (rc < 0)
		return rc;
	q->tio.c_iflag = p->iflag;
	q->tio.c_oflag = p->oflag;
	q->tio.c_cflag = p->cflag;
	q->tio.c_lflag = p->lflag;
	q->tio.c_ispeed = p->ispeed;
	q->tio.c_ospeed = p->ospeed;
	memcpy(q->tio.c_cc, p->cc.p,
	    p->cc.n < sizeof(q->tio.c_cc) ? p->cc.n : sizeof(q->tio.c_cc));
	q->packet = (int)p->packet;
	q->stopped = (int)p->stopped;
	rc = fill(p->input, p->n_input, q->in, &q->nin);
	if (rc == 0)
		rc = fill(p->output, p->n_output, q->out, &q->nout);
	if (rc == 0)
		rc = sys_ttyq_put(q, t->master - 1);
	sys_ttyq_free(q);
	return rc;
}

static int
link_files(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	struct terms *all = terms_of(r);
	int rc = 0;

	(void)f;
	if (all->linked)
		return 0;
	all->linked = true;
	for (struct term *t = all->first; t != NULL && rc == 0; t = t->next) {
		if (t->p == NULL || t->master == 0)
			continue;
		set_size(t);
		rc = put_data(t);
		if (rc < 0)
			return vps_err_set(e, rc,
			    "state and unread data of terminal %u", t->index);
		if (fchmod(t->slave - 1, t->p->mode & 07777) < 0 ||
		    fchown(t->slave - 1, t->p->uid, t->p->gid) < 0)
			return vps_err_set(
			    e, -errno, "owner of terminal %u", t->index);
	}
	return rc;
}

static int
finish(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	struct terms *all = terms_of(r);

	(void)f;
	(void)e;
	if (--all->left > 0)
		return 0;
	for (struct term *t = all->first; t != NULL; t = t->next) {
		if (t->p != NULL && t->p->exclusive && t->slave != 0)
			(void)ioctl(t->slave - 1, TIOCEXCL);
		if (t->slave != 0)
			(void)close(t->slave - 1);
		if (t->master != 0)
			(void)close(t->master - 1);
		t->slave = t->master = 0;
	}
	return 0;
}

const struct rst_kind rst_tty = {
    .number = VD_T_tty,
    .make = make,
    .link = link_files,
    .finish = finish,
};

const struct rst_rec rst_rec_ttypair = {
    .number = VD_T_ttypair,
    .take = take_pair,
};
