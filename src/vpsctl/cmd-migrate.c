/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/helper.h"
#include "base/table.h"
#include "core/journal.h"
#include "migrate/connect.h"
#include "migrate/drive.h"
#include "migrate/instance.h"
#include "vpsctl/ctl.h"

static int
mode_of(const char *s, enum mig_mode *ret, struct vps_err *e)
{
	static const char *const names[] = {"norsync", "onersync", "tworsync"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(s, names[i]) == 0) {
			*ret = (enum mig_mode)i;
			return 0;
		}
	}
	return vps_err_say(
	    e, -VPS_EUSAGE, "norsync, onersync or tworsync, not \"%.32s\"", s);
}

static int
signals(void)
{
	sigset_t s;

	(void)sigemptyset(&s);
	(void)sigaddset(&s, SIGINT);
	(void)sigaddset(&s, SIGTERM);
	(void)sigaddset(&s, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &s, NULL);
	return signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
}

struct show {
	bool tty;
	enum mig_state last;
	struct timespec since;
	uint64_t bytes;
};

/* One line that is written over, on a terminal only. */
static void
progress(void *arg, const struct mig_progress *p)
{
	struct show *s = arg;
	uint64_t bytes = p->fs_bytes + p->image_bytes;
	struct timespec now;
	double dt;

	if (!s->tty)
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (p->state != s->last) {
		s->last = p->state;
		s->since = now;
		s->bytes = bytes;
	}
	dt = (double)(now.tv_sec - s->since.tv_sec) +
	     (double)(now.tv_nsec - s->since.tv_nsec) / 1e9;
	fprintf(stderr, "\r%-16s %8.1f MiB", mig_state_name(p->state),
	    (double)bytes / 1048576);
	if (dt > 0.2)
		fprintf(stderr, " %8.1f MiB/s",
		    (double)(bytes - s->bytes) / 1048576 / dt);
	fprintf(stderr, "\033[K");
}

static int
outcome(const char *id, const char *host, int r, struct vps_err *e)
{
	char why[512];

	if (r < 0)
		return r;
	(void)snprintf(why, sizeof(why), "%.500s", e->msg);
	switch (r) {
	case MIG_S_DONE:
		return 0;
	case MIG_S_LEFT:
		return vps_err_say(e, -EIO,
		    "moved to %s, where it runs; what is left of it here "
		    "couldn't be removed: %s; `vpsctl migrate --resolve %s %s` "
		    "tries again",
		    host, why, id, host);
	case MIG_S_FAILED:
		return vps_err_say(
		    e, -ECANCELED, "not moved, it runs here: %s", why);
	case MIG_S_BROKEN:
		return vps_err_say(e, -EIO,
		    "not moved, and it could not be resumed here: %s; "
		    "`vpsctl resume %s` tries again",
		    why, id);
	default:
		return vps_err_say(e, -EINPROGRESS,
		    "in doubt: %s may run it and didn't say so (%s); it is "
		    "suspended here; `vpsctl migrate --resolve %s %s` settles "
		    "it",
		    host, why, id, host);
	}
}

static int
resolve_host(const struct ctl *c, char *host, size_t n, struct vps_err *e)
{
	struct jrn j;
	int r = jrn_find(JRN_DIR, c->argv[0], 1, NULL, &j, e);

	if (r < 0)
		return vps_err_say(e, r,
		    "nothing to settle: no migration from this host is in "
		    "doubt");
	(void)snprintf(host, n, "%s", c->argc > 1 ? c->argv[1] : j.peer);
	return 0;
}

int
cmd_migrate(const struct ctl *c, struct vps_err *e)
{
	bool resolve = (c->opts & OPT_RESOLVE) != 0;
	struct show show = {
	    .tty = isatty(STDERR_FILENO) == 1, .last = MIG_STATE_MAX_};
	char host[256], helper[PATH_MAX];
	struct mig_opt o = {.engine = &mig_source_engine,
	    .helper = helper,
	    .peer = host,
	    .mode = MIG_TWORSYNC,
	    .progress = progress,
	    .progress_arg = &show};
	struct mig_peer peer = {-1, -1, -1};
	struct mig_inst m;
	int r = 0;

	if (!resolve && c->argc < 2)
		return vps_err_say(e, -VPS_EUSAGE, "a HOST is needed");
	if (c->argc > 2)
		r = mode_of(c->argv[2], &o.mode, e);
	if (r == 0 && resolve)
		r = resolve_host(c, host, sizeof(host), e);
	else if (r == 0)
		(void)snprintf(host, sizeof(host), "%s", c->argv[1]);
	if (r < 0)
		return r;
	r = helper_path("vps-rsh", helper, sizeof(helper));
	if (r < 0)
		return vps_err_set(e, r, "find vps-rsh");
	mig_inst_init(&m);
	(void)snprintf(m.id, sizeof(m.id), "%s", c->argv[0]);
	o.ctx = &m;
	r = ctl_open(c, CORE_EXCL, &m.in, e);
	if (r == -VPS_ENOINST && resolve) {
		m.in = NULL;
		r = 0;
	}
	o.signals = signals();
	if (r == 0)
		r = mig_connect(c->ssh, host, &peer, e);
	if (r == 0)
		r = resolve ? mig_source_resolve(&o, m.id, peer.in, peer.out, e)
			    : mig_source_run(&o, m.id, peer.in, peer.out, e);
	mig_disconnect(&peer);
	if (m.in != NULL && m.undo > 0)
		core_undo_done(m.in, m.undo);
	core_inst_close(m.in);
	mig_inst_fini(&m);
	if (show.tty && show.last != MIG_STATE_MAX_)
		fprintf(stderr, "\r\033[K");
	if (resolve && r == MIG_S_FAILED && e != NULL)
		return 0; /* settled: it runs here */
	return outcome(c->argv[0], host, r, e);
}
