/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/destroy.h"

#include <linux/netlink.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "core/cgroup.h"
#include "core/fault.h"
#include "core/netcfg.h"
#include "core/tree.h"
#include "sys/netlink.h"
#include "sys/ns.h"
#include "sys/sockdiag.h"

#define LOG_SUBSYS "core"
#include "base/log.h"

#define KILL_WAIT_MS 10000

static void
keep_first(int *first, struct vps_err *e, int r, const struct vps_err *now)
{
	if (r >= 0 || *first < 0)
		return;
	*first = r;
	if (e != NULL)
		*e = *now;
}

static int
kill_in(
    const struct core_inst *in, const char *sub, int proc, struct vps_err *e)
{
	struct core_cg cg;
	int r = core_cg_of(&cg, in, e);

	if (r < 0)
		return r;
	r = core_cg_kill(&cg, sub);
	if (proc >= 0)
		(void)sys_pidfd_signal(proc, SIGKILL);
	if (r < 0 && r != -ENODEV)
		return vps_err_set(e, r, "kill %s", in->id);
	return 0;
}

/* Of init: pid 1 of a pid namespace ends last. */
static int
wait_for(const struct core_inst *in, int proc, struct vps_err *e)
{
	int r = proc < 0 ? 0 : sys_pidfd_wait(proc, KILL_WAIT_MS);

	return r < 0 ? vps_err_set(e, r, "kill %s", in->id) : 0;
}

int
core_kill_payload(const struct core_inst *in, struct vps_err *e)
{
	auto_close int init = core_open_proc(in, "init");
	int r = kill_in(in, CORE_CG_PAYLOAD, init, e);

	return r < 0 ? r : wait_for(in, init, e);
}

void
core_kill_holder(const struct core_inst *in)
{
	auto_close int holder = core_open_proc(in, "holder");

	if (holder >= 0) {
		(void)sys_pidfd_signal(holder, SIGKILL);
		(void)sys_pidfd_wait(holder, KILL_WAIT_MS);
	}
}

static void
run_revoke(const struct core_net *n, const char *text)
{
	struct vps_err e;
	int status;
	pid_t pid;

	if (net_hook(&n->cfg, text, &pid, &e) < 0) {
		log_warn("NETWORK_REVOKE: %s", e.msg);
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* A socket that was closed by the kill and has no answer to its FIN, for the
 * network is gone, keeps the namespace for minutes. */
static void
drop_sockets(struct core_inst *in)
{
	int r = in->diag < 0 ? in->diag : sys_socks_destroy(in->diag);

	if (r < 0)
		log_dbg("sockets: %s", strerror(-r));
	/* it keeps the namespace, too */
	if (in->diag >= 0)
		(void)close(take_fd(&in->diag));
}

void
core_destroy_begin(struct core_inst *in)
{
	struct sys_proc_id init = core_get_proc(in, "init");
	auto_close int live = core_open_proc(in, "init");
	auto_close int ns = live < 0 ? -1 : sys_ns_open(init.pid, "net");

	if (in->diag < 0 && ns >= 0)
		in->diag = nl_open_at(NETLINK_SOCK_DIAG, ns);
}

static void
drop_network(const struct core_inst *in, const struct vps_spec *s, bool silent)
{
	struct core_net n;
	struct vps_err e;

	if (core_net_of(&n, in->id, s, &e) < 0) {
		log_warn("%s", e.msg);
		return;
	}
	/* Silence was made before the kill and stays. */
	if (!silent)
		net_unclaim(&n.cfg);
	net_teardown(&n.cfg);
	if (!silent && s->net.revoke != NULL)
		run_revoke(&n, s->net.revoke);
	core_net_fini(&n);
}

static int
be_silent(
    const struct core_inst *in, const struct vps_spec *s, struct vps_err *e)
{
	struct core_net n;
	int r = core_net_of(&n, in->id, s, e);

	if (r == 0) {
		r = net_silence(&n.cfg, e);
		core_net_fini(&n);
	}
	return r;
}

int
core_destroy(struct core_inst *in, bool silent, struct vps_err *e)
{
	auto_close int init = core_open_proc(in, "init");
	auto_close int holder = core_open_proc(in, "holder");
	auto_spec struct vps_spec spec;
	struct vps_err now = {0};
	struct core_cg cg;
	int r, first = 0;
	bool known;

	spec_init(&spec);
	core_destroy_begin(in);
	known = core_conf(in, &spec, &now) == 0;
	/* A second attempt is as silent as the first. */
	if (silent)
		core_set(in, "silent", "1");
	silent = core_get_u64(in, "silent") != 0;
	r = core_set_state(in, CORE_ST_DYING, e);
	if (r == 0)
		r = core_fault("destroy.begin", e);
	if (r == 0 && silent && known)
		r = be_silent(in, &spec, e);
	/* They die while the network goes. */
	if (r == 0)
		r = kill_in(in, CORE_CG_PAYLOAD, init, e);
	if (r == 0)
		r = core_fault("destroy.killed", e);
	if (r < 0)
		return r;
	(void)kill_in(in, CORE_CG_SYS, holder, NULL);
	if (known)
		drop_network(in, &spec, silent);
	r = wait_for(in, init, e);
	if (r == 0)
		r = wait_for(in, holder, e);
	if (r < 0)
		return r;
	drop_sockets(in);
	r = core_fault("destroy.network", &now);
	keep_first(&first, e, r, &now);
	r = core_cg_of(&cg, in, &now);
	if (r == 0)
		r = core_cg_remove(&cg, &now);
	keep_first(&first, e, r, &now);
	if (known) {
		r = core_tree_unmount(in, &spec, &now);
		keep_first(&first, e, r, &now);
	}
	r = core_fault("destroy.unmounted", &now);
	keep_first(&first, e, r, &now);
	if (first == 0)
		core_inst_remove(in);
	else
		(void)core_save(in, NULL);
	return first;
}
