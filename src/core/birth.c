/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/birth.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "base/helper.h"
#include "core/holder.h"
#include "sys/clone.h"
#include "sys/fds.h"
#include "sys/unix.h"

struct hello {
	int r; /* init's pid, or negative errno with `err` */
	struct vps_err err;
};

/* What the fork that becomes the holder needs. */
struct nest {
	const struct core_cg *cg;
	struct core_box *box;
	const char *program;
	int payload, hchan, listen, dir, cmd;
};

static void
nest_fail(const struct nest *n, int code, const char *what)
{
	struct hello h = {.r = code};

	(void)vps_err_set(&h.err, code, "%s", what);
	(void)sys_unix_send(n->hchan, &h, sizeof(h), NULL, 0);
	_exit(1);
}

static void
become_holder(const struct nest *n, pid_t init)
{
	int fds[HOLD_NFDS] = {n->listen, n->dir, n->cmd}, err;
	char pid[16], name[] = "vps-holder";
	char *argv[] = {name, pid, NULL}, *envp[] = {NULL};

	(void)snprintf(pid, sizeof(pid), "%d", init);
	(void)sys_fds_null();
	(void)chdir("/");
	err = sys_fds_place(HOLD_FD_LISTEN, fds, HOLD_NFDS, n->hchan);
	if (err >= 0) {
		struct nest m = *n;

		m.hchan = err;
		(void)execve(n->program, argv, envp);
		nest_fail(&m, -errno, n->program);
	}
	_exit(1);
}

/* In the fork. The lock's descriptor was closed at the very first, so that it
 * goes away with the command and not with us. */
static void
nest_main(const struct nest *n)
{
	int keep[] = {
	    n->payload, n->hchan, n->listen, n->dir, n->cmd, n->box->chan};
	struct hello h = {0};
	pid_t pid;
	int fd, r;

	(void)sys_fds_close_but(3, keep, ARRAY_LEN(keep));
	(void)setsid();
	/* A ^C at the command is its business; it kills us if it wants. */
	sys_signals_default();
	r = core_cg_join1(n->cg);
	if (r < 0)
		nest_fail(n, r, "join the cgroups");
	pid = sys_fork(CORE_BOX_FLAGS, n->payload, &fd);
	if (pid == 0)
		core_box_main(n->box);
	if (pid < 0)
		nest_fail(n, pid, "make namespaces");
	h.r = pid;
	r = sys_unix_send(n->hchan, &h, sizeof(h), &fd, 1);
	if (r < 0)
		_exit(1);
	become_holder(n, pid);
}

static int
meet(struct core_birth *b, struct vps_err *e)
{
	struct sys_fds fds = {.n = 0};
	struct hello h;
	int r = sys_unix_recv(b->hchan, &h, sizeof(h), &fds);

	if (r != (int)sizeof(h) || (h.r > 0 && fds.n != 1))
		return vps_err_set(
		    e, r < 0 ? r : -ECHILD, "fork the holder and init");
	if (h.r < 0) {
		if (e != NULL)
			*e = h.err;
		return h.r;
	}
	b->init = h.r;
	b->init_fd = fds.fd[0];
	return 0;
}

int
core_birth_begin(struct core_birth *b, const struct core_inst *in,
    const struct core_cg *cg, struct core_box *box, struct vps_err *e)
{
	char program[PATH_MAX], path[96];
	auto_close int listen = -1, sys = -1, payload = -1;
	int chan[2] = {-1, -1}, hchan[2] = {-1, -1}, cmd[2] = {-1, -1}, r;
	struct nest n;

	*b = (struct core_birth){
	    .chan = -1, .hchan = -1, .cmd = -1, .init_fd = -1};
	r = helper_path("vps-holder", program, sizeof(program));
	if (r < 0)
		return vps_err_set(e, r, "find vps-holder");
	sys = core_cg_open(cg, CORE_CG_SYS);
	payload = core_cg_open(cg, CORE_CG_PAYLOAD);
	if (sys < 0 || payload < 0)
		return vps_err_set(
		    e, sys < 0 ? sys : payload, "open the cgroup");
	r = core_path(in->id, "holder", path, sizeof(path));
	listen = r < 0 ? r : sys_unix_listen(path, 0600);
	if (listen < 0)
		return vps_err_set(e, listen, "make %s", path);
	r = sys_unix_pair(chan);
	if (r == 0)
		r = sys_unix_pair(hchan);
	if (r == 0)
		r = sys_unix_pair(cmd);
	if (r == 0) {
		box->chan = chan[1];
		n = (struct nest){cg, box, program, payload, hchan[1], listen,
		    in->dir, cmd[1]};
		b->holder = r = sys_fork(0, sys, NULL);
		if (r == 0)
			nest_main(&n);
	}
	(void)close(chan[1]);
	(void)close(hchan[1]);
	(void)close(cmd[1]);
	b->chan = chan[0];
	b->hchan = hchan[0];
	b->cmd = cmd[0];
	if (r < 0) {
		b->holder = 0;
		return vps_err_set(e, r, "fork the holder");
	}
	return meet(b, e);
}

int
core_birth_end(struct core_birth *b, struct vps_err *e)
{
	struct core_box_msg m;
	struct hello h;
	int r;

	r = sys_unix_recv(b->chan, &m, sizeof(m), NULL);
	if (r == (int)sizeof(m) && m.type == BOX_FAILED) {
		if (e != NULL)
			*e = m.err;
		return m.err.code;
	}
	/* The end, by exec, or a reset when it left with a message unread. */
	if (r != 0)
		return vps_err_set(e, r < 0 ? r : -EBADMSG, "run init");
	r = sys_unix_recv(b->hchan, &h, sizeof(h), NULL);
	if (r == (int)sizeof(h)) {
		if (e != NULL)
			*e = h.err;
		return h.r;
	}
	if (r != 0)
		return vps_err_set(e, r < 0 ? r : -EBADMSG, "run the holder");
	return 0;
}

void
core_birth_kill(struct core_birth *b)
{
	int status;

	if (b->init_fd >= 0) {
		(void)sys_pidfd_signal(b->init_fd, SIGKILL);
		(void)sys_pidfd_wait(b->init_fd, -1);
	}
	if (b->holder > 0) {
		(void)kill(b->holder, SIGKILL);
		while (waitpid(b->holder, &status, 0) < 0 && errno == EINTR)
			;
		b->holder = 0;
	}
}

void
core_birth_fini(struct core_birth *b)
{
	int *fd[] = {&b->init_fd, &b->chan, &b->hchan, &b->cmd};
	size_t i;

	for (i = 0; i < ARRAY_LEN(fd); i++)
		if (*fd[i] >= 0)
			(void)close(take_fd(fd[i]));
}

int
core_holder_revive(struct core_inst *in, struct vps_err *e)
{
	char program[PATH_MAX], path[96];
	auto_close int listen = -1, sys = -1;
	int hchan[2], cmd[2], r;
	struct sys_proc_id p;
	struct core_cg cg;
	struct hello h;
	struct nest n;
	pid_t pid;

	r = helper_path("vps-holder", program, sizeof(program));
	if (r < 0)
		return vps_err_set(e, r, "find vps-holder");
	r = core_cg_of(&cg, in, e);
	if (r < 0)
		return r;
	sys = core_cg_open(&cg, CORE_CG_SYS);
	r = core_path(in->id, "holder", path, sizeof(path));
	listen = r < 0 ? r : sys_unix_listen(path, 0600);
	if (sys < 0 || listen < 0)
		return vps_err_set(e, sys < 0 ? sys : listen, "make %s", path);
	if (sys_unix_pair(hchan) < 0 || sys_unix_pair(cmd) < 0)
		return vps_err_set(e, -EMFILE, "fork the holder");
	n = (struct nest){.cg = &cg,
	    .program = program,
	    .hchan = hchan[1],
	    .listen = listen,
	    .dir = in->dir,
	    .cmd = cmd[1]};
	pid = sys_fork(0, sys, NULL);
	if (pid == 0) {
		(void)setsid();
		sys_signals_default();
		(void)core_cg_join1(&cg);
		become_holder(&n, 0);
	}
	(void)close(hchan[1]);
	(void)close(cmd[1]);
	r = pid < 0 ? pid : sys_unix_recv(hchan[0], &h, sizeof(h), NULL);
	(void)close(hchan[0]);
	if (r == (int)sizeof(h))
		r = h.r;
	if (r == 0)
		r = sys_proc_id(pid, &p);
	if (r == 0) {
		core_set_proc(in, "holder", &p);
		r = core_save(in, NULL);
	}
	if (r < 0) {
		(void)close(cmd[0]);
		return vps_err_set(e, r, "start a new holder");
	}
	return cmd[0];
}
