/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The plan of start. What can be done while another process works is: the tree
 * is made while the holder and init are forked, the network while init's
 * process mounts.
 */
#include "core/create.h"

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "conf/conf.h"
#include "core/basemounts.h"
#include "core/birth.h"
#include "core/blob.h"
#include "core/cgroup.h"
#include "core/destroy.h"
#include "core/holder.h"
#include "core/ids.h"
#include "core/journal.h"
#include "core/keeper.h"
#include "core/netcfg.h"
#include "core/plan.h"
#include "core/tree.h"
#include "net/hold.h"
#include "sys/memfd.h"
#include "sys/unix.h"

#define LOG_SUBSYS "core"
#include "base/log.h"

struct create {
	const struct vps_spec *spec;
	const struct core_create_opt *opt;
	struct core_inst *in;
	bool again; /* the directory, cgroups, ids and root are there */
	uint32_t id_base;
	struct core_cg cg;
	struct core_net net;
	struct core_box box;
	struct core_birth birth;
	int root, dev, program; /* owned, or -1 */
	bool own_program;
};

static const char *const init_env[] = {"HOME=/", "TERM=linux",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "container=vps", NULL};

static bool
skip_again(const void *ctx)
{
	return ((const struct create *)ctx)->again;
}

static int
op_check(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	int r;

	if (!c->spec->run.userns)
		return vps_err_say(e, -EOPNOTSUPP,
		    "USERNS = no isn't supported yet: remove it");
	r = core_tree_check(c->spec, e);
	if (r == 0 && !c->opt->no_claim && !c->again)
		r = net_check(&c->net.cfg, e);
	return r;
}

static void
show_check(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;

	buf_addf(b, "%s, its parent, addresses", c->spec->root.path);
}

static int
op_directory(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	auto_buf struct buf b = {0};
	struct timespec now, boot;
	int r;

	r = core_inst_new(c->spec->id, &c->in, e);
	if (r < 0)
		return r;
	r = conf_print(c->spec, &b);
	if (r < 0 || buf_err(&b) < 0)
		return vps_err_set(e, -EINVAL, "print the configuration");
	r = file_replace(c->in->dir, "conf", b.data, b.len, 0600);
	if (r < 0)
		return vps_err_set(e, r, "write conf of %s", c->in->id);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	core_set(c->in, "root", "%s", c->spec->root.path);
	core_set(c->in, "started", "%lld", (long long)now.tv_sec);
	core_set(c->in, "started_boot", "%lld", (long long)boot.tv_sec);
	core_set(c->in, "cgroup", "%s", c->cg.base);
	return 0; /* saved with the ids */
}

static void
undo_directory(void *ctx)
{
	struct create *c = ctx;

	if (c->in != NULL)
		core_inst_remove(c->in);
}

static void
show_directory(const void *ctx, struct buf *b)
{
	buf_addf(b, "make and lock " CORE_RUN "/%s",
	    ((const struct create *)ctx)->spec->id);
}

static int
op_ids(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;

	return core_ids_take(c->in, c->spec->run.id_base, e);
}

static void
show_ids(const void *ctx, struct buf *b)
{
	(void)ctx;
	buf_addf(b, "take a range of %d uids and gids", SPEC_ID_RANGE);
}

static bool
skip_root_mount(const void *ctx)
{
	const struct create *c = ctx;

	return c->again || c->spec->root.mount == NULL;
}

static int
op_root_mount(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;

	return core_tree_mount(c->in, c->spec, e);
}

static void
undo_root_mount(void *ctx)
{
	struct create *c = ctx;
	struct vps_err e;

	if (core_tree_unmount(c->in, c->spec, &e) < 0)
		log_warn("%s", e.msg);
}

static void
show_root_mount(const void *ctx, struct buf *b)
{
	buf_adds(b, ((const struct create *)ctx)->spec->root.mount);
}

static int
op_cgroup(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;

	return core_cg_make(&c->cg, e);
}

static void
undo_cgroup(void *ctx)
{
	struct create *c = ctx;
	struct vps_err e;

	if (core_cg_remove(&c->cg, &e) < 0)
		log_warn("%s", e.msg);
}

static void
show_cgroup(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;

	buf_addf(b, "make %s%svps/%s in %u hierarchies", c->cg.base,
	    c->cg.base[0] != '\0' ? "/" : "", c->spec->id, c->cg.h.n1 + 1);
}

/* Before the fork, so that a missing program is found early. */
static int
find_program(struct create *c, struct vps_err *e)
{
	static char name[] = "vps-init";
	static char *argv[] = {name, NULL};
	struct core_blob b;

	c->box.argv = c->opt->init_argv;
	c->program = c->opt->init;
	if (c->program < 0 && c->box.argv == NULL)
		c->box.argv = c->spec->run.init.argv.v;
	if (c->program >= 0 || c->spec->run.init.text != NULL)
		return 0;
	b = core_blob_init();
	c->program = sys_memfd_program(name, b.p, b.n);
	if (c->program < 0)
		return vps_err_set(e, c->program, "copy vps-init");
	c->own_program = true;
	c->box.argv = argv;
	return 0;
}

static int
op_processes(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	struct sys_proc_id p;
	int r;

	r = find_program(c, e);
	if (r < 0)
		return r;
	c->box.hostname = c->spec->id;
	c->box.clocks = c->opt->clocks;
	c->box.console = !c->opt->no_console;
	c->box.envp = (char *const *)(uintptr_t)init_env;
	r = core_birth_begin(&c->birth, c->in, &c->cg, &c->box, e);
	if (r < 0)
		return r;
	/* From here on they are found and killed by whoever comes after us. */
	r = sys_proc_id(c->birth.init, &p);
	if (r == 0) {
		core_set_proc(c->in, "init", &p);
		r = sys_proc_id(c->birth.holder, &p);
	}
	if (r < 0)
		return vps_err_set(e, r, "look at init and the holder");
	core_set_proc(c->in, "holder", &p);
	return core_save(c->in, e);
}

static void
undo_processes(void *ctx)
{
	struct create *c = ctx;

	core_birth_kill(&c->birth);
	core_birth_fini(&c->birth);
	if (c->own_program && c->program >= 0)
		(void)close(take_fd(&c->program));
}

static void
show_processes(const void *ctx, struct buf *b)
{
	(void)ctx;
	buf_adds(b,
	    "fork the holder and, in new user, mount, pid, net, ipc, uts, "
	    "cgroup and time namespaces, init");
}

static int
op_mounts(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	uint32_t base = (uint32_t)core_get_u64(c->in, "id_base");
	struct core_box_msg m = {.type = BOX_FDS, .program = c->program >= 0};
	auto_close int userns = -1;
	int fds[3], r;

	c->dev = core_tree_dev(base, e);
	if (c->dev < 0)
		return c->dev;
	r = sys_idmap_write(c->birth.init, base, SPEC_ID_RANGE);
	if (r < 0)
		return vps_err_set(e, r, "map user ids");
	userns = sys_ns_open(c->birth.init, "user");
	if (userns < 0)
		return vps_err_set(e, userns, "open the user namespace");
	c->root = core_tree_root(c->spec->root.path, userns, e);
	if (c->root < 0)
		return c->root;
	fds[0] = c->root;
	fds[1] = c->dev;
	fds[2] = c->program;
	r = sys_unix_send(c->birth.chan, &m, sizeof(m), fds, m.program ? 3 : 2);
	if (r < 0)
		return vps_err_set(e, r, "hand over the mounts");
	/* The last copies are with init's process now. */
	(void)close(take_fd(&c->root));
	(void)close(take_fd(&c->dev));
	return 0;
}

static void
undo_mounts(void *ctx)
{
	struct create *c = ctx;

	if (c->root >= 0)
		(void)close(take_fd(&c->root));
	if (c->dev >= 0)
		(void)close(take_fd(&c->dev));
}

static void
show_mounts(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;
	const struct core_basemount *m;

	buf_addf(b, "%s with owners shifted as /", c->spec->root.path);
	for (m = core_basemounts; m->path != NULL; m++)
		buf_addf(b, ", %s", m->path);
}

static int
op_network(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	auto_close int ns = sys_ns_open(c->birth.init, "net");
	uint32_t hold;
	int r;

	if (ns < 0)
		return vps_err_set(e, ns, "open the network namespace");
	r = net_setup(&c->net.cfg, ns, e);
	if (r < 0)
		return r;
	r = net_hold_setup(&c->net.cfg, ns,
	    c->opt->end == CORE_ST_RUNNING ? NET_HOLD_PASS : NET_HOLD_ALL,
	    &hold, e);
	if (r == -EPERM || r == -ENOSYS) {
		log_dbg("%s can't be suspended: %s", c->in->id,
		    e != NULL ? e->msg : "no hold");
		core_unset(c->in, "hold");
		r = 0;
	} else if (r == 0) {
		core_set(c->in, "hold", "%u", hold);
	}
	if (r == 0 && !c->opt->no_claim)
		r = net_claim(&c->net.cfg, e);
	return r;
}

static void
undo_network(void *ctx)
{
	struct create *c = ctx;

	net_unclaim(&c->net.cfg);
	net_teardown(&c->net.cfg);
}

static void
show_network(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;
	unsigned i, j;
	char s[64];

	buf_adds(b, "lo");
	for (i = 0; i < c->net.cfg.nifs; i++) {
		buf_addf(b, ", vps%u", c->net.ifs[i].n);
		for (j = 0; j < c->net.ifs[i].naddr; j++) {
			net_addr_str(&c->net.ifs[i].addr[j], s, sizeof(s));
			buf_addf(b, " %s", s);
		}
	}
}

static int
op_init(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	struct core_box_msg m;
	struct sys_fds fds = {.n = 0};
	int r;

	r = sys_unix_recv(c->birth.chan, &m, sizeof(m), &fds);
	if (r == (int)sizeof(m) && m.type == BOX_FAILED) {
		if (e != NULL)
			*e = m.err;
		return m.err.code;
	}
	if (r != (int)sizeof(m) || m.type != BOX_MADE ||
	    fds.n != (m.console ? 1U : 0U))
		return vps_err_set(
		    e, r < 0 ? r : -ECHILD, "mount inside the instance");
	/* Before init runs: what it says on the console is kept. */
	if (m.console)
		r = core_hold_put(c->birth.cmd, HOLD_CONSOLE, fds.fd[0]);
	sys_fds_close(&fds);
	if (r < 0)
		return vps_err_set(e, r, "hand over the console");
	m = (struct core_box_msg){.type = BOX_GO};
	r = sys_unix_send(c->birth.chan, &m, sizeof(m), NULL, 0);
	if (r < 0)
		return vps_err_set(e, r, "start init");
	return core_birth_end(&c->birth, e);
}

static void
show_init(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;
	const struct spec_cmd *init = &c->spec->run.init;

	buf_adds(b, init->text != NULL ? init->text : "vps-init");
}

static int
op_state(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;

	return core_set_state(c->in, c->opt->end, e);
}

static void
undo_state(void *ctx)
{
	struct create *c = ctx;

	(void)core_set_state(c->in, CORE_ST_DYING, NULL);
}

static void
show_state(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;

	buf_adds(b, core_st_name(c->opt->end));
}

static bool
skip_announce(const void *ctx)
{
	const struct create *c = ctx;

	return c->opt->no_claim || c->spec->net.announce == NULL;
}

/* The neighbours are told by the keeper, which has the time for it. */
static int
op_announce(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;
	int status;
	pid_t pid;
	int r;

	r = net_hook(&c->net.cfg, c->spec->net.announce, &pid, e);
	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return vps_err_set(e, -errno, "NETWORK_ANNOUNCE");
	if (status != 0)
		return vps_err_say(e, -EIO,
		    "NETWORK_ANNOUNCE: '%s' ended with status %d",
		    c->spec->net.announce,
		    WIFEXITED(status) ? WEXITSTATUS(status)
				      : 128 + WTERMSIG(status));
	return 0;
}

static void
show_announce(const void *ctx, struct buf *b)
{
	const struct create *c = ctx;

	buf_adds(b, c->spec->net.announce);
}

/* An instance without a keeper is whole; the next command brings one. */
static int
op_keeper(void *ctx, struct vps_err *e)
{
	struct create *c = ctx;

	(void)e;
	if (core_keeper_spawn(c->in, c->birth.cmd, NULL) < 0)
		log_dbg("no keeper for %s", c->in->id);
	return 0;
}

static void
undo_keeper(void *ctx)
{
	struct create *c = ctx;

	(void)core_cg_kill(&c->cg, CORE_CG_SYS);
}

static void
show_keeper(const void *ctx, struct buf *b)
{
	(void)ctx;
	buf_adds(b, "start the keeper; it tells the neighbours");
}

static const struct core_op create_ops[] = {
    {"check", NULL, op_check, NULL, show_check},
    {"directory", skip_again, op_directory, undo_directory, show_directory},
    {"ids", skip_again, op_ids, NULL, show_ids},
    {"root-mount", skip_root_mount, op_root_mount, undo_root_mount,
	show_root_mount},
    {"cgroup", skip_again, op_cgroup, undo_cgroup, show_cgroup},
    {"processes", NULL, op_processes, undo_processes, show_processes},
    {"mounts", NULL, op_mounts, undo_mounts, show_mounts},
    {"network", NULL, op_network, undo_network, show_network},
    {"init", NULL, op_init, NULL, show_init},
    {"state", NULL, op_state, undo_state, show_state},
    {"announce", skip_announce, op_announce, NULL, show_announce},
    {"keeper", skip_again, op_keeper, undo_keeper, show_keeper},
};
static const struct core_plan create_plan = {
    "start", create_ops, ARRAY_LEN(create_ops)};

/* `base`: the cgroup sub-root; NULL: of the environment. */
static int
create_init(struct create *c, const struct vps_spec *spec,
    const struct core_create_opt *opt, const char *base, struct vps_err *e)
{
	int r;

	*c = (struct create){.spec = spec,
	    .opt = opt,
	    .root = -1,
	    .dev = -1,
	    .program = -1,
	    .birth = {.chan = -1, .hchan = -1, .cmd = -1, .init_fd = -1}};
	r = core_cg_init(&c->cg, base, spec->id, e);
	if (r == 0)
		r = core_net_of(&c->net, spec->id, spec, e);
	return r;
}

static void
create_fini(struct create *c)
{
	core_birth_fini(&c->birth);
	core_net_fini(&c->net);
	if (c->own_program && c->program >= 0)
		(void)close(c->program);
}

int
core_create(const struct vps_spec *spec, const struct core_create_opt *opt,
    struct core_inst **ret, struct vps_err *e)
{
	struct create c;
	int r;

	r = create_init(&c, spec, opt, NULL, e);
	if (r == 0) {
		r = core_plan_run(&create_plan, &c, e);
		if (r < 0)
			core_inst_close(c.in);
		else
			*ret = c.in;
	}
	create_fini(&c);
	return r;
}

int
core_create_show(const struct vps_spec *spec, const struct core_create_opt *opt,
    struct buf *out, struct vps_err *e)
{
	struct create c;
	int r;

	r = create_init(&c, spec, opt, NULL, e);
	if (r == 0)
		r = op_check(&c, e);
	if (r == 0)
		core_plan_show(&create_plan, &c, out);
	create_fini(&c);
	return r;
}

int
core_start(const struct vps_spec *spec, struct vps_err *e)
{
	struct core_create_opt opt = CORE_CREATE_OPT;
	struct core_inst *in;
	int r = jrn_may_run(JRN_DIR, spec->id, e);

	if (r == 0)
		r = core_create(spec, &opt, &in, e);
	if (r == 0)
		core_inst_close(in);
	return r;
}

int
core_reboot(struct core_inst *in, struct vps_err *e)
{
	struct core_create_opt opt = CORE_CREATE_OPT;
	auto_spec struct vps_spec spec;
	const char *base = core_get(in, "cgroup");
	struct create c;
	int r;

	spec_init(&spec);
	r = core_conf(in, &spec, e);
	if (r < 0)
		return r;
	r = create_init(&c, &spec, &opt, base != NULL ? base : "", e);
	if (r == 0)
		r = core_kill_payload(in, e);
	if (r == 0)
		r = core_cg_renew(&c.cg, CORE_CG_PAYLOAD, e);
	if (r == 0) {
		c.again = true;
		c.in = in;
		core_kill_holder(in);
		net_teardown(&c.net.cfg);
		(void)unlinkat(in->dir, "exit", 0);
		core_set(in, "reboots", "%llu",
		    (unsigned long long)core_get_u64(in, "reboots") + 1);
		r = core_plan_run(&create_plan, &c, e);
	}
	/* Not half alive: it is dead until somebody stops it. */
	if (r < 0)
		(void)core_set_state(in, CORE_ST_DEAD, NULL);
	create_fini(&c);
	return r;
}
