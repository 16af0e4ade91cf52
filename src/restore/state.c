/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The rest of a process's and a thread's state, but for credentials: signal
 * actions, timers, pending signals, what glibc has registered, scheduling.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/sched/types.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "restore/ptimers.h"
#include "restore/rst_i.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif

struct ksigaction {
	uint64_t handler, flags, restorer, mask;
};

static void
add_sigacts(struct sys_rcalls *c, const struct vd_proc *v)
{
	for (size_t i = 0; i < v->n_sigacts; i++) {
		const struct vd_sigact *s = &v->sigacts[i];
		const struct ksigaction a = {
		    s->handler, s->flags, s->restorer, s->mask};
		size_t o = sys_rdata(c, &a, sizeof(a));

		(void)sys_radd(c, SYS_rt_sigaction, RA_VAL(s->sig), RA_DATA(o),
		    RA_VAL(0), RA_VAL(8));
	}
}

static struct timeval
us_tv(uint64_t us)
{
	return (struct timeval){
	    (time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
}

static void
add_itimers(struct sys_rcalls *c, const struct vd_proc *v)
{
	for (size_t i = 0; i < v->n_itimers; i++) {
		const struct vd_itimer *t = &v->itimers[i];
		const struct itimerval it = {
		    us_tv(t->interval_us), us_tv(t->value_us)};
		size_t o = sys_rdata(c, &it, sizeof(it));

		(void)sys_radd(
		    c, SYS_setitimer, RA_VAL(t->which), RA_DATA(o), RA_VAL(0));
	}
}

/* MEMBARRIER_CMD_GET_REGISTRATIONS answers with the very commands. */
static void
add_membarrier(struct sys_rcalls *c, const struct vd_proc *v)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		if ((v->membarrier >> bit & 1) == 0)
			continue;
		(void)sys_radd(
		    c, SYS_membarrier, RA_VAL(1u << bit), RA_VAL(0), RA_VAL(0));
	}
}

static int
proc_state(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	const struct vd_proc *v = p->rec;
	struct sys_rcalls *c = &r->calls;
	int rc;

	sys_rcalls_reset(c);
	add_sigacts(c, v);
	if (v->personality != 0)
		(void)sys_radd(c, SYS_personality, RA_VAL(v->personality));
	if (v->subreaper)
		(void)sys_radd(
		    c, SYS_prctl, RA_VAL(PR_SET_CHILD_SUBREAPER), RA_VAL(1));
	if (v->thp_disable)
		(void)sys_radd(c, SYS_prctl, RA_VAL(PR_SET_THP_DISABLE),
		    RA_VAL(1), RA_VAL(0), RA_VAL(0), RA_VAL(0));
	add_membarrier(c, v);
	rc = rst_run(r, &p->th[0].t, "set its signal actions", e);
	if (rc < 0)
		return rc;
	sys_rcalls_reset(c);
	add_itimers(c, v);
	rc = rst_ptimers_add(c, rst_remote_data(r), v);
	if (rc < 0)
		return vps_err_set(e, rc, "timers of process %u", v->pid);
	return c->n == 0 ? 0 : rst_run(r, &p->th[0].t, "set its timers", e);
}

/* Signals that were pending, with all they say. The skeleton has collected
 * SIGCHLDs while the tree was made: these are taken away first. */
static void
add_pending(struct sys_rcalls *c, const struct vd_sigpend *v, size_t n,
    uint32_t pid, uint32_t tid)
{
	for (size_t i = 0; i < n; i++) {
		siginfo_t info = {0};
		size_t o;

		memcpy(&info, v[i].info.p,
		    v[i].info.n < sizeof(info) ? v[i].info.n : sizeof(info));
		o = sys_rdata(c, &info, sizeof(info));
		if (tid == 0)
			(void)sys_radd(c, SYS_rt_sigqueueinfo, RA_VAL(pid),
			    RA_VAL(info.si_signo), RA_DATA(o));
		else
			(void)sys_radd(c, SYS_rt_tgsigqueueinfo, RA_VAL(pid),
			    RA_VAL(tid), RA_VAL(info.si_signo), RA_DATA(o));
	}
}

static void
add_drain(struct sys_rcalls *c)
{
	const uint64_t set = 1ull << (SIGCHLD - 1);
	const struct timespec zero = {0, 0};
	size_t o_set = sys_rdata(c, &set, sizeof(set));
	size_t o_ts = sys_rdata(c, &zero, sizeof(zero));

	(void)sys_radd(c, SYS_rt_sigtimedwait, RA_DATA(o_set), RA_VAL(0),
	    RA_DATA(o_ts), RA_VAL(8));
	sys_rmay_fail(c);
}

static void
add_name(struct sys_rcalls *c, const struct vd_thread *v)
{
	char comm[16] = {0};
	size_t o;

	(void)snprintf(comm, sizeof(comm), "%s", v->comm);
	o = sys_rdata(c, comm, sizeof(comm));
	(void)sys_radd(c, SYS_prctl, RA_VAL(PR_SET_NAME), RA_DATA(o));
}

static void
add_thread(struct sys_rcalls *c, const struct vd_thread *v)
{
	stack_t ss = {.ss_sp = (void *)(uintptr_t)v->altstack_sp,
	    .ss_size = v->altstack_size,
	    .ss_flags = (int)v->altstack_flags};
	size_t o_ss;

	o_ss = sys_rdata(c, &ss, sizeof(ss));
	(void)sys_radd(c, SYS_sigaltstack, RA_DATA(o_ss), RA_VAL(0));
	if (v->robust != 0)
		(void)sys_radd(c, SYS_set_robust_list, RA_VAL(v->robust),
		    RA_VAL(v->robust_len));
	(void)sys_radd(c, SYS_set_tid_address, RA_VAL(v->clear_tid));
	if (v->rseq != 0)
		(void)sys_radd(c, SYS_rseq, RA_VAL(v->rseq),
		    RA_VAL(v->rseq_len), RA_VAL(0), RA_VAL(v->rseq_sig));
	add_name(c, v);
	(void)sys_radd(
	    c, SYS_prctl, RA_VAL(PR_SET_TIMERSLACK), RA_VAL(v->timerslack));
}

/* Processors that this host doesn't have can't be asked for. */
static int
affinity(const struct vd_thread *v, struct vps_err *e)
{
	uint8_t have[1024];
	long n = syscall(SYS_sched_getaffinity, v->tid, sizeof(have), have);

	if (v->affinity.n == 0 || v->affinity.n > sizeof(have) ||
	    (n == (long)v->affinity.n &&
		memcmp(have, v->affinity.p, v->affinity.n) == 0))
		return 0;
	if (syscall(SYS_sched_setaffinity, v->tid, v->affinity.n,
		v->affinity.p) < 0 &&
	    errno != EINVAL)
		return vps_err_set(
		    e, -errno, "processors of thread %u", v->tid);
	return 0;
}

static int
ioprio(const struct vd_thread *v, struct vps_err *e)
{
	if (v->ioprio == 0 ||
	    syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, v->tid) ==
		(long)v->ioprio)
		return 0;
	if (syscall(SYS_ioprio_set, 1, v->tid, v->ioprio) < 0)
		return vps_err_set(
		    e, -errno, "I/O priority of thread %u", v->tid);
	return 0;
}

static int
sched(const struct vd_thread *v, struct vps_err *e)
{
	struct sched_attr a = {.size = sizeof(a),
	    .sched_policy = v->policy,
	    .sched_flags = v->sched_flags,
	    .sched_nice = (int32_t)v->nice,
	    .sched_priority = v->rtprio,
	    .sched_runtime = v->dl_runtime,
	    .sched_deadline = v->dl_deadline,
	    .sched_period = v->dl_period};
	struct sched_attr have = {.size = sizeof(have)};

	if (syscall(SYS_sched_getattr, v->tid, &have, sizeof(have), 0) == 0 &&
	    have.sched_policy == a.sched_policy &&
	    have.sched_nice == a.sched_nice &&
	    have.sched_priority == a.sched_priority)
		return 0;
	if (syscall(SYS_sched_setattr, v->tid, &a, 0) < 0)
		return vps_err_set(
		    e, -errno, "scheduling of thread %u", v->tid);
	return 0;
}

/* What can be set without the process's help. */
static int
outside(struct rst_proc *p, struct vps_err *e)
{
	const struct vd_proc *v = p->rec;
	char path[48], text[32];
	int rc;

	for (size_t i = 0; i < v->n_rlimits; i++) {
		const struct vd_rlimit *l = &v->rlimits[i];
		const struct rlimit rl = {l->cur, l->max};
		struct rlimit old;

		if (prlimit((pid_t)v->pid, (int)l->res, NULL, &old) == 0 &&
		    old.rlim_cur == rl.rlim_cur && old.rlim_max == rl.rlim_max)
			continue;
		if (prlimit((pid_t)v->pid, (int)l->res, &rl, NULL) < 0)
			return vps_err_set(e, -errno,
			    "limit %u of process %u is above what the command "
			    "may give",
			    l->res, v->pid);
	}
	if (v->oom_score_adj != 0) {
		(void)snprintf(
		    path, sizeof(path), "/proc/%u/oom_score_adj", v->pid);
		(void)snprintf(
		    text, sizeof(text), "%lld", (long long)v->oom_score_adj);
		rc = file_write(AT_FDCWD, path, text);
		if (rc < 0)
			return vps_err_set(
			    e, rc, "oom_score_adj of process %u", v->pid);
	}
	(void)snprintf(path, sizeof(path), "/proc/%u/coredump_filter", v->pid);
	(void)snprintf(text, sizeof(text), "%#x", v->coredump_filter);
	rc = file_write(AT_FDCWD, path, text);
	return rc < 0
		   ? vps_err_set(e, rc, "coredump_filter of process %u", v->pid)
		   : 0;
}

static int
threads_state(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	for (size_t k = 0; k < p->rec->n_tids; k++) {
		const struct vd_thread *v = p->th[k].rec;
		int rc;

		sys_rcalls_reset(&r->calls);
		if (v->exited)
			add_name(&r->calls, v);
		else
			add_thread(&r->calls, v);
		rc = rst_run(r, &p->th[k].t, "set up a thread", e);
		if (rc == 0 && !v->exited)
			rc = sched(v, e);
		if (rc == 0 && !v->exited)
			rc = affinity(v, e);
		if (rc == 0 && !v->exited)
			rc = ioprio(v, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
rst_states(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		int rc;

		if (p->rec->zombie)
			continue;
		rc = threads_state(r, p, e);
		if (rc == 0)
			rc = proc_state(r, p, e);
		if (rc == 0)
			rc = outside(p, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* After nothing in the instance dies or stops any more. */
int
rst_pending(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];

		for (size_t k = 0; !p->rec->zombie && k < p->rec->n_tids; k++) {
			const struct vd_thread *v = p->th[k].rec;
			int rc;

			sys_rcalls_reset(&r->calls);
			if (k == 0)
				add_drain(&r->calls);
			if (k == 0)
				add_pending(&r->calls, p->rec->pending,
				    p->rec->n_pending, p->rec->pid, 0);
			add_pending(&r->calls, v->pending, v->n_pending,
			    p->rec->pid, v->tid);
			if (r->calls.n == 0)
				continue;
			rc = rst_run(
			    r, &p->th[k].t, "queue its pending signals", e);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
