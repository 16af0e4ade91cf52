/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The order counts: what can't be carried (connections that no descriptor leads
 * to) must have passed before the freeze, and nothing may come in between.
 *
 *   hold new     no SYN gets in; the instance runs and accepts what it has
 *   quiesce      bounded wait until no such connection is left
 *   hold all     nothing gets in, out or over lo
 *   freeze       the whole cgroup at once
 *   settle       every task can be brought to a stop
 *   look again   else all is let go, and tried again a few times
 */
#include "suspend/suspend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#define LOG_SUBSYS "suspend"
#include "base/log.h"
#include "core/cgroup.h"
#include "core/journal.h"
#include "net/hold.h"
#include "net/quiesce.h"
#include "suspend/settle.h"
#include "sys/freezer.h"
#include "sys/ns.h"
#include "sys/proc.h"

#define TRIES      40
#define TRIES_NS   3000000000ull /* no new attempt after that */
#define QUIESCE_MS 25
#define FREEZE_MS  200
#define SETTLE_MS  50

int
susp_cgroup(const struct core_inst *in, struct vps_err *e)
{
	struct core_cg cg;
	int r = core_cg_of(&cg, in, e);

	if (r < 0)
		return r;
	r = core_cg_open(&cg, CORE_CG_PAYLOAD);
	return r < 0 ? vps_err_set(e, r, "open the cgroup of %s", in->id) : r;
}

/* -1: the instance has no hold (it has no network to hold, or no BPF). */
static int
hold_open(const struct core_inst *in, struct vps_err *e)
{
	uint32_t id = (uint32_t)core_get_u64(in, "hold");

	if (id == 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "%s was started where BPF isn't to be had: its network "
		    "can't be held, so it can't be suspended",
		    in->id);
	return net_hold_open(in->id, id, e);
}

/* A command died between running and suspended, or on the way back. */
int
susp_undo_rest(struct core_inst *in, const char *arg, struct vps_err *e)
{
	auto_close int cg = -1;
	pid_t pid;

	(void)arg;
	if (core_state(in) != CORE_ST_RUNNING)
		return 0;
	/* it may have died before calls that freezing interrupts were mended */
	cg = susp_cgroup(in, NULL);
	if (cg >= 0)
		(void)susp_settle(cg, SETTLE_MS, &pid, NULL);
	return susp_wake(in, e);
}

int
susp_wake(struct core_inst *in, struct vps_err *e)
{
	auto_close int cg = susp_cgroup(in, e), hold = -1;
	int r;

	if (cg < 0)
		return cg;
	r = sys_thaw(cg);
	if (r < 0)
		return vps_err_set(e, r, "thaw %s", in->id);
	hold = hold_open(in, e);
	if (hold < 0)
		return hold;
	r = net_hold_set(hold, NET_HOLD_PASS);
	return r < 0 ? vps_err_set(e, r, "let go the network of %s", in->id)
		     : 0;
}

static void
name_of(pid_t pid, char *s, size_t n)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sys_pstatus st = {0};
	struct sys_pstat ps;

	(void)snprintf(s, n, "process (host pid %d)", pid);
	if (proc >= 0 && sys_pstat_read(proc, pid, 0, &ps) == 0 &&
	    sys_pstatus_read(proc, pid, 0, &st) == 0)
		(void)snprintf(s, n, "process %d (%s)", st.pid_in, ps.comm);
	sys_pstatus_fini(&st);
}

struct rest {
	struct core_inst *in;
	int cg, hold, diag; /* borrowed */
	uint64_t since;     /* when the freezing began */
};

/* One attempt. -EAGAIN-like failures (-EBUSY, -ETIMEDOUT) may pass. */
static int
attempt(struct rest *s, struct vps_err *e)
{
	char who[128];
	pid_t pid = 0;
	int r;

	(void)net_hold_set(s->hold, NET_HOLD_NEW);
	r = net_quiesce(s->diag, QUIESCE_MS, e);
	if (r < 0)
		return r;
	(void)net_hold_set(s->hold, NET_HOLD_ALL);
	s->since = susp_now_ns();
	r = sys_freeze(s->cg, FREEZE_MS);
	if (r < 0)
		(void)susp_settle(s->cg, 0, &pid, NULL); /* those that are */
	if (r < 0)
		return vps_err_set(e, r,
		    "freeze %s: some process waits in the kernel for a device "
		    "or a file server",
		    s->in->id);
	r = susp_settle(s->cg, SETTLE_MS, &pid, e);
	if (r == -ETIMEDOUT) {
		name_of(pid, who, sizeof(who));
		return vps_err_say(e, r,
		    "%s: %s can't be stopped: it waits in the kernel (vfork or "
		    "a device); try again later",
		    s->in->id, who);
	}
	return r < 0 ? r : net_quiet(s->diag, e);
}

static void
let_go(const struct rest *s)
{
	(void)sys_thaw(s->cg);
	(void)net_hold_set(s->hold, NET_HOLD_PASS);
}

uint64_t
susp_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Root inside can take it off lo. */
static int
hold_check(const struct core_inst *in, int ns, int hold, struct vps_err *e)
{
	const struct net_cfg c = {.id = in->id};

	return net_hold_check(&c, ns, hold, e);
}

int
susp_rest(struct core_inst *in, uint64_t *ret_since, struct vps_err *e)
{
	struct sys_proc_id init = core_get_proc(in, "init");
	auto_close int cg = susp_cgroup(in, e), hold = -1, ns = -1, diag = -1;
	struct rest s;
	uint64_t begun;
	int r = 0;

	if (cg < 0)
		return cg;
	hold = hold_open(in, e);
	if (hold < 0)
		return hold;
	ns = sys_ns_open(init.pid, "net");
	if (ns < 0)
		return vps_err_set(e, ns, "open the network of %s", in->id);
	diag = net_diag_open(ns);
	if (diag < 0)
		return vps_err_set(
		    e, diag, "ask for the sockets of %s", in->id);
	r = hold_check(in, ns, hold, e);
	if (r < 0)
		return r;
	begun = susp_now_ns();
	s = (struct rest){in, cg, hold, diag, 0};
	/* A task that spawns all the time is in vfork at most attempts. */
	for (int i = 0; i < TRIES; i++) {
		struct timespec nap = {0, 3000000L * (i < 10 ? i + 1 : 10)};

		r = attempt(&s, e);
		if (r == 0)
			break;
		log_dbg("%s: attempt %d: %s", in->id, i, e ? e->msg : "");
		let_go(&s);
		if ((r != -EBUSY && r != -ETIMEDOUT) ||
		    susp_now_ns() - begun > TRIES_NS)
			break;
		(void)nanosleep(&nap, NULL);
	}
	if (r == 0 && ret_since != NULL)
		*ret_since = s.since;
	return r;
}

int
susp_rest_begin(struct core_inst *in, struct vps_err *e)
{
	return core_undo_add(in, "rest", "", e);
}

int
susp_suspend(struct core_inst *in, struct vps_err *e)
{
	int rec, r = core_need(in, 1U << CORE_ST_RUNNING, "suspend", e);

	if (r < 0)
		return r;
	rec = susp_rest_begin(in, e);
	if (rec < 0)
		return rec;
	r = susp_rest(in, NULL, e);
	if (r == 0) {
		r = core_set_state(in, CORE_ST_SUSPENDED, e);
		if (r < 0)
			(void)susp_wake(in, NULL);
	}
	core_undo_done(in, rec);
	return r;
}

int
susp_resume(struct core_inst *in, struct vps_err *e)
{
	int rec, r = core_need(in, 1U << CORE_ST_SUSPENDED, "resume", e);

	if (r == 0)
		r = jrn_may_run(JRN_DIR, in->id, e);
	if (r < 0)
		return r;
	/* the state first: if we die then, the record wakes it */
	rec = susp_rest_begin(in, e);
	if (rec < 0)
		return rec;
	r = core_set_state(in, CORE_ST_RUNNING, e);
	if (r == 0) {
		r = susp_wake(in, e);
		if (r < 0)
			(void)core_set_state(in, CORE_ST_SUSPENDED, NULL);
	}
	core_undo_done(in, rec);
	return r;
}
