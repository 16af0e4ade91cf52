/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What only a task itself can tell: the calls are put into one table per
 * thread (the first thread's also asks for the process), run in one stop, and
 * the answers picked up. Each question is a function of two halves, `ask` and
 * `answer`.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "snapst/ptimers.h"
#include "snapst/snap_i.h"

#ifndef PR_GET_MDWE
#define PR_GET_MDWE 66
#endif
#define MEMBARRIER_GET_REGISTRATIONS (1 << 9) /* Linux 6.3 */

/* The kernel's struct sigaction on 64-bit machines. */
struct ksigaction {
	uint64_t handler, flags, restorer, mask;
};

struct thread_ask {
	size_t altstack, tidaddr, pdeath;
	unsigned secbits, slack;
};

struct proc_ask {
	size_t act[64];
	size_t itimer[3];
	size_t subreaper;
	unsigned dumpable, mdwe, membarrier, brk, personality;
	struct snap_ptimers timers;
};

static void
thread_ask(struct sys_rcalls *c, struct thread_ask *q)
{
	q->altstack = sys_rdata(c, NULL, sizeof(stack_t));
	(void)sys_radd(c, SYS_sigaltstack, RA_VAL(0), RA_DATA(q->altstack));
	q->tidaddr = sys_rdata(c, NULL, 8);
	(void)sys_radd(
	    c, SYS_prctl, RA_VAL(PR_GET_TID_ADDRESS), RA_DATA(q->tidaddr));
	sys_rmay_fail(c);
	q->pdeath = sys_rdata(c, NULL, 8);
	(void)sys_radd(
	    c, SYS_prctl, RA_VAL(PR_GET_PDEATHSIG), RA_DATA(q->pdeath));
	q->secbits = sys_radd(c, SYS_prctl, RA_VAL(PR_GET_SECUREBITS));
	q->slack = sys_radd(c, SYS_prctl, RA_VAL(PR_GET_TIMERSLACK));
}

static void
thread_answer(
    struct sys_rcalls *c, const struct thread_ask *q, struct snap_thread *th)
{
	const stack_t *ss = sys_rptr(c, q->altstack);
	int sig;

	/* SS_ONSTACK follows from the stack pointer, it isn't set */
	th->rec.altstack_sp = (uint64_t)(uintptr_t)ss->ss_sp;
	th->rec.altstack_size = ss->ss_size;
	th->rec.altstack_flags = (uint32_t)ss->ss_flags & ~(uint32_t)SS_ONSTACK;
	memcpy(&th->rec.clear_tid, sys_rptr(c, q->tidaddr), 8);
	memcpy(&sig, sys_rptr(c, q->pdeath), sizeof(sig));
	th->rec.pdeathsig = (uint32_t)sig;
	th->rec.creds->securebits = (uint32_t)c->call[q->secbits].ret;
	th->rec.timerslack = (uint64_t)c->call[q->slack].ret;
}

/* Signals with a handler are asked for; ignored ones are known from outside,
 * but SIGCHLD's flags (SA_NOCLDWAIT) count even with the default action. */
static bool
act_wanted(const struct snap_thread *th, int sig)
{
	uint64_t bit = 1ull << (sig - 1);

	return sig == SIGCHLD || (th->st.sig_cgt & bit) != 0 ||
	       (th->st.sig_ign & bit) != 0;
}

static void
proc_ask(struct sys_rcalls *c, struct snap_proc *p, struct snap_thread *th,
    struct proc_ask *q)
{
	for (int sig = 1; sig <= 64; sig++) {
		if (!act_wanted(th, sig) || sig == SIGKILL || sig == SIGSTOP)
			continue;
		q->act[sig - 1] = sys_rdata(c, NULL, sizeof(struct ksigaction));
		(void)sys_radd(c, SYS_rt_sigaction, RA_VAL(sig), RA_VAL(0),
		    RA_DATA(q->act[sig - 1]), RA_VAL(8));
	}
	for (int i = 0; i < 3; i++) {
		q->itimer[i] = sys_rdata(c, NULL, sizeof(struct itimerval));
		(void)sys_radd(
		    c, SYS_getitimer, RA_VAL(i), RA_DATA(q->itimer[i]));
	}
	q->subreaper = sys_rdata(c, NULL, 8);
	(void)sys_radd(c, SYS_prctl, RA_VAL(PR_GET_CHILD_SUBREAPER),
	    RA_DATA(q->subreaper));
	q->dumpable = sys_radd(c, SYS_prctl, RA_VAL(PR_GET_DUMPABLE));
	q->mdwe = sys_radd(c, SYS_prctl, RA_VAL(PR_GET_MDWE), RA_VAL(0),
	    RA_VAL(0), RA_VAL(0), RA_VAL(0));
	sys_rmay_fail(c);
	q->membarrier =
	    sys_radd(c, SYS_membarrier, RA_VAL(MEMBARRIER_GET_REGISTRATIONS));
	sys_rmay_fail(c);
	q->brk = sys_radd(c, SYS_brk, RA_VAL(0));
	q->personality = sys_radd(c, SYS_personality, RA_VAL(0xffffffff));
	snap_ptimers_ask(c, &q->timers);
	(void)p;
}

static int
acts_answer(struct snap *s, struct sys_rcalls *c, struct snap_proc *p,
    const struct snap_thread *th, const struct proc_ask *q)
{
	struct vd_sigact *v = arena_array(&s->arena, 64, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	p->rec.sigacts = v;
	for (uint32_t sig = 1; sig <= 64; sig++) {
		const struct ksigaction *a = sys_rptr(c, q->act[sig - 1]);

		if (!act_wanted(th, (int)sig) || sig == SIGKILL ||
		    sig == SIGSTOP || (a->handler == 0 && a->flags == 0))
			continue;
		v[p->rec.n_sigacts++] = (struct vd_sigact){.sig = sig,
		    .handler = a->handler,
		    .flags = a->flags,
		    .restorer = a->restorer,
		    .mask = a->mask};
	}
	return 0;
}

static uint64_t
tv_us(const struct timeval *tv)
{
	return (uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec;
}

static int
itimers_answer(struct snap *s, struct sys_rcalls *c, struct snap_proc *p,
    const struct proc_ask *q)
{
	struct vd_itimer *v = arena_array(&s->arena, 3, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	p->rec.itimers = v;
	for (uint32_t i = 0; i < 3; i++) {
		const struct itimerval *t = sys_rptr(c, q->itimer[i]);

		uint64_t value = tv_us(&t->it_value);

		/* expired, its signal still pending: the kernel arms it again
		 * when the signal is taken */
		if (value == 0)
			value = tv_us(&t->it_interval);
		if (value == 0)
			continue;
		v[p->rec.n_itimers++] = (struct vd_itimer){.which = i,
		    .value_us = value,
		    .interval_us = tv_us(&t->it_interval)};
	}
	return 0;
}

static int
proc_answer(struct snap *s, struct sys_rcalls *c, struct snap_proc *p,
    const struct snap_thread *th, const struct proc_ask *q)
{
	const int *sub = sys_rptr(c, q->subreaper);
	int r = acts_answer(s, c, p, th, q);

	if (r == 0)
		r = itimers_answer(s, c, p, q);
	if (r == 0)
		r = snap_ptimers_answer(s, c, p, &q->timers);
	p->rec.subreaper = (uint32_t)*sub;
	p->rec.dumpable = (uint32_t)c->call[q->dumpable].ret;
	if (c->call[q->mdwe].ret > 0)
		p->rec.mdwe = (uint32_t)c->call[q->mdwe].ret;
	if (c->call[q->membarrier].ret > 0)
		p->rec.membarrier = (uint32_t)c->call[q->membarrier].ret;
	p->mm.brk = (uint64_t)c->call[q->brk].ret;
	p->rec.personality = (uint32_t)c->call[q->personality].ret;
	return r;
}

static uint64_t
vdso_of(const struct snap_proc *p)
{
	for (size_t i = 0; i < p->maps.n; i++)
		if (strcmp(p->maps.v[i].name, "[vdso]") == 0)
			return p->maps.v[i].start;
	return 0;
}

static int
thread_run(struct snap *s, struct snap_proc *p, struct snap_thread *th,
    const struct sys_remote *m, struct sys_rcalls *c, bool first)
{
	struct proc_ask pq = {0};
	struct thread_ask tq;
	int r;

	sys_rcalls_reset(c);
	thread_ask(c, &tq);
	if (first) {
		r = snap_ptimers_list(s, p, &pq.timers);
		if (r < 0)
			return r;
		proc_ask(c, p, th, &pq);
	}
	r = sys_remote_run(m, &th->t, c, NULL, NULL, NULL);
	if (r < 0)
		return r;
	thread_answer(c, &tq, th);
	if (first)
		r = proc_answer(s, c, p, th, &pq);
	/* its own registers back before the area serves the next thread */
	if (r == 0)
		r = sys_tracee_put(&th->t);
	return r;
}

static int
facts(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	struct snap_thread *first = snap_proc_runner(p);
	struct sys_rcalls c;
	struct sys_remote m;
	int r, r2;

	if (first == NULL)
		return 0;
	r = sys_rcalls_init(&c);
	if (r < 0)
		return vps_err_set(e, r, "process %d", p->pid_in);
	r = sys_remote_open(&m, first->t.tid, vdso_of(p), 0);
	if (r < 0) {
		sys_rcalls_fini(&c);
		return vps_err_set(e, r,
		    "process %d (%s): run system calls in it", p->pid_in,
		    p->stat.comm);
	}
	for (size_t i = 0; r == 0 && i < p->nth; i++)
		if (!p->th[i].exited)
			r = thread_run(
			    s, p, &p->th[i], &m, &c, &p->th[i] == first);
	for (size_t i = 0; i < p->nth; i++)
		(void)sys_tracee_put(&p->th[i].t);
	r2 = sys_remote_close(&m, first->t.tid);
	sys_rcalls_fini(&c);
	if (r == 0)
		r = r2;
	return r < 0 ? vps_err_set(e, r, "process %d (%s): ask it about itself",
			   p->pid_in, p->stat.comm)
		     : 0;
}

/*
 * A task of which the tracer dies in the middle of a call runs on with
 * registers that aren't its own. No signal that can be kept away may do that.
 */
int
snap_facts(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	r = facts(s, p, e);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r;
}
