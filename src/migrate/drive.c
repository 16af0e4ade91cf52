/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/drive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fault.h"
#include "migrate/caps.h"
#include "migrate/drive_i.h"

#define LOG_SUBSYS "migrate"
#include "base/log.h"

#define TICK_MS  200
#define FLUSH_MS 5000

static const uint8_t msg_of[MIG_ACTION_MAX_] = {
    [MIG_SEND_HELLO] = MIG_M_HELLO,
    [MIG_SEND_ACCEPT] = MIG_M_ACCEPT,
    [MIG_SEND_REFUSE] = MIG_M_REFUSE,
    [MIG_SEND_PASSED] = MIG_M_PASSED,
    [MIG_SEND_IMAGE] = MIG_M_IMAGE,
    [MIG_SEND_READY] = MIG_M_READY,
    [MIG_SEND_COMMIT] = MIG_M_COMMIT,
    [MIG_SEND_RUNNING] = MIG_M_RUNNING,
    [MIG_SEND_STUCK] = MIG_M_STUCK,
    [MIG_SEND_DONE] = MIG_M_DONE,
    [MIG_SEND_ABORT] = MIG_M_ABORT,
    [MIG_SEND_ASK] = MIG_M_ASK,
    [MIG_SEND_FORGOTTEN] = MIG_M_FORGOTTEN,
};

const char *
mig_drive_jrndir(const struct mig_drive *d)
{
	return d->o.jrn_dir != NULL ? d->o.jrn_dir : JRN_DIR;
}

int
mig_drive_jrn(struct mig_drive *d, enum jrn_state s, struct vps_err *e)
{
	d->jrn.state = s;
	d->jrn.time = (int64_t)time(NULL);
	return jrn_write(mig_drive_jrndir(d), &d->jrn, e);
}

static void
event_next(struct mig_drive *d, enum mig_event ev)
{
	d->next = ev;
	d->has_next = true;
}

void
mig_drive_done(struct mig_drive *d, int r)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "mig-%s-after-%s",
	    d->source ? "source" : "target", mig_action_name(d->doing));
	if (r == 0)
		r = fault_hit(name);
	if (r < 0 && d->err.code == 0)
		(void)vps_err_set(&d->err, r, "%s", mig_action_name(d->doing));
	d->doing = MIG_ACT_NONE;
	event_next(d, r < 0 ? MIG_EV_FAIL : MIG_EV_OK);
}

/* In the new process: a copy of the link kept there would hide that this end
 * has died, a copy of a pipe's other end that a stream has ended. */
static int
in_child(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;

	mig_link_abandon(d->link);
	return d->fn(d, e);
}

void
mig_drive_work(struct mig_drive *d, int (*fn)(void *arg, struct vps_err *e))
{
	struct vps_err e = {0};
	int r;

	d->fn = fn;
	r = mig_work_start(&d->work, in_child, d, &e);

	if (r < 0) {
		if (d->err.code == 0)
			d->err = e;
		mig_drive_done(d, r);
	}
}

void
mig_drive_stop(struct mig_drive *d)
{
	mig_work_stop(&d->work);
	mig_pass_stop(&d->pass);
	for (int i = 0; i < MIG_CH_MAX_; i++)
		mig_link_detach(d->link, (enum mig_chan)i);
	if (d->work_fd >= 0)
		(void)close(d->work_fd);
	d->work_fd = -1;
	d->syncing = false;
}

int
mig_drive_syncfs(void *arg, struct vps_err *e)
{
	struct mig_drive *d = arg;
	struct mig_fs fs = {.tree = -1};
	auto_close int root = -1;
	int r = d->o.engine->fs(d->o.ctx, &fs, e);

	if (r < 0)
		return r;
	/* A mount as such can't be synced: open its root for reading. */
	root = openat(fs.tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || syncfs(root) < 0)
		r = vps_err_set(e, -errno, "sync the filesystem");
	(void)close(fs.tree);
	return r;
}

static void
send(struct mig_drive *d, enum mig_action a)
{
	struct mig_msg *m = d->tmp;

	if (a == MIG_SEND_HELLO) {
		*m = *d->hello;
	} else {
		memset(m, 0, sizeof(*m));
		m->version = MIG_VERSION;
		memcpy(m->op, d->jrn.op, sizeof(m->op));
		(void)snprintf(m->id, sizeof(m->id), "%s", d->jrn.id);
		m->timeout_ms = d->o.timeout_ms;
		m->status = (uint32_t)d->pass_status;
		(void)snprintf(
		    m->text, sizeof(m->text), "%.*s", MIG_TEXT_MAX, d->err.msg);
		if (a == MIG_SEND_ACCEPT)
			mig_caps_get(&m->caps);
	}
	m->type = (enum mig_msg_type)msg_of[a];
	for (char *s = m->text; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' && *s != '\n')
			*s = ' ';
	}
	if (mig_link_send(d->link, m) < 0)
		d->cut = true;
}

static void
perform(struct mig_drive *d, enum mig_action a)
{
	char name[64];
	int r;

	log_dbg(
	    "%s: %s: %s", d->jrn.id, mig_state_name(d->st), mig_action_name(a));
	(void)snprintf(name, sizeof(name), "mig-%s-%s",
	    d->source ? "source" : "target", mig_action_name(a));
	r = fault_hit(name);
	if (!mig_action_is_work(a)) {
		if (r < 0)
			d->cut = true; /* the test wants the link to break */
		else if (!d->cut)
			send(d, a);
		return;
	}
	d->doing = a;
	if (r < 0)
		mig_drive_done(d, r);
	else if (d->source)
		mig_source_do(d, a);
	else
		mig_target_do(d, a);
}

static void
step(struct mig_drive *d, enum mig_event ev)
{
	struct mig_step t = mig_fsm_step(d->st, ev);

	log_dbg("%s: %s: %s -> %s", d->jrn.id, mig_state_name(d->st),
	    mig_event_name(ev), mig_state_name(t.next));
	d->st = t.next;
	for (int i = 0; i < MIG_STEP_ACTIONS; i++) {
		if (t.act[i] != MIG_ACT_NONE)
			perform(d, t.act[i]);
	}
	if (d->o.progress != NULL) {
		struct mig_progress p = {.state = d->st};
		uint64_t rx;

		mig_link_bytes(d->link, MIG_CH_RSYNC, &p.fs_bytes, &rx);
		mig_link_bytes(d->link, MIG_CH_IMAGE, &p.image_bytes, &rx);
		d->o.progress(d->o.progress_arg, &p);
	}
}

static void
on_message(struct mig_drive *d, const struct mig_msg *m)
{
	enum mig_event ev = mig_msg_event(m->type);

	if (m->type == MIG_M_REFUSE || m->type == MIG_M_ABORT ||
	    m->type == MIG_M_STUCK) {
		if (d->err.code == 0)
			(void)vps_err_say(&d->err, -ECONNABORTED, "%s: %.900s",
			    d->o.peer, m->text[0] ? m->text : "gave up");
	}
	if (d->source && mig_source_message(d, m))
		return;
	if (!d->source && (m->type == MIG_M_HELLO || m->type == MIG_M_ASK)) {
		*d->hello = *m;
		if (d->st == MIG_T_IDLE) {
			memcpy(d->jrn.op, m->op, sizeof(d->jrn.op));
			memcpy(d->jrn.id, m->id, sizeof(d->jrn.id));
			if (m->timeout_ms >= 500 && m->timeout_ms <= 600000)
				mig_link_set_timeout(d->link, m->timeout_ms);
		}
	}
	if (m->type == MIG_M_PASS)
		d->plan[0] = (enum mig_pass_kind)m->kind;
	if (m->type == MIG_M_COMMIT && strcmp(m->op, d->jrn.op) != 0)
		ev = MIG_EV_CUT;
	if (m->type == MIG_M_ACCEPT && m->version != MIG_VERSION)
		ev = MIG_EV_CUT;
	step(d, ev);
}

static void
on_cut(struct mig_drive *d, const char *why)
{
	d->cut = true;
	if (d->err.code == 0 && !mig_state_is_final(d->st))
		(void)vps_err_say(
		    &d->err, -ECONNRESET, "link to %s: %s", d->o.peer, why);
	step(d, MIG_EV_CUT);
}

struct fds {
	struct pollfd p[6];
	unsigned n;
	int sig, work, pass, helper, err;
};

static int
add(struct fds *f, int fd)
{
	if (fd < 0)
		return -1;
	f->p[f->n] = (struct pollfd){.fd = fd, .events = POLLIN};
	return (int)f->n++;
}

static bool
hot(const struct fds *f, int i)
{
	return i >= 0 && f->p[i].revents != 0;
}

static void
collect(struct mig_drive *d, struct fds *f)
{
	*f = (struct fds){0};
	f->sig = add(f, d->o.signals);
	f->work = add(f, d->work.pidfd);
	f->pass = add(f, d->pass.pidfd);
	f->helper = add(f, d->pass.helper);
	f->err = add(f, d->pass.err);
}

/* The first of what is ready; the rest is found ready again. */
static void
on_fd(struct mig_drive *d, const struct fds *f)
{
	struct signalfd_siginfo si;

	if (hot(f, f->sig)) {
		if (read(d->o.signals, &si, sizeof(si)) != sizeof(si))
			return;
		if (d->err.code == 0 && !mig_state_is_committed(d->st))
			(void)vps_err_say(&d->err, -EINTR, "interrupted");
		step(d, MIG_EV_CANCEL);
	} else if (hot(f, f->work)) {
		enum mig_action a = d->doing;
		struct vps_err e = {0};
		int r = mig_work_end(&d->work, &e);

		if (r < 0 && d->err.code == 0)
			(void)vps_err_say(&d->err, r, "%s: %.900s",
			    mig_action_name(a), e.msg);
		if (d->source)
			mig_source_worked(d, a, r);
		else
			mig_target_worked(d, a, r);
	} else if (hot(f, f->err)) {
		mig_pass_listen(&d->pass);
	} else if (hot(f, f->helper)) {
		mig_source_helper(d);
	} else if (hot(f, f->pass)) {
		int st = mig_pass_reap(&d->pass);

		if (d->source)
			mig_source_pass_end(d, st);
		else
			mig_target_pass_end(d, st);
	}
}

static int
turn(struct mig_drive *d)
{
	struct mig_link_ev ev;
	struct fds f;
	int r;

	collect(d, &f);
	if (d->cut) {
		/* Only work under way can end now. */
		if (f.n == 0 || poll(f.p, f.n, -1) < 0)
			return errno == EINTR && f.n > 0 ? 0 : -EIO;
		on_fd(d, &f);
		return 0;
	}
	r = mig_link_next(d->link, f.p, f.n, TICK_MS, &ev);
	if (r < 0)
		return r;
	switch (ev.what) {
	case MIG_LINK_MSG:
		on_message(d, ev.msg);
		break;
	case MIG_LINK_CUT:
		on_cut(d, ev.why);
		break;
	case MIG_LINK_EOF:
	case MIG_LINK_DRAINED:
		if (d->source)
			mig_source_chan(d, &ev);
		else
			mig_target_chan(d, &ev);
		break;
	case MIG_LINK_FD:
		on_fd(d, &f);
		break;
	case MIG_LINK_TICK:
		if (d->o.progress != NULL) {
			struct mig_progress p = {.state = d->st};
			uint64_t rx;

			mig_link_bytes(d->link, MIG_CH_RSYNC, &p.fs_bytes, &rx);
			mig_link_bytes(
			    d->link, MIG_CH_IMAGE, &p.image_bytes, &rx);
			d->o.progress(d->o.progress_arg, &p);
		}
		break;
	}
	return 0;
}

static void
fini(struct mig_drive *d)
{
	if (d->link != NULL) {
		if (!d->cut)
			(void)mig_link_flush(d->link, FLUSH_MS);
		mig_drive_stop(d);
		mig_link_free(d->link);
	}
	if (d->lock >= 0)
		(void)close(d->lock);
	if (d->list >= 0)
		(void)close(d->list);
	free(d->hello);
	free(d->tmp);
}

static int
init(struct mig_drive *d, const struct mig_opt *o, int in, int out,
    struct vps_err *e)
{
	int r;

	*d = (struct mig_drive){
	    .o = *o,
	    .lock = -1,
	    .work = MIG_WORK_INIT,
	    .work_fd = -1,
	    .list = -1,
	    .pass = MIG_PASS_INIT,
	};
	if (d->o.timeout_ms == 0)
		d->o.timeout_ms = MIG_TIMEOUT_MS;
	(void)snprintf(d->jrn.peer, sizeof(d->jrn.peer), "%s", o->peer);
	d->hello = calloc(1, sizeof(*d->hello));
	d->tmp = calloc(1, sizeof(*d->tmp));
	r = d->hello == NULL || d->tmp == NULL
		? -ENOMEM
		: mig_link_new(in, out, d->o.timeout_ms, &d->link);
	return r < 0 ? vps_err_set(e, r, "link") : 0;
}

/* The machine runs until it stands still; a link that breaks while something
 * is being sent is seen here. */
static int
run(struct mig_drive *d, struct vps_err *e)
{
	int r = 0;

	while (!mig_state_is_final(d->st)) {
		bool cut = d->cut;

		if (d->has_next) {
			d->has_next = false;
			step(d, d->next);
		} else {
			r = turn(d);
			if (r < 0) {
				(void)vps_err_set(&d->err, r, "migration");
				d->cut = true;
				mig_drive_stop(d);
				step(d, MIG_EV_CUT);
				if (!mig_state_is_final(d->st) &&
				    !d->has_next && d->work.pid < 0)
					break;
				r = 0;
				continue;
			}
		}
		if (!cut && d->cut && !mig_state_is_final(d->st))
			on_cut(d, "broken");
	}
	if (d->err.code < 0 && d->st != MIG_T_DONE && d->st != MIG_S_DONE)
		(void)vps_err_say(e, d->err.code, "%s", d->err.msg);
	return r < 0 ? r : (int)d->st;
}

static int
new_op(char op[MIG_OP_LEN + 1])
{
	uint8_t b[MIG_OP_LEN / 2];

	if (getentropy(b, sizeof(b)) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(b); i++)
		(void)snprintf(op + 2 * i, 3, "%02x", b[i]);
	return 0;
}

int
mig_source_run(
    const struct mig_opt *o, const char *id, int in, int out, struct vps_err *e)
{
	struct mig_drive d;
	int r = init(&d, o, in, out, e);

	d.source = true;
	if (r == 0)
		r = new_op(d.jrn.op);
	if (r == 0) {
		(void)snprintf(d.jrn.id, sizeof(d.jrn.id), "%s", id);
		d.lock = jrn_lock(mig_drive_jrndir(&d), id, e);
		r = d.lock < 0 ? d.lock : 0;
	}
	if (r == 0)
		r = jrn_may_run(mig_drive_jrndir(&d), id, e);
	if (r == 0)
		r = o->engine->describe(o->ctx, d.hello, e);
	if (r == 0) {
		d.hello->version = MIG_VERSION;
		memcpy(d.hello->op, d.jrn.op, sizeof(d.hello->op));
		(void)snprintf(d.hello->id, sizeof(d.hello->id), "%s", id);
		d.hello->timeout_ms = d.o.timeout_ms;
		mig_caps_get(&d.hello->caps);
		step(&d, MIG_EV_START);
		r = run(&d, e);
	}
	fini(&d);
	return r;
}

int
mig_source_resolve(
    const struct mig_opt *o, const char *id, int in, int out, struct vps_err *e)
{
	struct mig_drive d;
	int r = init(&d, o, in, out, e);

	d.source = true;
	if (r == 0) {
		d.lock = jrn_lock(mig_drive_jrndir(&d), id, e);
		r = d.lock < 0 ? d.lock : 0;
	}
	if (r == 0)
		r = jrn_find(mig_drive_jrndir(&d), id, 1, NULL, &d.jrn, e);
	if (r == 0 && d.jrn.state == JRN_MOVED)
		r = MIG_S_DONE;
	if (r == 0) {
		(void)snprintf(d.jrn.peer, sizeof(d.jrn.peer), "%s", o->peer);
		d.touched = d.jbegun = true;
		step(&d, MIG_EV_RESOLVE);
		r = run(&d, e);
	}
	fini(&d);
	return r;
}

int
mig_target_run(const struct mig_opt *o, int in, int out, struct vps_err *e)
{
	struct mig_drive d;
	int r = init(&d, o, in, out, e);

	d.st = MIG_T_IDLE;
	if (r == 0)
		r = run(&d, e);
	fini(&d);
	return r;
}
