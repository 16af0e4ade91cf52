/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/helper.h"
#include "conf/conf.h"
#include "core/cgroup.h"
#include "core/control.h"
#include "core/create.h"
#include "core/destroy.h"
#include "core/enter.h"
#include "core/exec.h"
#include "core/holder.h"
#include "core/keeper.h"
#include "core/netcfg.h"
#include "net/net.h"
#include "restore/build.h"
#include "suspend/suspend.h"
#include "sys/freezer.h"
#include "sys/host.h"
#include "sys/memfd.h"
#include "sys/unix.h"

/* Every word of `need` is a word of `have`; else the first that isn't. */
static bool
words_in(const char *need, const char *have, char *miss, size_t n)
{
	while (*need != '\0') {
		size_t len = strcspn(need, " ");
		bool found = false;

		for (const char *p = have; *p != '\0' && !found;) {
			size_t l = strcspn(p, " ");

			found = l == len && strncmp(p, need, len) == 0;
			p += l;
			p += *p == ' ';
		}
		if (!found) {
			(void)snprintf(miss, n, "%.*s", (int)len, need);
			return false;
		}
		need += len;
		need += *need == ' ';
	}
	return true;
}

static int
compare(const struct rst_head *h, const struct sys_host *s, struct vps_err *e)
{
	char miss[64];

	if (strcmp(h->machine, s->machine) != 0 || h->page_size != s->page_size)
		return vps_err_say(e, -EOPNOTSUPP,
		    "the image is of a %s machine with pages of %u bytes, this "
		    "is %s with %u",
		    h->machine, h->page_size, s->machine, s->page_size);
	if (h->n_vdso_id != s->n_vdso_id ||
	    memcmp(h->vdso_id, s->vdso_id, s->n_vdso_id) != 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "the image is of a kernel with another vdso (%s %s, this "
		    "is "
		    "%s %s): boot the same kernel here",
		    h->release, h->version, s->release, s->version);
	if (h->xsave_size > s->xsave_size ||
	    (h->xfeatures & ~s->xfeatures) != 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "the image has processor state (XCR0 %#" PRIx64
		    ", %u bytes) that this processor doesn't have (%#" PRIx64
		    ", %u)",
		    h->xfeatures, h->xsave_size, s->xfeatures, s->xsave_size);
	if (!words_in(h->cpu_flags, s->cpu_flags, miss, sizeof(miss)))
		return vps_err_say(e, -EOPNOTSUPP,
		    "the image is of a processor with the feature %s, which "
		    "this one lacks",
		    miss);
	return 0;
}

int
rst_compatible(const struct rst_head *h, struct vps_err *e)
{
	struct sys_host s;
	int r = sys_host_read(&s);

	if (r < 0)
		return vps_err_set(e, r, "describe this host");
	r = compare(h, &s, e);
	sys_host_fini(&s);
	return r;
}

static int
copy_str(char **to, const char *from)
{
	*to = from != NULL ? strdup(from) : NULL;
	return from != NULL && *to == NULL ? -ENOMEM : 0;
}

/* What only the file of this host may say; see spec_drop_local(), after which
 * the fields are empty. */
static int
take_local(const struct vps_spec *l, struct vps_spec *s)
{
	int r = copy_str(&s->root.mount, l->root.mount);

	if (r == 0)
		r = copy_str(&s->root.unmount, l->root.unmount);
	if (r == 0)
		r = copy_str(&s->root.vpsfs.target, l->root.vpsfs.target);
	if (r == 0)
		r = copy_str(&s->root.vpsfs.opts, l->root.vpsfs.opts);
	if (r == 0)
		r = copy_str(&s->net.announce, l->net.announce);
	if (r == 0)
		r = copy_str(&s->net.revoke, l->net.revoke);
	s->run.userns = l->run.userns;
	s->run.id_base = l->run.id_base;
	return r;
}

/* The configuration in the image, but for what is this host's business: an
 * image may come from anywhere, and commands run on the host as root. */
static int
spec_of(const struct rst_head *h, const struct rst_opt *opt,
    struct vps_spec *ret, struct vps_err *e)
{
	const char *id = opt->id != NULL && opt->id[0] ? opt->id : h->id;
	int r = conf_parse(
	    "configuration in the image", h->conf, strlen(h->conf), ret, e);

	if (r < 0)
		return r;
	spec_drop_local(ret);
	if (opt->local != NULL && take_local(opt->local, ret) < 0)
		return vps_err_set(e, -ENOMEM, "configuration");
	if (strlen(id) >= sizeof(ret->id))
		return vps_err_say(e, -EINVAL, "%s: name too long", id);
	(void)snprintf(ret->id, sizeof(ret->id), "%s", id);
	return 0;
}

static int64_t
clock_ns(clockid_t c)
{
	struct timespec ts = {0};

	(void)clock_gettime(c, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void
split(int64_t v, int64_t *s, int64_t *ns)
{
	*s = v / 1000000000;
	*ns = v % 1000000000;
	if (*ns < 0) {
		*ns += 1000000000;
		(*s)--;
	}
}

/*
 * Monotonic time goes on from its value at the freeze, boot time adds the real
 * time that has passed. Offsets count from the initial time namespace, which
 * need not be ours.
 */
static int
clocks_of(const struct rst_head *h, struct sys_clocks *ret)
{
	int64_t mono, boot, s, ns, passed;
	char text[256];
	const char *p;
	int r = file_read_str(
	    AT_FDCWD, "/proc/self/timens_offsets", text, sizeof(text));

	if (r < 0)
		return r;
	mono = clock_ns(CLOCK_MONOTONIC);
	boot = clock_ns(CLOCK_BOOTTIME);
	p = strstr(text, "monotonic");
	if (p != NULL &&
	    sscanf(p, "monotonic %" SCNd64 " %" SCNd64, &s, &ns) == 2)
		mono -= s * 1000000000 + ns;
	p = strstr(text, "boottime");
	if (p != NULL &&
	    sscanf(p, "boottime %" SCNd64 " %" SCNd64, &s, &ns) == 2)
		boot -= s * 1000000000 + ns;
	passed = clock_ns(CLOCK_REALTIME) - h->realtime_ns;
	if (passed < 0)
		passed = 0;
	split(h->monotonic_ns - mono, &ret->mono_s, &ret->mono_ns);
	split(h->boottime_ns + passed - boot, &ret->boot_s, &ret->boot_ns);
	return 0;
}

static int
helper_memfd(const char *name, struct vps_err *e)
{
	char path[4096];
	int r = helper_path(name, path, sizeof(path));

	if (r == 0)
		r = sys_memfd_program_file(path);
	return r < 0 ? vps_err_set(e, r, "load %s", name) : r;
}

struct job {
	struct core_inst *in;
	const struct rst_head *h;
	int image, program;
	int skel; /* for processes that enter from outside */
	int ctl[2];
};

/* The master of the console's terminal, from the holder. */
static int
console_of(const struct core_inst *in, struct vps_err *e)
{
	auto_close int h = core_holder_open(in, e);
	struct sys_fds fds = {.n = 0};
	struct hold_rep rep;
	int fd = -1, r;

	if (h < 0)
		return h;
	r = core_hold_get(h, HOLD_CONSOLE, &rep, &fds, e);
	if (r < 0)
		return r;
	if (r > 0 && rep.num[0] == HOLD_CONSOLE)
		fd = take_fd(&fds.fd[0]);
	sys_fds_close(&fds);
	return fd < 0 ? vps_err_say(e, -ENOENT, "%s has no console", in->id)
		      : fd;
}

/* The builder, inside, with a number that nothing in the image has. */
static pid_t
start_builder(const struct job *j, struct vps_err *e)
{
	static char name[] = "vps-builder", image[] = "3", ctl[] = "4",
		    tty[] = "5";
	const struct vd_reader_state *st = &j->h->at;
	const char *level = getenv("VPS_LOG");
	char at[160], log[300];
	char *argv[] = {name, image, ctl, at, tty, NULL};
	char *envp[] = {level != NULL ? log : NULL, NULL};
	auto_close int console = console_of(j->in, e);
	const int fds[3] = {j->image, j->ctl[1], console};

	if (console < 0)
		return console;
	(void)snprintf(at, sizeof(at),
	    "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
	    ",%" PRIu64,
	    st->off, st->seq, st->sum, st->records, st->blocks, st->pages);
	(void)snprintf(log, sizeof(log), "VPS_LOG=%s", level ? level : "");
	return core_spawn_inside(
	    j->in, (pid_t)j->h->free_pid, j->program, argv, envp, fds, 3, e);
}

/* The host's init becomes its parent, as of what execin starts. */
static int
enter_skeleton(struct job *j, uint32_t pid, int chan)
{
	static char name[] = "init";
	char *argv[] = {name, NULL}, *envp[] = {NULL};
	const struct core_enter what = {.cgroup = CORE_CG_PAYLOAD,
	    .detach = true,
	    .pid_in = (pid_t)pid,
	    .program = j->skel,
	    .argv = argv,
	    .envp = envp,
	    .fds = &chan,
	    .nfds = 1};
	struct rst_msg m = {.what = RST_MSG_ENTERED, .num = pid};
	struct core_entered out;

	if (core_enter(j->in, &what, &out, NULL, &m.err) < 0)
		m.what = RST_MSG_FAILED;
	else if (out.pidfd >= 0)
		(void)close(out.pidfd);
	return sys_unix_send(j->ctl[0], &m, sizeof(m), NULL, 0);
}

/* What the builder says until it is done: descriptors for the holder first. */
static int
listen_to_builder(struct job *j, struct vps_err *e)
{
	auto_close int holder = core_holder_open(j->in, e);

	if (holder < 0)
		return holder;
	for (;;) {
		struct sys_fds fds = {.n = 0};
		struct rst_msg m;
		int r = sys_unix_recv(j->ctl[0], &m, sizeof(m), &fds);

		if (r != (int)sizeof(m)) {
			sys_fds_close(&fds);
			return vps_err_say(e, -ECHILD,
			    "the builder has died; its log (VPS_LOG=debug) may "
			    "say why");
		}
		if (m.what == RST_MSG_MASTER && fds.n == 1)
			(void)core_hold_put(holder, m.num, fds.fd[0]);
		if (m.what == RST_MSG_ENTER && fds.n == 1)
			(void)enter_skeleton(j, m.num, fds.fd[0]);
		sys_fds_close(&fds);
		if (m.what == RST_MSG_FAILED) {
			m.err.msg[sizeof(m.err.msg) - 1] = '\0';
			if (e != NULL)
				*e = m.err;
			return m.err.code < 0 ? m.err.code : -EPROTO;
		}
		if (m.what == RST_MSG_READY)
			return 0;
	}
}

static int
build(struct job *j, struct vps_err *e)
{
	auto_close int cg = susp_cgroup(j->in, e);
	struct rst_msg m = {.what = RST_MSG_FROZEN};
	int r, status = 0;
	pid_t pid;

	if (cg < 0)
		return cg;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, j->ctl) < 0)
		return vps_err_set(e, -errno, "talk with the builder");
	pid = start_builder(j, e);
	(void)close(j->ctl[1]);
	r = pid < 0 ? pid : listen_to_builder(j, e);
	if (r == 0) {
		r = sys_freeze(cg, 1000);
		if (r < 0)
			vps_err_set(e, r, "freeze %s", j->in->id);
	}
	if (r == 0)
		r = sys_unix_send(j->ctl[0], &m, sizeof(m), NULL, 0);
	(void)close(j->ctl[0]);
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (r == 0 && status != 0)
			r = vps_err_say(e, -ECHILD,
			    "the builder ended with status %#x", status);
	}
	return r;
}

static int
net_of(const struct core_inst *in, struct vps_spec *s, struct core_net *n,
    struct vps_err *e)
{
	int r = core_conf(in, s, e);

	return r < 0 ? r : core_net_of(n, in->id, s, e);
}

int
rst_claim(struct core_inst *in, struct vps_err *e)
{
	auto_spec struct vps_spec s;
	struct core_net n;
	int r, k;

	spec_init(&s);
	r = net_of(in, &s, &n, e);
	if (r < 0)
		return r;
	r = net_claim(&n.cfg, e);
	if (r == 0) {
		(void)net_announce(&n.cfg, NULL);
		/* the rounds that follow are the keeper's */
		k = core_keeper_open(in, NULL);
		if (k >= 0) {
			(void)core_keeper_ask(k, KEEP_ANNOUNCE, 0, -1, NULL);
			(void)close(k);
		}
	}
	core_net_fini(&n);
	return r;
}

/*
 * What we start inherits our limits, and the builder may only lower them: the
 * hard ones go up as far as they can, so that each process gets its own again.
 */
static void
limits_up(void)
{
	char text[32];
	struct rlimit l;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		if (getrlimit((__rlimit_resource_t)i, &l) < 0)
			continue;
		l.rlim_max = RLIM_INFINITY;
		if (i == RLIMIT_NOFILE &&
		    file_read_str(AT_FDCWD, "/proc/sys/fs/nr_open", text,
			sizeof(text)) >= 0)
			l.rlim_max = strtoul(text, NULL, 10);
		(void)setrlimit((__rlimit_resource_t)i, &l);
	}
}

static int
make(int fd, const struct rst_head *h, const struct rst_opt *opt,
    const struct vps_spec *spec, struct core_inst **ret, struct vps_err *e)
{
	static char name[] = "init";
	char *argv[] = {name, NULL};
	auto_close int skel = helper_memfd("vps-skel", e);
	auto_close int builder = helper_memfd("vps-builder", e);
	struct core_create_opt c = CORE_CREATE_OPT;
	struct job j = {.h = h, .image = fd, .program = builder, .skel = skel};
	int r;

	if (skel < 0 || builder < 0)
		return skel < 0 ? skel : builder;
	c.init = skel;
	c.init_argv = argv;
	c.no_claim = true;
	c.end = CORE_ST_RESTORING;
	r = clocks_of(h, &c.clocks);
	if (r < 0)
		return vps_err_set(e, r, "read the clocks");
	limits_up();
	r = core_create(spec, &c, &j.in, e);
	if (r < 0)
		return r;
	core_set(j.in, "restores", "%u", h->restores + 1);
	core_set(j.in, "started", "%lld", (long long)(h->boot_ns / 1000000000));
	r = build(&j, e);
	if (r == 0 && !opt->no_claim)
		r = rst_claim(j.in, e);
	if (r == 0)
		r = core_set_state(j.in, CORE_ST_SUSPENDED, e);
	if (r < 0) {
		(void)core_destroy(j.in, false, NULL);
		core_inst_close(j.in);
		return vps_err_wrap(e, r, "restore %s", spec->id);
	}
	*ret = j.in;
	return 0;
}

int
rst_restore_headed(int fd, const struct rst_head *h, const struct rst_opt *opt,
    struct core_inst **ret, struct vps_err *e)
{
	auto_spec struct vps_spec spec;
	int r;

	spec_init(&spec);
	r = rst_compatible(h, e);
	if (r == 0)
		r = spec_of(h, opt, &spec, e);
	return r < 0 ? r : make(fd, h, opt, &spec, ret, e);
}

int
rst_restore(int fd, const struct rst_opt *opt, struct core_inst **ret,
    struct vps_err *e)
{
	auto_free struct rst_head *h = calloc(1, sizeof(*h));
	int r;

	if (h == NULL)
		return vps_err_set(e, -ENOMEM, "restore");
	r = rst_head_read(fd, h, e);
	return r < 0 ? r : rst_restore_headed(fd, h, opt, ret, e);
}

int
rst_show(const struct rst_head *h, const struct rst_opt *opt, int out,
    struct vps_err *e)
{
	struct core_create_opt c = CORE_CREATE_OPT;
	auto_buf struct buf b = {0};
	auto_spec struct vps_spec spec;
	int r;

	spec_init(&spec);
	c.no_claim = true;
	c.end = CORE_ST_RESTORING;
	r = rst_compatible(h, e);
	if (r == 0)
		r = spec_of(h, opt, &spec, e);
	if (r == 0)
		r = core_create_show(&spec, &c, &b, e);
	if (r < 0)
		return r;
	buf_adds(&b, "builder: rebuild the processes from the image\n");
	r = fd_write_all(out, b.data, b.len);
	return r < 0 ? vps_err_set(e, r, "write") : 0;
}
