/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The source's side of drive.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "migrate/drive_i.h"

static int
do_suspend(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;

	return d->o.engine->suspend(d->o.ctx, e);
}

static int
do_snapshot(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;

	return d->o.engine->snapshot(d->o.ctx, d->work_fd, e);
}

/* The mark first: a command that sees neither mark nor journal may resume. */
static int
do_jcommit(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	int r = d->o.engine->mark(d->o.ctx, "committed", e);

	return r < 0 ? r : mig_drive_jrn(d, JRN_COMMITTED, e);
}

static int
do_destroy(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	int r = mig_drive_jrn(d, JRN_MOVED, e);

	return r < 0 ? r : d->o.engine->destroy(d->o.ctx, e);
}

static int
do_back(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	int r = 0;

	if (d->jbegun) {
		d->jrn.state = JRN_COMMITTED;
		r = jrn_remove(mig_drive_jrndir(d), &d->jrn, e);
		if (r == 0)
			r = d->o.engine->mark(d->o.ctx, NULL, e);
	}
	if (r == 0 && d->touched)
		r = d->o.engine->resume(d->o.ctx, e);
	return r;
}

static void
pass_fail(struct mig_drive *d, const char *who, int status)
{
	if (d->err.code == 0)
		(void)vps_err_say(&d->err, -EIO, "rsync at %s: status %d%s%s",
		    who, status, d->pass.said[0] ? ": " : "", d->pass.said);
	mig_pass_stop(&d->pass);
	mig_link_detach(d->link, MIG_CH_RSYNC);
	mig_drive_done(d, -EIO);
}

static void
pass_start(struct mig_drive *d)
{
	struct mig_fs fs = {.tree = -1};
	struct vps_err e = {0};
	int r;

	if (d->at == d->nplan) {
		mig_drive_done(d, 0);
		return;
	}
	d->passed = d->exited = d->ended = false;
	d->pass = (struct mig_pass)MIG_PASS_INIT;
	r = d->o.engine->fs(d->o.ctx, &fs, &e);
	if (r == 0)
		r = mig_pass_client(&d->pass, d->plan[d->at], &fs,
		    d->plan[d->at] == MIG_PASS_LIST ? d->list : -1, d->o.helper,
		    &e);
	if (r < 0) {
		if (d->err.code == 0)
			d->err = e;
		mig_drive_done(d, r);
	}
}

/* A store through a shared mapping whose page was dirty already leaves no
 * trace in the file's times: such files are compared by content. */
static int
list_mapped(struct mig_drive *d, struct vps_err *e)
{
	off_t n;
	int r;

	if (d->o.engine->mapped == NULL || d->list >= 0)
		return 0;
	d->list = memfd_create("paths", MFD_CLOEXEC);
	if (d->list < 0)
		return vps_err_set(e, -errno, "list of mapped files");
	r = d->o.engine->mapped(d->o.ctx, d->list, e);
	if (r < 0)
		return r;
	n = lseek(d->list, 0, SEEK_CUR);
	if (n > 0)
		d->plan[d->nplan++] = MIG_PASS_LIST;
	return n < 0 || lseek(d->list, 0, SEEK_SET) < 0 ? -errno : 0;
}

static void
passes(struct mig_drive *d, bool second)
{
	unsigned first = second ? MIG_ONERSYNC : MIG_TWORSYNC;

	d->pass2 = second;
	d->at = d->nplan = 0;
	if (d->o.mode >= first)
		d->plan[d->nplan++] = MIG_PASS_FULL;
	if (d->nplan == 0) {
		mig_drive_done(d, 0);
		return;
	}
	if (second) {
		struct vps_err e = {0};
		int r = list_mapped(d, &e);

		if (r < 0) {
			if (d->err.code == 0)
				d->err = e;
			mig_drive_done(d, r);
		} else {
			pass_start(d);
		}
		return;
	}
	/* Write-protects pages of shared mappings: the next store changes the
	 * file's time, else rsync would take it for unchanged. */
	d->syncing = true;
	mig_drive_work(d, mig_drive_syncfs);
}

void
mig_source_helper(struct mig_drive *d)
{
	int rd, wr, r;

	r = mig_pass_transport(&d->pass, &rd, &wr);
	/* Said all it had to say, or rsync is gone, which tells more. */
	if (r < 0) {
		(void)close(d->pass.helper);
		d->pass.helper = -1;
		return;
	}
	r = mig_link_attach(d->link, MIG_CH_RSYNC, rd, wr, true);
	if (r == 0) {
		memset(d->tmp, 0, sizeof(*d->tmp));
		d->tmp->type = MIG_M_PASS;
		d->tmp->kind = (uint32_t)d->plan[d->at];
		r = mig_link_send(d->link, d->tmp);
	}
	if (r < 0)
		pass_fail(d, "source", 0);
}

static bool
status_ok(const struct mig_drive *d, int status)
{
	return status == 0 || (!d->pass2 && mig_pass_status_is_partial(status));
}

static void
pass_over(struct mig_drive *d)
{
	if (!d->passed || !d->exited || !d->ended)
		return;
	mig_link_detach(d->link, MIG_CH_RSYNC);
	d->at++;
	pass_start(d);
}

void
mig_source_pass_end(struct mig_drive *d, int status)
{
	d->exited = true;
	if (!status_ok(d, status))
		pass_fail(d, "the source", status);
	else
		pass_over(d);
}

bool
mig_source_message(struct mig_drive *d, const struct mig_msg *m)
{
	if (m->type != MIG_M_PASSED)
		return false;
	if ((d->doing != MIG_DO_PASS1 && d->doing != MIG_DO_PASS2) ||
	    d->passed || d->pass.helper < 0)
		return false; /* the state machine knows what to do about it */
	d->passed = true;
	mig_pass_tell(&d->pass, (unsigned char)m->status);
	if (!status_ok(d, (int)m->status))
		pass_fail(d, d->o.peer, (int)m->status);
	else
		pass_over(d);
	return true;
}

void
mig_source_chan(struct mig_drive *d, const struct mig_link_ev *ev)
{
	if (ev->what != MIG_LINK_EOF)
		return;
	if (ev->chan == MIG_CH_RSYNC) {
		d->ended = true;
		if (d->doing == MIG_DO_PASS1 || d->doing == MIG_DO_PASS2)
			pass_over(d);
	} else if (ev->chan == MIG_CH_IMAGE) {
		d->ended = true;
		if (d->work.pid < 0 && d->doing == MIG_DO_IMAGE) {
			mig_link_send_eof(d->link, MIG_CH_IMAGE);
			mig_drive_done(d, 0);
		}
	}
}

static void
image(struct mig_drive *d)
{
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0) {
		mig_drive_done(d, -errno);
		return;
	}
	(void)fcntl(p[1], F_SETPIPE_SZ, 1 << 20); /* fewer switches; a wish */
	d->ended = false;
	d->work_fd = p[1];
	r = mig_link_attach(d->link, MIG_CH_IMAGE, p[0], -1, false);
	if (r < 0) {
		mig_drive_done(d, r);
		return;
	}
	mig_drive_work(d, do_snapshot);
	if (d->work_fd >= 0)
		(void)close(d->work_fd);
	d->work_fd = -1;
}

void
mig_source_do(struct mig_drive *d, enum mig_action a)
{
	switch (a) {
	case MIG_DO_PASS1:
		passes(d, false);
		break;
	case MIG_DO_PASS2:
		passes(d, true);
		break;
	case MIG_DO_PRECOPY:
		mig_drive_done(d, 0); /* not in this version of the protocol */
		break;
	case MIG_DO_SUSPEND:
		d->touched = true;
		mig_drive_work(d, do_suspend);
		break;
	case MIG_DO_IMAGE:
		image(d);
		break;
	case MIG_DO_JCOMMIT:
		d->jbegun = true;
		mig_drive_work(d, do_jcommit);
		break;
	case MIG_DO_DESTROY:
		mig_drive_work(d, do_destroy);
		break;
	case MIG_DO_UNDO:
	case MIG_DO_BACK:
		mig_drive_stop(d);
		d->has_next = false;
		mig_drive_work(d, do_back);
		break;
	default:
		mig_drive_done(d, -ENOSYS);
	}
}

void
mig_source_worked(struct mig_drive *d, enum mig_action a, int r)
{
	if (d->syncing) {
		d->syncing = false;
		if (r < 0)
			mig_drive_done(d, r);
		else
			pass_start(d);
		return;
	}
	/* The end of the image is told when all of it is on its way. */
	if (a == MIG_DO_IMAGE && r == 0) {
		if (!d->ended)
			return;
		mig_link_send_eof(d->link, MIG_CH_IMAGE);
	}
	mig_drive_done(d, r);
}
