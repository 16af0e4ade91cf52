/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tree of processes, each in its session and group.
 *
 * A session is entered only by birth, so who forks a process, and when, depends
 * on where it belongs:
 *   own        leads its session: forked by its parent, then setsid()
 *   inherited  the parent is in that session at the time: forked by it; a
 *              parent that is to lead a session of its own first forks those
 *              that belong to the one it was born in
 *   adopted    the session's leader lives elsewhere: forked by a process in
 *              that session through a temporary one that exits, which leaves
 *              it to init
 *   orphaned   the leader is gone: a temporary process with its number is
 *              forked by the parent, leads the session, forks the member with
 *              CLONE_PARENT, and exits when all members exist
 *   entered    it has no parent inside: the command lets a skeleton enter
 * Groups are joined when all processes exist; those whose leader is gone get a
 * temporary one too.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/rst_i.h"

static struct rst_temp *
temp_find(struct rst *r, uint32_t pid)
{
	for (struct rst_temp *t = r->temps; t != NULL; t = t->next)
		if (t->pid == pid)
			return t;
	return NULL;
}

/* A number that nothing in the image uses: for what exits again at once. */
static uint32_t
unused_pid(struct rst *r)
{
	for (uint32_t pid = 300;; pid++) {
		bool used =
		    temp_find(r, pid) != NULL || pid == (uint32_t)getpid();

		for (size_t i = 0; i < r->nprocs && !used; i++) {
			const struct vd_proc *p = r->procs[i].rec;

			used = p->pgid == pid || p->sid == pid;
			for (size_t k = 0; k < p->n_tids && !used; k++)
				used = p->tids[k] == pid;
		}
		if (!used)
			return pid;
	}
}

static int
one_call(struct rst *r, struct sys_tracee *t, long nr, uint64_t a0, uint64_t a1,
    const char *what, struct vps_err *e)
{
	sys_rcalls_reset(&r->calls);
	(void)sys_radd(&r->calls, nr, RA_VAL(a0), RA_VAL(a1));
	return rst_run(r, t, what, e);
}

static int
fork_into(struct rst *r, struct sys_tracee *from, struct rst_proc *p,
    uint64_t flags, uint32_t sid, struct vps_err *e)
{
	const struct rst_clone how = {.flags = flags,
	    .pid = p->rec->pid,
	    .exit_signal = flags & CLONE_PARENT ? 0 : p->rec->exit_signal};
	int rc = rst_clone(r, from, &how, &p->th[0].t, e);

	if (rc < 0)
		return rc;
	p->made = true;
	p->sid = sid;
	return 0;
}

/* A temporary process, child of `from`. */
static int
temp_new(struct rst *r, struct sys_tracee *from, uint32_t pid,
    struct rst_temp **ret, struct vps_err *e)
{
	const struct rst_clone how = {.pid = pid, .exit_signal = SIGCHLD};
	struct rst_temp *t = arena_alloc(&r->arena, sizeof(*t));
	int rc;

	if (t == NULL)
		return vps_err_set(e, -ENOMEM, "process %u", pid);
	rc = rst_clone(r, from, &how, &t->t, e);
	if (rc < 0)
		return rc;
	t->pid = pid;
	t->next = r->temps;
	r->temps = t;
	*ret = t;
	return 0;
}

/* Lets a temporary process exit and takes it from its parent's list of
 * children. `parent`: NULL when init or who else adopts does that later. */
static int
temp_exit(struct rst *r, struct sys_tracee *t, struct sys_tracee *parent,
    struct vps_err *e)
{
	int status, rc;

	if (sys_ptrace_setregs(t->tid, &t->regs) < 0 ||
	    kill(t->tid, SIGKILL) < 0)
		return vps_err_set(e, -errno, "end process %d", t->tid);
	do {
		rc = waitpid(t->tid, &status, __WALL);
	} while (rc < 0 ? errno == EINTR
			: !WIFEXITED(status) && !WIFSIGNALED(status));
	if (parent == NULL)
		return 0;
	sys_rcalls_reset(&r->calls);
	(void)sys_radd(&r->calls, SYS_wait4, RA_VAL(t->tid), RA_VAL(0),
	    RA_VAL(__WALL), RA_VAL(0));
	return rst_run(r, parent, "wait for a temporary process", e);
}

/* The tracee that is in session `sid` and alive: a process made already. */
static struct rst_proc *
member_of(struct rst *r, uint32_t sid)
{
	for (size_t i = 0; i < r->nprocs; i++)
		if (r->procs[i].made && r->procs[i].sid == sid)
			return &r->procs[i];
	return NULL;
}

/* Forks p from a member of its session by way of a process that exits. */
static int
adopt(struct rst *r, struct rst_proc *p, struct rst_proc *member,
    struct vps_err *e)
{
	struct rst_temp *t;
	int rc = temp_new(r, &member->th[0].t, unused_pid(r), &t, e);

	if (rc == 0)
		rc = fork_into(r, &t->t, p, 0, p->rec->sid, e);
	if (rc < 0)
		return rc;
	r->temps = t->next;
	return temp_exit(r, &t->t, &member->th[0].t, e);
}

/* Forks p in a session whose leader is gone. */
static int
orphan(struct rst *r, struct rst_proc *p, struct rst_proc *parent,
    struct vps_err *e)
{
	struct rst_temp *t = temp_find(r, p->rec->sid);
	int rc;

	if (t == NULL) {
		rc = temp_new(r, &parent->th[0].t, p->rec->sid, &t, e);
		if (rc == 0)
			rc = one_call(r, &t->t, SYS_setsid, 0, 0, "setsid", e);
		if (rc < 0)
			return rc;
		t->parent = parent;
	}
	if (t->parent == parent)
		return fork_into(r, &t->t, p, CLONE_PARENT, p->rec->sid, e);
	if (parent->rec->pid != 1)
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %u: its session %u has no leader and members of "
		    "several parents",
		    p->rec->pid, p->rec->sid);
	/* left to init by the exit of one in between */
	{
		struct rst_temp *h;

		rc = temp_new(r, &t->t, unused_pid(r), &h, e);
		if (rc == 0)
			rc = fork_into(r, &h->t, p, 0, p->rec->sid, e);
		if (rc < 0)
			return rc;
		r->temps = h->next;
		return temp_exit(r, &h->t, &t->t, e);
	}
}

static bool
leads(const struct rst_proc *p)
{
	return p->rec->sid == p->rec->pid;
}

/* What has entered the instance (execin, execwt) has no parent in it; it leads
 * a session from its beginning. */
static int
from_outside(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	int rc;

	if (!leads(p))
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %u: has entered from outside, and has no session "
		    "of its own",
		    p->rec->pid);
	rc = rst_skel_enter(r, p->rec->pid, &p->th[0].t, e);
	if (rc == 0)
		rc = rst_session_tty(r, p, e);
	if (rc < 0)
		return rc;
	p->made = true;
	p->sid = p->rec->sid;
	return 1;
}

/* 1: made, 0: not possible yet. */
static int
try_make(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	struct rst_proc *parent = rst_proc(r, p->rec->ppid), *leader, *member;
	struct sys_tracee *from;
	int rc;

	if (p->rec->ppid == 0)
		return from_outside(r, p, e);
	if (parent == NULL)
		return vps_err_say(e, -EBADMSG,
		    "image: process %u has no parent %u", p->rec->pid,
		    p->rec->ppid);
	if (!parent->made)
		return 0;
	from = &parent->th[0].t;
	/* own: any time; inherited: while the parent is where it should be */
	if (leads(p) || parent->sid == p->rec->sid) {
		rc = fork_into(r, from, p, 0, parent->sid, e);
		return rc < 0 ? rc : 1;
	}
	if (parent->rec->sid == p->rec->sid)
		return 0; /* when the parent has become leader */
	leader = rst_proc(r, p->rec->sid);
	if (leader != NULL && leads(leader) && !leader->rec->zombie) {
		member = member_of(r, p->rec->sid);
		if (member == NULL)
			return 0;
		if (p->rec->ppid != 1)
			return vps_err_say(e, -EOPNOTSUPP,
			    "process %u: in session %u, which its parent %u "
			    "has never been in",
			    p->rec->pid, p->rec->sid, p->rec->ppid);
		rc = adopt(r, p, member, e);
		return rc < 0 ? rc : 1;
	}
	if (leader != NULL && leads(leader)) {
		/* a zombie leads it: made like any other, exits last */
		member = member_of(r, p->rec->sid);
		if (member == NULL)
			return 0;
		rc = adopt(r, p, member, e);
		return rc < 0 ? rc : 1;
	}
	rc = orphan(r, p, parent, e);
	return rc < 0 ? rc : 1;
}

/* True when a child that belongs to the session p was born in is still to be
 * forked by it. */
static bool
must_wait(struct rst *r, const struct rst_proc *p)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		const struct rst_proc *c = &r->procs[i];

		if (!c->made && c->rec->ppid == p->rec->pid &&
		    c->rec->sid == p->sid && !leads(c))
			return true;
	}
	return false;
}

/* Sessions are led as soon as nobody has to be forked before. */
static int
sessions_step(struct rst *r, bool *moved, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		int rc;

		if (!p->made || !leads(p) || p->sid == p->rec->sid ||
		    must_wait(r, p))
			continue;
		rc = one_call(r, &p->th[0].t, SYS_setsid, 0, 0, "setsid", e);
		if (rc < 0)
			return rc;
		p->sid = p->rec->sid;
		rc = rst_session_tty(r, p, e);
		if (rc < 0)
			return rc;
		*moved = true;
	}
	return 0;
}

static int
groups_join(struct rst *r, struct vps_err *e)
{
	int rc;

	for (size_t i = 0; i < r->nprocs; i++) { /* leaders */
		struct rst_proc *p = &r->procs[i];

		if (p->rec->pgid != p->rec->pid || leads(p))
			continue;
		rc = one_call(r, &p->th[0].t, SYS_setpgid, 0, 0, "setpgid", e);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < r->nprocs; i++) { /* members */
		struct rst_proc *p = &r->procs[i], *leader;
		struct rst_temp *t;

		if (p->rec->pgid == p->rec->pid || p->rec->pgid == 0)
			continue;
		leader = rst_proc(r, p->rec->pgid);
		if (leader == NULL && temp_find(r, p->rec->pgid) == NULL) {
			rc = temp_new(r, &p->th[0].t, p->rec->pgid, &t, e);
			if (rc == 0)
				rc = one_call(
				    r, &t->t, SYS_setpgid, 0, 0, "setpgid", e);
			if (rc < 0)
				return rc;
			t->parent = p;
		}
		rc = one_call(
		    r, &p->th[0].t, SYS_setpgid, 0, p->rec->pgid, "setpgid", e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
rst_tree(struct rst *r, struct vps_err *e)
{
	struct rst_proc *init = &r->procs[0];
	size_t left = 0;
	int rc;

	if (init->rec->pid != 1)
		return vps_err_say(
		    e, -EBADMSG, "image: its first process isn't the init");
	init->th[0].t = r->root;
	init->made = true;
	init->sid = (uint32_t)getsid(1);
	for (size_t i = 1; i < r->nprocs; i++)
		left += !r->procs[i].made;
	for (bool moved = true; left > 0 || moved;) {
		moved = false;
		rc = sessions_step(r, &moved, e);
		for (size_t i = 0; i < r->nprocs && rc >= 0; i++) {
			if (r->procs[i].made)
				continue;
			rc = try_make(r, &r->procs[i], e);
			if (rc > 0) {
				moved = true;
				left--;
			}
		}
		if (rc < 0)
			return rc;
		if (!moved && left > 0)
			return vps_err_say(e, -EBADMSG,
			    "image: %zu processes can't be brought into their "
			    "sessions",
			    left);
	}
	rc = groups_join(r, e);
	return rc < 0 ? rc : rst_sessions(r, e);
}

int
rst_temps_end(struct rst *r, struct vps_err *e)
{
	while (r->temps != NULL) {
		struct rst_temp *t = r->temps;
		int rc;

		r->temps = t->next;
		rc = temp_exit(r, &t->t, &t->parent->th[0].t, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A process that is dead in the image dies now, the way it did. */
static int
zombie_die(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	int code = (int)p->rec->exit_code, sig = code & 0x7f, status, rc;
	struct sys_tracee *t = &p->th[0].t;
	const uint64_t arg[6] = {(uint64_t)(code >> 8 & 0xff)};
	struct user_regs_struct g = t->regs;

	if (sig != 0) {
		rc = sys_ptrace_setmask(t->tid, 0);
		if (rc == 0 && kill(t->tid, sig) < 0)
			rc = -errno;
		for (int i = 0; rc == 0 && i < 8; i++) {
			rc = sys_ptrace_cont(t->tid, i == 0 ? 0 : sig);
			if (rc == 0)
				rc = sys_ptrace_wait(t->tid, &status);
		}
		return rc == -ESRCH ? 0
				    : vps_err_set(e, rc < 0 ? rc : -EPROTO,
					  "let process %u die by signal %d",
					  p->rec->pid, sig);
	}
	g.rip = r->stub.sysinsn;
	g.rax = SYS_exit_group;
	g.rdi = arg[0];
	g.orig_rax = (unsigned long)-1;
	rc = sys_ptrace_setregs(t->tid, &g);
	if (rc == 0)
		rc = sys_ptrace_cont(t->tid, 0);
	if (rc == 0)
		rc = sys_ptrace_wait(t->tid, &status);
	return rc == -ESRCH ? 0
			    : vps_err_set(e, rc < 0 ? rc : -EPROTO,
				  "let process %u exit", p->rec->pid);
}

int
rst_zombies(struct rst *r, struct vps_err *e)
{
	for (size_t i = r->nprocs; i-- > 0;) { /* children first */
		struct rst_proc *p = &r->procs[i];
		int rc;

		if (!p->rec->zombie)
			continue;
		rc = zombie_die(r, p, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}
