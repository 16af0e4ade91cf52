/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/stop.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "core/destroy.h"
#include "core/journal.h"
#include "core/netcfg.h"
#include "sys/path.h"
#include "sys/proc.h"

#define LOG_SUBSYS "core"
#include "base/log.h"

/* SIGRTMIN of programs: the C library keeps two for itself. */
#define RTMIN_OF_PROGRAMS 34

static const char *const shut_names[] = {
    [CORE_SHUT_TERM] = "SIGTERM",
    [CORE_SHUT_SYSTEMD] = "SIGRTMIN+4",
    [CORE_SHUT_SYSVINIT] = "initctl runlevel 0",
    [CORE_SHUT_BUSYBOX] = "SIGUSR2",
    [CORE_SHUT_RUNIT] = "SIGCONT",
    [CORE_SHUT_KILL] = "SIGKILL",
};

const char *
core_shutdown_name(enum core_shutdown how)
{
	return shut_names[how];
}

/* Which init this is, by its program; sysvinit, too, is called "init". */
static enum core_shutdown
by_program(pid_t pid)
{
	auto_close int root = -1, fifo = -1;
	char link[40], exe[PATH_MAX];
	const char *base;
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	if (n < 0)
		return CORE_SHUT_TERM;
	exe[n] = '\0';
	base = strrchr(exe, '/');
	base = base != NULL ? base + 1 : exe;
	if (strcmp(base, "systemd") == 0)
		return CORE_SHUT_SYSTEMD;
	if (strcmp(base, "busybox") == 0)
		return CORE_SHUT_BUSYBOX;
	if (strcmp(base, "runit") == 0)
		return CORE_SHUT_RUNIT;
	if (strcmp(base, "init") != 0)
		return CORE_SHUT_TERM;
	root = sys_root_of(pid);
	fifo = sys_open_in(root, "/run/initctl", O_PATH | O_NOFOLLOW, 0);
	return fifo >= 0 ? CORE_SHUT_SYSVINIT : CORE_SHUT_TERM;
}

static int
signal_of(enum core_shutdown how)
{
	switch (how) {
	case CORE_SHUT_SYSTEMD:
		return RTMIN_OF_PROGRAMS + 4;
	case CORE_SHUT_BUSYBOX:
		return SIGUSR2;
	case CORE_SHUT_RUNIT:
		return SIGCONT;
	case CORE_SHUT_TERM:
		return SIGTERM;
	default:
		return SIGKILL;
	}
}

enum core_shutdown
core_shutdown_of(const struct core_inst *in)
{
	struct sys_proc_id init = core_get_proc(in, "init");
	enum core_shutdown how = by_program(init.pid);
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sys_pstatus st = {0};
	uint64_t heard;
	int r;

	if (how == CORE_SHUT_SYSVINIT)
		return how;
	r = sys_pstatus_read(proc, init.pid, init.pid, &st);
	heard = st.sig_cgt | st.sig_blk; /* blocked: by sigwait, signalfd */
	sys_pstatus_fini(&st);
	/* Pid 1 never gets a signal whose action is the default one. */
	if (r == 0 && (heard >> (signal_of(how) - 1) & 1) == 0)
		return CORE_SHUT_KILL;
	return how;
}

/* What telinit(8) writes: struct init_request of sysvinit. */
static int
initctl(pid_t pid)
{
	struct {
		int magic, cmd, runlevel, sleeptime;
		char data[368];
	} q = {0x03091969, 1, '0', 5, ""};
	auto_close int root = sys_root_of(pid), fd = -1;
	struct stat st;

	if (root < 0)
		return root;
	fd = sys_open_in(root, "/run/initctl",
	    O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
		return -EINVAL;
	return fd_write_all(fd, &q, sizeof(q));
}

/* runit powers off if this file is executable. */
static void
runit_file(pid_t pid)
{
	auto_close int root = sys_root_of(pid), fd = -1;

	fd = sys_open_in(root, "/etc/runit/stopit",
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0100);
	if (fd >= 0)
		(void)fchmod(fd, 0100);
}

static void
shut_down(const struct core_inst *in, int init, int grace_ms)
{
	struct sys_proc_id p = core_get_proc(in, "init");
	enum core_shutdown how = core_shutdown_of(in);
	int r;

	log_dbg("%s: shut down by %s", in->id, core_shutdown_name(how));
	if (how == CORE_SHUT_KILL)
		return;
	if (how == CORE_SHUT_RUNIT)
		runit_file(p.pid);
	if (how == CORE_SHUT_SYSVINIT && initctl(p.pid) < 0)
		how = CORE_SHUT_TERM;
	r = how == CORE_SHUT_SYSVINIT ? 0
				      : sys_pidfd_signal(init, signal_of(how));
	if (r == 0)
		(void)sys_pidfd_wait(init, grace_ms);
}

static int
grace_of(const struct core_inst *in, int grace_ms)
{
	auto_spec struct vps_spec s;

	spec_init(&s);
	if (grace_ms >= 0)
		return grace_ms;
	(void)core_conf(in, &s, NULL); /* else the default */
	if (s.run.stop_timeout > INT_MAX / 1000)
		return INT_MAX;
	return (int)s.run.stop_timeout * 1000;
}

static void
forget(const struct core_inst *in)
{
	auto_spec struct vps_spec s;
	struct core_net n;

	spec_init(&s);
	if (core_conf(in, &s, NULL) < 0 ||
	    core_net_of(&n, in->id, &s, NULL) < 0)
		return;
	net_forget(&n.cfg);
	core_net_fini(&n);
}

/* A migration of it is committed and in doubt: what is here may be all that
 * there is of it. */
static int
may_destroy(const struct core_inst *in, struct vps_err *e)
{
	return core_get(in, "moving") != NULL ? jrn_may_run(JRN_DIR, in->id, e)
					      : 0;
}

int
core_stop(
    struct core_inst *in, const struct core_stop_opt *opt, struct vps_err *e)
{
	enum core_st st = core_state(in);
	bool silent = st == CORE_ST_SUSPENDED || core_get_u64(in, "silent");
	auto_close int init = -1;
	int r;

	r = may_destroy(in, e);
	if (r < 0)
		return r;
	r = core_need(in,
	    1U << CORE_ST_RUNNING | 1U << CORE_ST_SUSPENDED |
		1U << CORE_ST_DYING | 1U << CORE_ST_DEAD,
	    "stop", e);
	if (r < 0)
		return r;
	/* The keeper must not start it again. */
	r = core_set_state(in, CORE_ST_DYING, e);
	if (r < 0)
		return r;
	core_destroy_begin(in);
	if (st == CORE_ST_RUNNING) {
		init = core_open_proc(in, "init");
		if (init >= 0)
			shut_down(in, init, grace_of(in, opt->grace_ms));
	}
	if (opt->forget && silent) {
		forget(in);
		core_unset(in, "silent");
		silent = false;
	}
	return core_destroy(in, silent, e);
}

static int
silence(const struct core_inst *in, struct vps_err *e)
{
	auto_spec struct vps_spec s;
	struct core_net n;
	int r;

	spec_init(&s);
	r = core_conf(in, &s, e);
	if (r == 0)
		r = core_net_of(&n, in->id, &s, e);
	if (r < 0)
		return r;
	r = net_silence(&n.cfg, e);
	core_net_fini(&n);
	return r;
}

int
core_abort(struct core_inst *in, struct vps_err *e)
{
	enum core_st st = core_state(in);
	int r = 0;

	if (st == CORE_ST_DEAD)
		return 0;
	r = may_destroy(in, e);
	if (r < 0)
		return r;
	if (st == CORE_ST_SUSPENDED) {
		core_set(in, "silent", "1");
		r = core_save(in, e);
		if (r == 0)
			r = silence(in, e);
	}
	if (r == 0)
		r = core_set_state(in, CORE_ST_DEAD, e);
	if (r == 0)
		r = core_kill_payload(in, e);
	return r;
}
