/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/enter.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#include "base/auto.h"
#include "core/box_i.h"
#include "core/cgroup.h"
#include "sys/clone.h"
#include "sys/fds.h"
#include "sys/memfd.h"
#include "sys/ns.h"
#include "sys/pty.h"
#include "sys/unix.h"

enum { ENTER_PID = 'p', ENTER_TTY = 't', ENTER_FAILED = 'e' };

struct msg {
	int type, pid;
	bool exec; /* FAILED: it was the exec */
	struct vps_err err;
};

struct way {
	const struct core_enter *what;
	const struct core_cg *cg;
	int init; /* pidfd */
	int chan;
};

static void
fail(const struct way *w, bool exec, const struct vps_err *e)
{
	struct msg m = {.type = ENTER_FAILED, .exec = exec, .err = *e};

	(void)sys_unix_send(w->chan, &m, sizeof(m), NULL, 0);
	_exit(127);
}

static int
set_tty(const struct core_enter *what, int slave)
{
	struct termios t;

	if (tcgetattr(slave, &t) < 0)
		return -errno;
	if (what->raw_in)
		t.c_lflag &= ~(tcflag_t)ECHO;
	if (what->raw_out)
		t.c_oflag &= ~(tcflag_t)OPOST;
	if (tcsetattr(slave, TCSANOW, &t) < 0 ||
	    (what->ws.ws_row != 0 && ioctl(slave, TIOCSWINSZ, &what->ws) < 0))
		return -errno;
	return 0;
}

static int
open_tty(const struct way *w, struct vps_err *e)
{
	auto_close int master = sys_pty_open(AT_FDCWD, "/dev/pts/ptmx", NULL);
	auto_close int slave = -1;
	struct msg m = {.type = ENTER_TTY};
	int r, i;

	if (master < 0)
		return vps_err_set(e, master, "open a terminal inside");
	slave = sys_pty_slave(master, O_RDWR | O_NOCTTY);
	if (slave < 0)
		return vps_err_set(e, slave, "open a terminal inside");
	r = set_tty(w->what, slave);
	if (r < 0)
		return vps_err_set(e, r, "set up the terminal");
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return vps_err_set(e, -errno, "get a controlling terminal");
	for (i = 0; i <= 2; i++)
		if (dup2(slave, i) < 0)
			return vps_err_set(e, -errno, "set up the terminal");
	r = sys_unix_send(w->chan, &m, sizeof(m), &master, 1);
	return r < 0 ? vps_err_set(e, r, "hand over the terminal") : 0;
}

static const char *
env_of(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp != NULL && *envp != NULL; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

/* Inside in every respect. */
static void
innermost(struct way *w)
{
	const struct core_enter *what = w->what;
	const char *home = env_of(what->envp, "HOME");
	struct vps_err err = {0};
	int r;

	(void)setsid();
	sys_signals_default();
	(void)umask(022);
	/* The way in may have left us anywhere. */
	if (!what->home || home == NULL || chdir(home) < 0)
		(void)!chdir("/");
	if (what->tty)
		r = open_tty(w, &err);
	else if ((r = sys_fds_null()) < 0)
		(void)vps_err_set(&err, r, "open /dev/null inside");
	if (r < 0)
		fail(w, false, &err);
	if (what->program >= 0) {
		int v[SYS_FDS_PLACE];
		unsigned n = what->nfds;

		if (n > 0)
			memcpy(v, what->fds, n * sizeof(*v));
		v[n] = what->program;
		r = sys_fds_place(3, v, n + 1, w->chan);
		if (r >= 0) {
			w->chan = r;
			(void)fcntl(3 + (int)n, F_SETFD, FD_CLOEXEC);
			r = sys_memfd_exec(3 + (int)n, what->argv, what->envp);
		}
	} else {
		(void)sys_fds_close_but(3, &w->chan, 1);
		environ = (char **)(uintptr_t)what->envp; /* for its PATH */
		(void)execvpe(what->argv[0], what->argv, what->envp);
		r = -errno;
	}
	(void)vps_err_set(&err, r, "run %s inside", what->argv[0]);
	fail(w, true, &err);
}

/* In all namespaces, but with a pid of the host: enters, and forks what is
 * really inside. */
static void
between(struct way *w)
{
	int keep[SYS_FDS_PLACE + 3] = {w->chan, w->init, w->what->program};
	struct vps_err err = {0};
	struct msg m = {.type = ENTER_PID};
	unsigned i;
	int r;

	for (i = 0; i < w->what->nfds; i++)
		keep[3 + i] = w->what->fds[i];
	(void)prctl(PR_SET_DUMPABLE, 0);
	r = sys_fds_close_but(3, keep, 3 + w->what->nfds);
	/* Nor the caller's terminal: what is 0, 1, 2 is seen inside, too. */
	if (r == 0)
		r = sys_fds_null();
	if (r < 0)
		(void)vps_err_set(&err, r, "close descriptors");
	if (r == 0) {
		r = core_cg_join1(w->cg);
		if (r < 0)
			(void)vps_err_set(&err, r, "join the cgroups");
	}
	if (r == 0) {
		r = sys_ns_enter(w->init, SYS_NS_ALL);
		if (r < 0)
			(void)vps_err_set(&err, r, "enter the namespaces");
	}
	(void)close(w->init);
	if (r == 0)
		r = core_become_root(&err);
	if (r < 0)
		fail(w, false, &err);
	m.pid = sys_fork_as(
	    w->what->pid_in, w->what->detach ? 0 : CLONE_PARENT, -1, NULL);
	if (m.pid == 0)
		innermost(w);
	if (m.pid < 0) {
		(void)vps_err_set(&err, m.pid, "fork inside");
		fail(w, false, &err);
	}
	(void)sys_unix_send(w->chan, &m, sizeof(m), NULL, 0);
	_exit(0);
}

/* Until the channel ends: by the exec, or behind a failure. */
static int
listen_to(int chan, struct core_entered *out, int *ret_exec, struct vps_err *e)
{
	struct sys_fds fds = {.n = 0};
	struct msg m;
	int r, failed = 0;

	while (
	    (r = sys_unix_recv(chan, &m, sizeof(m), &fds)) == (int)sizeof(m)) {
		if (m.type == ENTER_PID)
			out->pid = m.pid;
		if (m.type == ENTER_TTY && fds.n == 1 && out->master < 0) {
			out->master = fds.fd[0];
			fds.n = 0;
		}
		sys_fds_close(&fds);
		if (m.type == ENTER_FAILED) {
			failed = m.err.code;
			if (e != NULL)
				*e = m.err;
			if (ret_exec != NULL && m.exec)
				*ret_exec = failed;
		}
	}
	if (failed < 0)
		return failed;
	if (r != 0 || out->pid == 0)
		return vps_err_set(
		    e, r < 0 ? r : -ECHILD, "enter the instance");
	return 0;
}

int
core_enter(const struct core_inst *in, const struct core_enter *what,
    struct core_entered *ret, int *ret_exec, struct vps_err *e)
{
	struct core_entered out = {.pidfd = -1, .master = -1};
	auto_close int init = core_open_proc(in, "init"), cgfd = -1;
	int chan[2], status, r;
	struct core_cg cg;
	struct way w;
	pid_t pid;

	if (init < 0)
		return vps_err_set(e, init, "find init of %s", in->id);
	if (what->nfds >= SYS_FDS_PLACE)
		return vps_err_set(e, -E2BIG, "run %s inside", what->argv[0]);
	r = core_cg_of(&cg, in, e);
	if (r < 0)
		return r;
	cgfd = core_cg_open(&cg, what->cgroup);
	if (cgfd < 0)
		return vps_err_set(e, cgfd, "open the cgroup of %s", in->id);
	r = sys_unix_pair(chan);
	if (r < 0)
		return vps_err_set(e, r, "enter %s", in->id);
	w = (struct way){what, &cg, init, chan[1]};
	pid = sys_fork(0, cgfd, NULL);
	if (pid == 0)
		between(&w);
	(void)close(chan[1]);
	r = pid < 0 ? vps_err_set(e, pid, "fork")
		    : listen_to(chan[0], &out, ret_exec, e);
	(void)close(chan[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == 0 && !what->detach) {
		/* Our child: its pid is its own until we wait for it. */
		r = out.pidfd = sys_pidfd_open(out.pid);
		if (r < 0)
			(void)vps_err_set(e, r, "find the process inside");
	}
	if (r < 0) {
		if (out.pid > 0 && !what->detach) {
			(void)kill(out.pid, SIGKILL);
			(void)waitpid(out.pid, &status, 0);
		}
		if (out.master >= 0)
			(void)close(out.master);
		return r;
	}
	*ret = out;
	return 0;
}
