/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pseudo-terminals of the instance's devpts. Each open end is a file; what both
 * ends share (termios, size, unread data) is written once, when all masters are
 * known: those that processes hold and those that the holder keeps.
 *
 * The slave has to be opened to read what waits for it. A pty whose slave was
 * never open looks afterwards like one whose slave was closed.
 */
#include "sys/ttyq.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "base/str.h"
#include "snapst/kinds.h"
#include "sys/proc.h"
#include "sys/pty.h"

#ifndef TIOCGEXCL
#define TIOCGEXCL _IOR('T', 0x40, int)
#endif

#define LINES 8192

/* A slot by number. */
struct term {
	bool known; /* master, pid, num are set */
	bool done;
	int master; /* borrowed */
	pid_t pid;  /* 0: the holder */
	int num;
};

static bool
is_slave(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) >= 136 &&
	       major(st->st_rdev) <= 143;
}

static bool
match(const struct snap_fd *f)
{
	if (!S_ISCHR(f->st.st_mode) || (f->flags & O_PATH) != 0)
		return false;
	if (is_slave(&f->st))
		return true;
	/* /dev/tty, /dev/ptmx */
	return major(f->st.st_rdev) == 5 &&
	       (minor(f->st.st_rdev) == 0 || minor(f->st.st_rdev) == 2);
}

static bool
is_ours(struct snap *s, const struct stat *slave)
{
	struct stat st;

	return fstatat(snap_root(s), "dev/pts", &st, 0) == 0 &&
	       st.st_dev == slave->st_dev;
}

static int
check(struct snap *s, const struct snap_fd *f)
{
	if (is_slave(&f->st) && !is_ours(s, &f->st))
		snap_object(s, f,
		    "%s is a terminal of the host: can't be carried; end the "
		    "program, or enter by execwt",
		    f->link);
	return 0;
}

static struct term *
term_of(struct snap *s, uint32_t index)
{
	return snap_slot(s, VD_T_tty, index, sizeof(struct term));
}

/* The number in devpts of either end; -EIO: hung up. */
static int
index_of(int fd, bool master, uint32_t *ret)
{
	unsigned v;

	if (master) {
		if (ioctl(fd, TIOCGPTN, &v) < 0)
			return -errno;
		*ret = v;
		return 0;
	}
	if (ioctl(fd, TIOCGDEV, &v) < 0)
		return -errno;
	if (major(v) < 136 || major(v) > 143)
		return -ENXIO;
	*ret = (major(v) - 136) * 256 + minor(v);
	return 0;
}

static int
dump(struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_tty rec = {.id = id, .path = ""};
	struct term *t;
	int r;

	rec.master = major(f->st.st_rdev) == 5 && minor(f->st.st_rdev) == 2;
	if (is_slave(&f->st) && !is_ours(s, &f->st))
		return vps_err_say(
		    e, -EOPNOTSUPP, "%s is a terminal of the host", f->link);
	r = index_of(f->fd, rec.master, &rec.index);
	if (r == -EIO && !rec.master)
		rec.hungup = 1;
	else if (r == -ENXIO)
		return vps_err_say(e, -EOPNOTSUPP,
		    "%s is no pseudo-terminal: can't be carried", f->link);
	else if (r < 0)
		return vps_err_set(e, r, "terminal %s", f->link);
	if (!rec.master)
		rec.path = f->link;
	if (rec.master) {
		t = term_of(s, rec.index);
		if (t == NULL)
			return vps_err_set(e, -ENOMEM, "terminal");
		*t = (struct term){.known = true,
		    .master = f->fd,
		    .pid = f->pid,
		    .num = f->num};
	}
	r = vd_put(snap_writer(s), &vd_type_tty, &rec);
	return r < 0 ? vps_err_set(e, r, "write the image") : 0;
}

/* --- the pair --- */

static int
find_outside(struct snap *s, uint32_t index, struct term *t)
{
	uint32_t at;
	int fd, num;

	for (unsigned i = 0; (fd = snap_ext_master(s, i, &num)) >= 0; i++) {
		if (index_of(fd, true, &at) < 0 || at != index)
			continue;
		*t = (struct term){.known = true, .master = fd, .num = num};
		return 0;
	}
	return -ENOENT;
}

static int
open_journal(struct snap *s, const struct term *t, uint32_t index,
    struct sys_ttyq **ret, struct vps_err *e)
{
	auto_close int proc = -1;
	struct sys_pstat st = {0};
	char name[24];
	int r;

	(void)snprintf(name, sizeof(name), "tty-%u", index);
	r = sys_ttyq_new(snap_undo_dir(s), name, ret);
	if (r < 0)
		return vps_err_set(e, r, "journal of terminal %u", index);
	(*ret)->pid = t->pid;
	(*ret)->num = t->num;
	if (t->pid == 0)
		return 0;
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = proc < 0 ? -errno : sys_pstat_read(proc, t->pid, t->pid, &st);
	(*ret)->start_time = st.start_time;
	return r < 0 ? vps_err_set(e, r, "stat of process %d", t->pid) : 0;
}

static int
entries(const uint8_t *area, uint32_t used, struct vd_ttydata **ret, size_t *n)
{
	struct vd_ttydata *d = calloc(LINES, sizeof(*d));
	enum sys_ttyq_how how;
	const uint8_t *p;
	uint32_t off = 0, len;

	if (d == NULL)
		return -ENOMEM;
	*ret = d;
	for (*n = 0; sys_ttyq_next(area, used, &off, &how, &p, &len) == 0;
	     (*n)++) {
		if (*n == LINES)
			return -ENOSPC;
		d[*n] = (struct vd_ttydata){how, {p, len}};
	}
	return 0;
}

/* What the slave's node and the master tell; false: not of our devpts. */
static int
get_state(struct snap *s, const struct term *t, struct vd_ttypair *p,
    struct stat *ret_st, struct vps_err *e)
{
	struct pollfd hup = {.fd = t->master};
	auto_close int slave = -1;
	struct winsize ws;
	int v = 0;

	if (ioctl(t->master, TIOCGPTLCK, &v) == 0)
		p->locked = v != 0;
	p->closed = poll(&hup, 1, 0) == 1 && (hup.revents & POLLHUP) != 0;
	if (p->locked)
		return vps_err_say(e, -EAGAIN,
		    "pseudo-terminal %u is still locked (TIOCSPTLCK)",
		    p->index);
	v = 0;
	if (ioctl(t->master, TIOCGEXCL, &v) == 0)
		p->exclusive = v != 0;
	slave = sys_pty_slave(t->master, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (slave < 0 || fstat(slave, ret_st) < 0)
		return vps_err_set(e, slave < 0 ? slave : -errno,
		    "open the slave of terminal %u", p->index);
	if (!is_ours(s, ret_st))
		return vps_err_say(e, -EOPNOTSUPP,
		    "terminal %u is of another devpts: can't be carried",
		    p->index);
	v = 0;
	if (ioctl(slave, TIOCGEXCL, &v) == 0)
		p->exclusive = v != 0;
	if (ioctl(slave, TIOCGETD, &v) < 0 || v != 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "terminal %u has line discipline %d: can't be carried",
		    p->index, v);
	if (ioctl(slave, TIOCGWINSZ, &ws) < 0)
		return vps_err_set(e, -errno, "size of terminal %u", p->index);
	p->rows = ws.ws_row;
	p->cols = ws.ws_col;
	p->xpixel = ws.ws_xpixel;
	p->ypixel = ws.ws_ypixel;
	p->mode = ret_st->st_mode & 07777;
	p->uid = snap_uid(s, ret_st->st_uid);
	p->gid = snap_gid(s, ret_st->st_gid);
	p->outside = t->pid == 0 && t->num >= 0;
	p->outside_num = p->outside ? (uint32_t)t->num : 0;
	return 0;
}

static int
put_pair(struct snap *s, const struct term *t, struct vd_ttypair *p,
    const struct sys_ttyq *q)
{
	auto_free struct vd_ttydata *in = NULL, *out = NULL;
	int r;

	p->iflag = q->tio.c_iflag;
	p->oflag = q->tio.c_oflag;
	p->cflag = q->tio.c_cflag;
	p->lflag = q->tio.c_lflag;
	p->line = q->tio.c_line;
	p->cc = (struct vd_bytes){q->tio.c_cc, sizeof(q->tio.c_cc)};
	p->ispeed = q->tio.c_ispeed;
	p->ospeed = q->tio.c_ospeed;
	p->packet = q->packet != 0;
	p->stopped = (uint32_t)q->stopped;
	r = entries(q->in, q->nin, &in, &p->n_input);
	if (r == 0)
		r = entries(q->out, q->nout, &out, &p->n_output);
	p->input = in;
	p->output = out;
	(void)t;
	return r < 0 ? r : vd_put(snap_writer(s), &vd_type_ttypair, p);
}

static int
dump_pair(
    struct snap *s, const struct term *t, uint32_t index, struct vps_err *e)
{
	struct vd_ttypair p = {.index = index};
	struct sys_ttyq *q = NULL;
	struct stat st;
	char name[24];
	int r, back;

	r = get_state(s, t, &p, &st, e);
	if (r == 0)
		r = open_journal(s, t, index, &q, e);
	if (r < 0)
		return r;
	r = sys_ttyq_drain(q, t->master);
	if (r < 0)
		(void)vps_err_set(
		    e, r, "read what waits in terminal %u", index);
	else if ((r = put_pair(s, t, &p, q)) < 0)
		(void)vps_err_set(e, r, "write the image");
	/* Read as far as it went, it goes back at once. */
	back =
	    r < 0 ? sys_ttyq_recover(q, t->master) : sys_ttyq_put(q, t->master);
	sys_ttyq_free(q);
	if (back < 0)
		return vps_err_set(e, back,
		    "give terminal %u its unread data back (kept in tty-%u)",
		    index, index);
	(void)snprintf(name, sizeof(name), "tty-%u", index);
	if (snap_undo_dir(s) >= 0)
		(void)unlinkat(snap_undo_dir(s), name, 0);
	return r;
}

static int
dump_refs(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	bool master = major(f->st.st_rdev) == 5 && minor(f->st.st_rdev) == 2;
	struct term *t;
	uint32_t index;
	int r = index_of(f->fd, master, &index);

	(void)id;
	if (r == -EIO && !master)
		return 0; /* hung up */
	if (r < 0)
		return vps_err_set(e, r, "terminal %s", f->link);
	t = term_of(s, index);
	if (t == NULL)
		return vps_err_set(e, -ENOMEM, "terminal");
	if (t->done)
		return 0;
	if (!t->known && find_outside(s, index, t) < 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "%s: nobody in the instance holds the other end of this "
		    "terminal; end the program, or enter by execwt",
		    f->link);
	t->done = true;
	return dump_pair(s, t, index, e);
}

int
snap_tty_undo(int undo, int (*of_holder)(void *arg, int num), void *arg,
    struct vps_err *e)
{
	auto_closedir DIR *d = NULL;
	struct dirent *x;
	int fd = openat(undo, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL)
		return vps_err_set(e, -errno, "undo directory");
	while ((x = readdir(d)) != NULL) {
		int one;

		if (!str_has_prefix(x->d_name, "tty-"))
			continue;
		one = sys_ttyq_undo(undo, x->d_name, of_holder, arg);
		if (one < 0)
			r = vps_err_set(e, one,
			    "unread data of terminal (journal %s)", x->d_name);
	}
	return r;
}

const struct snap_kind snap_tty = {
    .name = "terminal",
    .number = VD_T_tty,
    .match = match,
    .check = check,
    .dump = dump,
    .dump_refs = dump_refs,
};
