/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/keeper.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/helper.h"
#include "base/str.h"
#include "core/cgroup.h"
#include "core/control.h"
#include "core/holder.h"
#include "sys/clone.h"
#include "sys/fds.h"
#include "sys/memfd.h"
#include "sys/unix.h"

#define START_WAIT_MS 3000

static const char *const passed_env[] = {
    "VPS_LOG", "VPS_CGROUP", "VPS_ID_POOL", "VPS_FAULT_KEEPER"};

struct start {
	char id[SPEC_ID_MAX + 1];
	char *argv[3], *envp[ARRAY_LEN(passed_env) + 2];
	char env[ARRAY_LEN(passed_env)][256];
	int program; /* owned */
};

static int
start_init(struct start *s, const struct core_inst *in, struct vps_err *e)
{
	static char name[] = "vps-keeper";
	static char path_env[] =
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char path[PATH_MAX];
	unsigned n = 0, i;
	int r = helper_path(name, path, sizeof(path));

	*s = (struct start){.program = -1};
	if (r == 0) {
		s->program = open(path, O_RDONLY | O_CLOEXEC);
		r = s->program < 0 ? -errno : 0;
	}
	if (r < 0)
		return vps_err_set(e, r, "find %s", name);
	(void)strcpy(s->id, in->id);
	s->argv[0] = name;
	s->argv[1] = s->id;
	s->envp[n++] = path_env;
	for (i = 0; i < ARRAY_LEN(passed_env); i++) {
		const char *v = getenv(passed_env[i]);

		if (v != NULL && str_fmt(s->env[i], sizeof(s->env[i]), "%s=%s",
				     passed_env[i], v) == 0)
			s->envp[n++] = s->env[i];
	}
	return 0;
}

int
core_keeper_spawn(const struct core_inst *in, int holder, struct vps_err *e)
{
	struct start s;
	int r = start_init(&s, in, e);

	if (r == 0) {
		r = core_hold_spawn(
		    holder, s.program, s.argv, s.envp, NULL, 0, false, e);
		(void)close(s.program);
	}
	return r;
}

static int
fork_keeper(const struct core_inst *in, struct vps_err *e)
{
	struct core_cg cg;
	auto_close int sys = -1;
	struct start s;
	pid_t pid;
	int r = core_cg_of(&cg, in, e);

	if (r < 0)
		return r;
	sys = core_cg_open(&cg, CORE_CG_SYS);
	if (sys < 0)
		return vps_err_set(e, sys, "open the cgroup of %s", in->id);
	r = start_init(&s, in, e);
	if (r < 0)
		return r;
	pid = sys_fork(0, sys, NULL);
	if (pid == 0) {
		(void)setsid();
		sys_signals_default();
		(void)core_cg_join1(&cg);
		(void)sys_fds_null();
		(void)sys_fds_close_but(3, &s.program, 1);
		(void)sys_memfd_exec(s.program, s.argv, s.envp);
		_exit(127);
	}
	(void)close(s.program);
	return pid < 0 ? vps_err_set(e, pid, "fork the keeper") : 0;
}

/* The keeper has a lock on this file all its life. */
static bool
is_there(const struct core_inst *in)
{
	auto_close int fd = openat(in->dir, "keeper", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0;
}

pid_t
core_keeper_pid(const struct core_inst *in)
{
	uint32_t pid;
	char s[16];

	if (!is_there(in) ||
	    file_read_str(in->dir, "keeper", s, sizeof(s)) < 0 ||
	    str_u32(s, 10, &pid) < 0)
		return 0;
	return (pid_t)pid;
}

int
core_keeper_ensure(const struct core_inst *in, struct vps_err *e)
{
	auto_close int h = -1;

	if (is_there(in))
		return 0;
	h = core_holder_open(in, NULL);
	return h >= 0 ? core_keeper_spawn(in, h, e) : fork_keeper(in, e);
}

/* A keeper that answers: one that was killed takes connections until the kernel
 * has closed its socket. */
static int
connect_to(const char *path)
{
	int k = sys_unix_connect(path), r;

	if (k < 0)
		return k;
	r = core_keeper_ask(k, KEEP_PING, 0, -1, NULL);
	if (r >= 0)
		return k;
	(void)close(k);
	return r;
}

int
core_keeper_open(const struct core_inst *in, struct vps_err *e)
{
	struct timespec ts = {0, 1000000};
	char path[96];
	int r, i;

	r = core_path(in->id, "control", path, sizeof(path));
	if (r == 0)
		r = connect_to(path);
	if (r >= 0)
		return r;
	r = core_keeper_ensure(in, e);
	if (r < 0)
		return r;
	for (i = 0; i < START_WAIT_MS; i++) {
		r = connect_to(path);
		if (r >= 0)
			return r;
		(void)nanosleep(&ts, NULL);
	}
	return vps_err_set(e, r, "reach the keeper of %s", in->id);
}

int
core_keeper_ask(int k, uint32_t op, uint32_t num, int fd, struct vps_err *e)
{
	struct keep_req q = {.op = op, .num = num};
	struct keep_rep rep;
	int r = sys_unix_send(k, &q, sizeof(q), &fd, fd >= 0 ? 1 : 0);

	if (r == 0 &&
	    (op == KEEP_PING || op == KEEP_WORK || op == KEEP_PAUSE)) {
		r = sys_unix_recv(k, &rep, sizeof(rep), NULL);
		if (r >= 0)
			r = r == (int)sizeof(rep) ? rep.r : -EPIPE;
	}
	return r < 0 ? vps_err_set(e, r, "ask the keeper") : r;
}
