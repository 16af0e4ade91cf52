/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The target's side of drive.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "migrate/caps.h"
#include "migrate/drive_i.h"

/* What an end that died left of an earlier attempt; the lock is ours. */
static int
drop_stale(const struct jrn *j, void *arg)
{
	struct mig_drive *d = arg;
	int r;

	if (j->state != JRN_RECEIVING && j->state != JRN_READY)
		return 0;
	r = d->o.engine->forget(d->o.ctx, NULL);
	return r < 0 ? r : jrn_remove(mig_drive_jrndir(d), j, NULL);
}

static int
do_check(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	static struct mig_caps here;
	int r;

	mig_caps_get(&here);
	r = mig_caps_check(&d->hello->caps, &here, e);
	if (r < 0)
		return r;
	r = jrn_each(mig_drive_jrndir(d), d->jrn.id, drop_stale, d, e);
	if (r < 0)
		return vps_err_set(e, r, "clear what an earlier attempt left");
	r = d->o.engine->check(d->o.ctx, d->hello, e);
	return r < 0 ? r : mig_drive_jrn(d, JRN_RECEIVING, e);
}

static int
do_restore(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;

	return d->o.engine->restore(d->o.ctx, d->work_fd, e);
}

static int
do_jready(void *arg, struct vps_err *e)
{
	return mig_drive_jrn(arg, JRN_READY, e);
}

/* An older entry of the same instance that once left this host has had its
 * day: now it is here again. */
static int
drop_moved(const struct jrn *j, void *arg)
{
	struct mig_drive *d = arg;

	return j->state == JRN_MOVED ? jrn_remove(mig_drive_jrndir(d), j, NULL)
				     : 0;
}

static int
do_jown(void *arg, struct vps_err *e)
{
	return mig_drive_jrn(arg, JRN_OWNED, e);
}

static int
do_resume(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	int r;

	if (d->jrn.state == JRN_RUNNING)
		return 0;
	(void)jrn_each(mig_drive_jrndir(d), d->jrn.id, drop_moved, d, NULL);
	r = d->o.engine->resume(d->o.ctx, e);
	if (r < 0)
		return r;
	/* What its programs had synced must be as durable here before the
	 * source lets go; not before it runs, which would be part of the
	 * pause. */
	(void)mig_drive_syncfs(d, NULL);
	/* It runs: what can't be noted now doesn't change that. "owned" says
	 * as much to who asks. */
	(void)mig_drive_jrn(d, JRN_RUNNING, NULL);
	return 0;
}

static int
do_forget(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	int r = d->o.engine->forget(d->o.ctx, e);

	d->jrn.state = JRN_RECEIVING;
	return r < 0 ? r : jrn_remove(mig_drive_jrndir(d), &d->jrn, e);
}

static int
do_clear(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;

	d->jrn.state = JRN_RUNNING;
	return jrn_remove(mig_drive_jrndir(d), &d->jrn, e);
}

static int
begin(struct mig_drive *d)
{
	struct vps_err e = {0};
	int r;

	d->lock = jrn_lock(mig_drive_jrndir(d), d->jrn.id, &e);
	r = d->lock < 0 ? d->lock : d->o.engine->arrive(d->o.ctx, d->hello, &e);
	if (r < 0) {
		d->err = e;
		mig_drive_done(d, r);
	}
	return r;
}

static void
check(struct mig_drive *d)
{
	if (begin(d) == 0)
		mig_drive_work(d, do_check);
}

/* What the journal says of the migration that the source asks about. */
static void
answer(struct mig_drive *d)
{
	struct vps_err e = {0};
	struct jrn j;
	int r;

	if (begin(d) < 0)
		return;
	r = jrn_find(mig_drive_jrndir(d), d->jrn.id, 0, d->jrn.op, &j, &e);
	if (r < 0 && r != -ENOENT) {
		d->err = e;
		mig_drive_done(d, r);
		return;
	}
	d->doing = MIG_ACT_NONE;
	if (r == 0)
		d->jrn = j;
	d->mine = r == 0;
	d->next = r == 0 && j.state >= JRN_OWNED ? MIG_EV_OK : MIG_EV_NO;
	d->has_next = true;
}

static void
restore(struct mig_drive *d)
{
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0) {
		mig_drive_done(d, -errno);
		return;
	}
	(void)fcntl(p[1], F_SETPIPE_SZ, 1 << 20); /* fewer switches; a wish */
	d->work_ok = d->drained = false;
	d->work_fd = p[0];
	r = mig_link_attach(d->link, MIG_CH_IMAGE, -1, p[1], false);
	if (r < 0) {
		mig_drive_done(d, r);
		return;
	}
	mig_drive_work(d, do_restore);
	if (d->work_fd >= 0)
		(void)close(d->work_fd);
	d->work_fd = -1;
}

static void
pass(struct mig_drive *d)
{
	struct mig_fs fs = {.tree = -1};
	int up[2] = {-1, -1}, down[2] = {-1, -1}, r;
	struct vps_err e = {0};

	d->pass = (struct mig_pass)MIG_PASS_INIT;
	d->pass_status = 0;
	r = d->o.engine->fs(d->o.ctx, &fs, &e);
	if (r == 0 && (pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0))
		r = vps_err_set(&e, -errno, "pipe");
	if (r == 0)
		r = mig_pass_server(
		    &d->pass, d->plan[0], &fs, down[0], up[1], &e);
	if (r == 0)
		r = mig_link_attach(
		    d->link, MIG_CH_RSYNC, up[0], down[1], true);
	if (r < 0) {
		if (d->err.code == 0)
			d->err = e;
		mig_drive_done(d, r);
	}
	(void)close(down[0]);
	(void)close(up[1]);
}

void
mig_target_do(struct mig_drive *d, enum mig_action a)
{
	switch (a) {
	case MIG_DO_CHECK:
		d->mine = true;
		check(d);
		break;
	case MIG_DO_PASS:
		d->exited = d->ended = false;
		pass(d);
		break;
	case MIG_DO_RESTORE:
		restore(d);
		break;
	case MIG_DO_JREADY:
		mig_drive_work(d, do_jready);
		break;
	case MIG_DO_JOWN:
		mig_drive_work(d, do_jown);
		break;
	case MIG_DO_RESUME:
		mig_drive_work(d, do_resume);
		break;
	case MIG_DO_CLEAR:
		mig_drive_work(d, do_clear);
		break;
	case MIG_DO_ANSWER:
		answer(d);
		break;
	case MIG_DO_FORGET:
		mig_drive_stop(d);
		d->has_next = false;
		/* Asked about what never was here: an instance of that name
		 * is another one. */
		if (d->lock < 0 || !d->mine)
			mig_drive_done(d, 0);
		else
			mig_drive_work(d, do_forget);
		break;
	default:
		mig_drive_done(d, -ENOSYS);
	}
}

static void
pass_over(struct mig_drive *d)
{
	if (!d->exited || !d->ended)
		return;
	mig_link_detach(d->link, MIG_CH_RSYNC);
	mig_drive_done(d, 0);
}

void
mig_target_pass_end(struct mig_drive *d, int status)
{
	d->exited = true;
	d->pass_status = status;
	if (status != 0 && !mig_pass_status_is_partial(status)) {
		if (d->err.code == 0)
			(void)vps_err_say(&d->err, -EIO, "rsync: status %d%s%s",
			    status, d->pass.said[0] ? ": " : "", d->pass.said);
		mig_link_detach(d->link, MIG_CH_RSYNC);
		mig_drive_done(d, -EIO);
		return;
	}
	pass_over(d);
}

void
mig_target_chan(struct mig_drive *d, const struct mig_link_ev *ev)
{
	if (ev->chan == MIG_CH_RSYNC && ev->what == MIG_LINK_EOF) {
		d->ended = true;
		if (d->doing == MIG_DO_PASS)
			pass_over(d);
	}
	if (ev->chan == MIG_CH_IMAGE && ev->what == MIG_LINK_DRAINED) {
		d->drained = true;
		if (d->work_ok && d->doing == MIG_DO_RESTORE)
			mig_drive_done(d, 0);
	}
}

void
mig_target_worked(struct mig_drive *d, enum mig_action a, int r)
{
	/* A complete image isn't the source's word that it is complete. */
	if (a == MIG_DO_RESTORE && r == 0) {
		d->work_ok = true;
		if (!d->drained)
			return;
	}
	if (a == MIG_DO_JREADY && r == 0)
		d->jrn.state = JRN_READY;
	mig_drive_done(d, r);
}
