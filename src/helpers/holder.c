/* SPDX-License-Identifier: BSD-2-Clause
 *
 * holder INITPID: the parent of an instance's init. Waits for it and writes how
 * it ended to "exit" in the instance's directory; holds a copy of every pty
 * master, since closing the last one would hang up the terminal; forks what has
 * to be its child. See core/holder.h for its descriptors and requests. It ends
 * by being killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "core/holder.h"
#include "sys/clone.h"
#include "sys/fds.h"
#include "sys/memfd.h"

#define MAX_HELD    4096
#define MAX_CLIENTS 32
#define MAX_ARGS    256

struct holder {
	struct {
		uint32_t num;
		int fd;
	} held[MAX_HELD];
	unsigned n;
	struct pollfd p[2 + MAX_CLIENTS]; /* signals, listener, clients */
	unsigned nclients;
	pid_t init;
};

static int
find(const struct holder *h, uint32_t num)
{
	unsigned i;

	for (i = 0; i < h->n; i++)
		if (h->held[i].num == num)
			return (int)i;
	return -1;
}

static int
put(struct holder *h, uint32_t num, int fd)
{
	int i = find(h, num);

	if (i >= 0) {
		(void)close(h->held[i].fd);
	} else if (h->n == MAX_HELD) {
		return -ENOSPC;
	} else {
		i = (int)h->n++;
	}
	h->held[i].num = num;
	h->held[i].fd = fd;
	return 0;
}

static void
drop(struct holder *h, uint32_t num)
{
	int i = find(h, num);

	if (i < 0)
		return;
	(void)close(h->held[i].fd);
	h->held[i] = h->held[--h->n];
}

/* The smallest `max` numbers from `from` on, in order. */
static void
collect(const struct holder *h, uint32_t from, struct hold_rep *rep, int *fds)
{
	while (rep->n < SYS_UNIX_FDS) {
		int best = -1;
		unsigned i;

		for (i = 0; i < h->n; i++)
			if (h->held[i].num >= from &&
			    (best < 0 || h->held[i].num < h->held[best].num))
				best = (int)i;
		if (best < 0)
			return;
		rep->num[rep->n] = h->held[best].num;
		fds[rep->n++] = h->held[best].fd;
		if (h->held[best].num == UINT32_MAX)
			return;
		from = h->held[best].num + 1;
	}
}

static int
split(struct hold_req *q, char **v, uint32_t n, uint32_t *off)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		char *s = q->args + *off;
		char *end = memchr(s, '\0', q->nargs - *off);

		if (end == NULL)
			return -EBADMSG;
		v[i] = s;
		*off += (uint32_t)(end - s) + 1;
	}
	v[n] = NULL;
	return 0;
}

static void
child(const struct sys_fds *fds, int err, char **argv, char **envp)
{
	int r;

	(void)setsid();
	sys_signals_default();
	r = sys_fds_null();
	if (r == 0) {
		/* The program is the last, so that the others are 3, 4, ... */
		int v[SYS_UNIX_FDS];
		unsigned n = fds->n - 1;

		memcpy(v, fds->fd + 1, n * sizeof(*v));
		v[n] = fds->fd[0];
		r = sys_fds_place(3, v, n + 1, err);
		if (r >= 0) {
			err = r;
			(void)fcntl(3 + (int)n, F_SETFD, FD_CLOEXEC);
			r = sys_memfd_exec(3 + (int)n, argv, envp);
		}
	}
	(void)fd_write_all(err, &r, sizeof(r));
	_exit(127);
}

static int
spawn(struct hold_req *q, const struct sys_fds *fds)
{
	char *argv[MAX_ARGS + 1], *envp[MAX_ARGS + 1];
	uint32_t off = 0;
	int p[2], err, r;
	pid_t pid;

	if (fds->n == 0 || q->argc == 0 || q->argc > MAX_ARGS ||
	    q->envc > MAX_ARGS)
		return -EINVAL;
	r = split(q, argv, q->argc, &off);
	if (r == 0)
		r = split(q, envp, q->envc, &off);
	if (r < 0)
		return r;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = sys_fork(0, -1, NULL);
	if (pid == 0)
		child(fds, p[1], argv, envp);
	(void)close(p[1]);
	if (pid > 0 && fd_read_all(p[0], &err, sizeof(err)) == 0)
		pid = err; /* the corpse is reaped by SIGCHLD */
	(void)close(p[0]);
	return pid;
}

static int
request(struct holder *h, int c)
{
	struct hold_req q = {0};
	struct hold_rep rep = {0};
	struct sys_fds fds = {.n = 0};
	int out[SYS_UNIX_FDS];
	int r = sys_unix_recv(c, &q, sizeof(q), &fds);
	bool reply = true;

	if (r <= 0 || (size_t)r < HOLD_REQ_MIN ||
	    q.nargs != (size_t)r - HOLD_REQ_MIN) {
		sys_fds_close(&fds);
		return -EPIPE;
	}
	switch (q.op) {
	case HOLD_NEW:
		while (find(h, q.num) >= 0)
			q.num++;
		/* fall through */
	case HOLD_PUT:
		reply = q.op == HOLD_NEW;
		rep.r = fds.n == 1 ? put(h, q.num, fds.fd[0]) : -EINVAL;
		if (rep.r == 0) {
			fds.n = 0;
			rep.r = (int32_t)q.num;
		}
		break;
	case HOLD_GET:
		collect(h, q.num, &rep, out);
		break;
	case HOLD_DROP:
		drop(h, q.num);
		reply = false;
		break;
	case HOLD_SPAWN:
		rep.r = spawn(&q, &fds);
		reply = q.num != 0;
		break;
	default:
		rep.r = -ENOSYS;
	}
	sys_fds_close(&fds);
	return reply ? sys_unix_send(c, &rep, sizeof(rep), out, rep.n) : 0;
}

static void
note_end(bool killed, int how)
{
	char s[32];

	(void)snprintf(
	    s, sizeof(s), "%s %d\n", killed ? "killed" : "exited", how);
	(void)file_replace(HOLD_FD_DIR, "exit", s, strlen(s), 0600);
}

static void
reap(struct holder *h)
{
	siginfo_t si;

	/* The note comes before the pid is free: who finds no init finds the
	 * note. */
	for (;;) {
		si.si_pid = 0;
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    si.si_pid == 0)
			return;
		if (si.si_pid == h->init)
			note_end(si.si_code != CLD_EXITED, si.si_status);
		(void)waitpid(si.si_pid, NULL, 0);
	}
}

static void
add_client(struct holder *h, int c)
{
	uid_t uid;

	/* The directory is the host root's alone; this is a second door. */
	if (h->nclients == MAX_CLIENTS || sys_unix_peer(c, &uid, NULL) < 0 ||
	    uid != 0) {
		(void)close(c);
		return;
	}
	h->p[2 + h->nclients++] = (struct pollfd){.fd = c, .events = POLLIN};
}

static void
serve(struct holder *h)
{
	unsigned i;

	(void)poll(h->p, 2 + h->nclients, -1);
	if (h->p[0].revents != 0) {
		struct signalfd_siginfo si;

		(void)!read(h->p[0].fd, &si, sizeof(si));
		reap(h);
	}
	for (i = 0; i < h->nclients;) {
		struct pollfd *p = &h->p[2 + i];

		if (p->revents != 0 && request(h, p->fd) < 0) {
			(void)close(p->fd);
			*p = h->p[2 + --h->nclients];
		} else {
			i++;
		}
	}
	if (h->p[1].revents != 0) {
		int c = accept4(HOLD_FD_LISTEN, NULL, NULL, SOCK_CLOEXEC);

		if (c >= 0)
			add_client(h, c);
	}
}

int
main(int argc, char **argv)
{
	static struct holder h;
	sigset_t set;
	int i;

	if (argc != 2)
		return 2;
	h.init = (pid_t)atoi(argv[1]);
	(void)prctl(PR_SET_NAME, "vps-holder");
	for (i = HOLD_FD_LISTEN; i < HOLD_FD_LISTEN + HOLD_NFDS; i++)
		(void)fcntl(i, F_SETFD, FD_CLOEXEC);
	(void)sigfillset(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	h.p[0] = (struct pollfd){
	    .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
	    .events = POLLIN};
	h.p[1] = (struct pollfd){.fd = HOLD_FD_LISTEN, .events = POLLIN};
	if (h.p[0].fd < 0)
		return 1;
	/* Absent when nobody starts an instance with us. */
	if (fcntl(HOLD_FD_CMD, F_GETFD) >= 0)
		add_client(&h, HOLD_FD_CMD);
	reap(&h); /* it may have ended before the signal was watched */
	for (;;)
		serve(&h);
}
