/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore/agent.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/auto.h"

int
rst_in_child(pid_t pid, int (*fn)(void *arg), void *arg)
{
	pid_t set[1] = {pid};
	struct clone_args a = {.flags = CLONE_FILES,
	    .exit_signal = SIGCHLD,
	    .set_tid = pid > 0 ? (uint64_t)(uintptr_t)set : 0,
	    .set_tid_size = pid > 0 ? 1 : 0};
	long child = syscall(SYS_clone3, &a, sizeof(a));
	int st;

	if (child < 0)
		return -errno;
	if (child == 0)
		_exit(-fn(arg));
	while (waitpid((pid_t)child, &st, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(st) ? -WEXITSTATUS(st) : -ECHILD;
}

static bool
is_root(const struct rst_as *as)
{
	return as->uid == 0 && as->gid == 0 && as->n_groups == 0;
}

static void
creds_on(struct sys_rcalls *c, const struct rst_as *as)
{
	size_t off;

	if (is_root(as))
		return;
	off = sys_rdata(c, as->groups, as->n_groups * sizeof(*as->groups));
	(void)sys_radd(c, SYS_setgroups, RA_VAL(as->n_groups), RA_DATA(off));
	(void)sys_radd(
	    c, SYS_setresgid, RA_VAL(-1), RA_VAL(as->gid), RA_VAL(-1));
	(void)sys_radd(
	    c, SYS_setresuid, RA_VAL(-1), RA_VAL(as->uid), RA_VAL(-1));
}

/* The real and saved ids are still root's. */
static void
creds_off(struct sys_rcalls *c, const struct rst_as *as)
{
	if (is_root(as))
		return;
	(void)sys_radd(c, SYS_setresuid, RA_VAL(-1), RA_VAL(0), RA_VAL(-1));
	(void)sys_radd(c, SYS_setresgid, RA_VAL(-1), RA_VAL(0), RA_VAL(-1));
	(void)sys_radd(c, SYS_setgroups, RA_VAL(0), RA_VAL(0));
}

/* Runs a table right here. */
static int
run_here(void *arg)
{
	struct sys_rcalls *c = arg;

	for (unsigned i = 0; i < c->n; i++) {
		struct sys_rcall *k = &c->call[i];
		long a[6];

		for (int j = 0; j < 6; j++) {
			a[j] = (long)k->arg[j];
			if (k->data & 1u << j)
				a[j] = (long)(uintptr_t)(c->data + k->arg[j]);
			else if (k->prev & 1u << j)
				a[j] = c->call[k->arg[j]].ret;
		}
		k->ret = syscall(k->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (k->ret < 0)
			k->ret = -errno;
		if (k->ret < 0 && !k->may_fail)
			return (int)k->ret;
	}
	return 0;
}

/* True if `pid` lives, so that a table can run in it. */
static bool
lives(pid_t pid)
{
	return pid > 0 && kill(pid, 0) == 0;
}

static int
run_gone(const struct rst_as *as, struct sys_rcalls *c, const char *what,
    struct vps_err *e)
{
	int r = c->err != 0 ? c->err : rst_in_child(as->pid, run_here, c);

	return r < 0 ? vps_err_set(e, r, "%s as process %d", what, as->pid) : 0;
}

int
rst_as_socket(struct rst *r, const struct rst_as *as, int type,
    struct rst_as_sock *ret, struct vps_err *e)
{
	struct sys_rcalls c;
	int rc;

	*ret = (struct rst_as_sock){-1, -1};
	if (!lives(as->pid)) {
		ret->fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
		return ret->fd < 0 ? vps_err_set(e, -errno, "socket") : 0;
	}
	rc = sys_rcalls_init(&c);
	if (rc < 0)
		return vps_err_set(e, rc, "socket");
	(void)sys_radd(&c, SYS_socket, RA_VAL(AF_UNIX),
	    RA_VAL(type | SOCK_CLOEXEC), RA_VAL(0));
	rc = rst_remote(r, as->pid, &c, e);
	if (rc == 0) {
		ret->num = (int)c.call[0].ret;
		rc = rst_take_fd(r, as->pid, ret->num, e);
	}
	sys_rcalls_fini(&c);
	if (rc < 0)
		return rc;
	ret->fd = rc;
	return 0;
}

static int
run_on(struct rst *r, const struct rst_as *as, struct rst_as_sock *s,
    struct sys_rcalls *c, const char *what, struct vps_err *e)
{
	int rc;

	creds_off(c, as);
	if (s->num < 0)
		return run_gone(as, c, what, e);
	(void)sys_radd(c, SYS_close, RA_VAL(s->num));
	s->num = -1;
	rc = rst_remote(r, as->pid, c, e);
	return rc < 0 ? vps_err_wrap(e, rc, "%s in process %d", what, as->pid)
		      : 0;
}

int
rst_as_listen(struct rst *r, const struct rst_as *as, struct rst_as_sock *s,
    uint32_t backlog, struct vps_err *e)
{
	struct sys_rcalls c;
	int rc = sys_rcalls_init(&c);

	if (rc < 0)
		return vps_err_set(e, rc, "listen");
	creds_on(&c, as);
	(void)sys_radd(&c, SYS_listen, RA_VAL(s->num < 0 ? s->fd : s->num),
	    RA_VAL(backlog));
	rc = run_on(r, as, s, &c, "listen", e);
	sys_rcalls_fini(&c);
	return rc;
}

int
rst_as_connect(struct rst *r, const struct rst_as *as, struct rst_as_sock *s,
    const char *dir, const void *addr, size_t naddr, struct vps_err *e)
{
	struct sys_rcalls c;
	int rc = sys_rcalls_init(&c);
	size_t off;

	if (rc < 0)
		return vps_err_set(e, rc, "connect");
	if (dir != NULL) {
		off = sys_rdata(&c, dir, strlen(dir) + 1);
		(void)sys_radd(&c, SYS_chdir, RA_DATA(off));
	}
	creds_on(&c, as);
	off = sys_rdata(&c, addr, naddr);
	(void)sys_radd(&c, SYS_connect, RA_VAL(s->num < 0 ? s->fd : s->num),
	    RA_DATA(off), RA_VAL(naddr));
	if (dir != NULL) {
		off = sys_rdata(&c, "/", 2);
		(void)sys_radd(&c, SYS_chdir, RA_DATA(off));
	}
	rc = run_on(r, as, s, &c, "connect", e);
	sys_rcalls_fini(&c);
	return rc;
}

struct pair_arg {
	struct sys_rcalls *c;
	size_t off;
	int *sv; /* shared with the child */
};

static int
run_pair(void *arg)
{
	struct pair_arg *p = arg;
	int r = run_here(p->c);

	memcpy(p->sv, sys_rptr(p->c, p->off), 2 * sizeof(int));
	return r;
}

/* The child has its own copy of the data area, but the same descriptors. */
static int
pair_gone(const struct rst_as *as, struct sys_rcalls *c, size_t off, int ret[2],
    struct vps_err *e)
{
	struct pair_arg p = {.c = c, .off = off};
	int r = c->err;

	p.sv = mmap(NULL, 2 * sizeof(int), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p.sv == MAP_FAILED)
		return vps_err_set(e, -errno, "socketpair");
	if (r == 0)
		r = rst_in_child(as->pid, run_pair, &p);
	if (r == 0)
		memcpy(ret, p.sv, 2 * sizeof(int));
	(void)munmap(p.sv, 2 * sizeof(int));
	return r < 0 ? vps_err_set(e, r, "socketpair as process %d", as->pid)
		     : 0;
}

int
rst_as_socketpair(struct rst *r, const struct rst_as *as, int type, int ret[2],
    struct vps_err *e)
{
	struct sys_rcalls c;
	int rc = sys_rcalls_init(&c), num[2];
	size_t off;

	if (rc < 0)
		return vps_err_set(e, rc, "socketpair");
	creds_on(&c, as);
	off = sys_rdata(&c, NULL, sizeof(num));
	(void)sys_radd(&c, SYS_socketpair, RA_VAL(AF_UNIX),
	    RA_VAL(type | SOCK_CLOEXEC), RA_VAL(0), RA_DATA(off));
	creds_off(&c, as);
	ret[0] = ret[1] = -1;
	if (!lives(as->pid)) {
		rc = pair_gone(as, &c, off, ret, e);
		sys_rcalls_fini(&c);
		return rc;
	}
	rc = rst_remote(r, as->pid, &c, e);
	if (rc == 0) {
		memcpy(num, sys_rptr(&c, off), sizeof(num));
		for (int i = 0; i < 2 && rc >= 0; i++)
			rc = ret[i] = rst_take_fd(r, as->pid, num[i], e);
		sys_rcalls_reset(&c);
		(void)sys_radd(&c, SYS_close, RA_VAL(num[0]));
		(void)sys_radd(&c, SYS_close, RA_VAL(num[1]));
		rc = rc < 0 ? rc : rst_remote(r, as->pid, &c, e);
	}
	if (rc < 0)
		for (int i = 0; i < 2; i++)
			if (ret[i] >= 0)
				(void)close(ret[i]);
	sys_rcalls_fini(&c);
	return rc < 0 ? rc : 0;
}
