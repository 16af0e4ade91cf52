/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of a thread from outside: registers, pending signals, robust
 * list, rseq, credentials, seccomp filters, scheduling.
 */
#include <asm/unistd.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "snapst/snap_i.h"
#include "suspend/eintr.h"

/* True when a struct timespec is to be read there. */
static bool
is_time(const struct snap_proc *p, uint64_t at)
{
	struct timespec ts;
	struct iovec l = {&ts, sizeof(ts)},
		     rm = {(void *)(uintptr_t)at, sizeof(ts)};

	return process_vm_readv(p->live, &l, 1, &rm, 1, 0) ==
		   (ssize_t)sizeof(ts) &&
	       ts.tv_sec >= 0 && ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000;
}

/*
 * A call that is being restarted for the second time shows restart_syscall(2)
 * as its number; its arguments are still there. Only four calls are restarted
 * that way. The number is mostly in the instruction before; where it isn't
 * (Go, musl), the arguments tell them apart. 0: unknown.
 */
static long
restarted(const struct snap_proc *p, const struct user_regs_struct *g)
{
	uint8_t code[7] = {0}; /* mov $nr, %eax; syscall */
	struct iovec l = {code, sizeof(code)},
		     rm = {(void *)(uintptr_t)(g->rip - 7), sizeof(code)};
	uint64_t futex_op = g->rsi & ~(uint64_t)(128 | 256);
	uint32_t nr = 0, word = 0;

	if (process_vm_readv(p->live, &l, 1, &rm, 1, 0) ==
		(ssize_t)sizeof(code) &&
	    code[0] == 0xb8)
		memcpy(&nr, code + 1, sizeof(nr));
	if (nr == __NR_nanosleep || nr == __NR_clock_nanosleep ||
	    nr == __NR_poll || nr == __NR_futex)
		return nr;
	if ((int)g->rdi < 16 && g->rsi == 0 && is_time(p, g->rdx))
		return __NR_clock_nanosleep;
	l = (struct iovec){&word, sizeof(word)};
	rm = (struct iovec){(void *)(uintptr_t)g->rdi, sizeof(word)};
	if ((futex_op == 0 || futex_op == 9) && g->rdi % 4 == 0 &&
	    is_time(p, g->r10) &&
	    process_vm_readv(p->live, &l, 1, &rm, 1, 0) ==
		(ssize_t)sizeof(word) &&
	    word == (uint32_t)g->rdx)
		return __NR_futex;
	if (g->rsi < 1 << 20 && (int)g->rdx > 0 && !is_time(p, g->rdi))
		return __NR_poll;
	if ((g->rsi == 0 || is_time(p, g->rsi)) && is_time(p, g->rdi))
		return __NR_nanosleep;
	return g->rsi < 1 << 20 && (int)g->rdx > 0 ? __NR_poll : 0;
}

/*
 * A sleep that is restarted by its restart block goes on with what the kernel
 * wrote to its remainder argument: the block itself can't be carried. The calls
 * that the kernel restarts by their result alone are left to it, so that a
 * signal that is pending still ends them.
 */
static void
sleep_on(const struct snap_proc *p, struct user_regs_struct *g)
{
	long nr = (long)g->orig_rax;
	uint64_t rmtp;
	struct timespec rem;
	struct iovec l = {&rem, sizeof(rem)}, rm;

	if (nr < 0 || (long)g->rax != -SUSP_ERESTART_RESTARTBLOCK)
		return;
	if (nr == __NR_restart_syscall) {
		nr = restarted(p, g);
		if (nr == 0)
			return;
		g->orig_rax = (unsigned long)nr;
	}
	/* nanosleep(req, rem), clock_nanosleep(clk, flags, req, rem) */
	rmtp = nr == __NR_nanosleep         ? g->rsi
	       : nr == __NR_clock_nanosleep ? g->r10
					    : 0;
	rm = (struct iovec){(void *)(uintptr_t)rmtp, sizeof(rem)};
	if (rmtp != 0 && process_vm_readv(p->live, &l, 1, &rm, 1, 0) ==
			     (ssize_t)sizeof(rem)) {
		if (nr == __NR_nanosleep)
			g->rdi = rmtp;
		else
			g->rdx = rmtp;
	}
	g->rax = (unsigned long)-SUSP_ERESTARTNOHAND;
}

int
snap_regs(struct snap *s, struct snap_proc *p, struct snap_thread *th,
    struct vps_err *e)
{
	struct user_regs_struct g = th->t.regs;

	susp_undo_eintr(&g);
	sleep_on(p, &g);
	th->rec.n_regs = sizeof(g) / sizeof(uint64_t);
	th->rec.regs = arena_copy(&s->arena, &g, sizeof(g));
	th->rec.xstate.p = arena_copy(&s->arena, th->t.xstate, th->t.nxstate);
	th->rec.xstate.n = th->t.nxstate;
	if (th->rec.regs == NULL || th->rec.xstate.p == NULL)
		return vps_err_set(e, -ENOMEM, "process %d", p->pid_in);
	th->rec.sigmask = th->t.mask;
	return 0;
}

int
snap_pending(struct snap *s, pid_t tid, bool shared, struct vd_sigpend **ret,
    size_t *ret_n)
{
	struct {
		uint64_t off;
		uint32_t flags;
		int32_t nr;
	} a = {0, shared ? 1u : 0u, 16};
	siginfo_t info[16];

	*ret = NULL;
	*ret_n = 0;
	for (;;) {
		long n = ptrace(PTRACE_PEEKSIGINFO, tid, &a, info);
		struct vd_sigpend *v;

		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		v = arena_array(&s->arena, *ret_n + (size_t)n, sizeof(*v));
		if (v == NULL)
			return -ENOMEM;
		if (*ret_n > 0)
			memcpy(v, *ret, *ret_n * sizeof(*v));
		for (long i = 0; i < n; i++) {
			v[*ret_n + (size_t)i].info.p =
			    arena_copy(&s->arena, &info[i], sizeof(info[i]));
			v[*ret_n + (size_t)i].info.n = sizeof(info[i]);
			if (v[*ret_n + (size_t)i].info.p == NULL)
				return -ENOMEM;
		}
		*ret = v;
		*ret_n += (size_t)n;
		a.off += (uint64_t)n;
	}
}

int
snap_thread_creds(struct snap *s, struct snap_thread *th, struct vps_err *e)
{
	const struct sys_pstatus *st = &th->st;
	struct vd_creds *c = arena_alloc(&s->arena, sizeof(*c));

	if (c == NULL)
		return vps_err_set(e, -ENOMEM, "credentials");
	*c = (struct vd_creds){.ruid = snap_uid(s, st->uid[0]),
	    .euid = snap_uid(s, st->uid[1]),
	    .suid = snap_uid(s, st->uid[2]),
	    .fsuid = snap_uid(s, st->uid[3]),
	    .rgid = snap_gid(s, st->gid[0]),
	    .egid = snap_gid(s, st->gid[1]),
	    .sgid = snap_gid(s, st->gid[2]),
	    .fsgid = snap_gid(s, st->gid[3]),
	    .cap_inh = st->cap_inh,
	    .cap_prm = st->cap_prm,
	    .cap_eff = st->cap_eff,
	    .cap_bnd = st->cap_bnd,
	    .cap_amb = st->cap_amb,
	    .no_new_privs = st->no_new_privs};
	c->n_groups = st->n_groups;
	c->groups = arena_array(&s->arena, st->n_groups, sizeof(*c->groups));
	if (c->groups == NULL)
		return vps_err_set(e, -ENOMEM, "credentials");
	for (size_t i = 0; i < st->n_groups; i++)
		c->groups[i] = snap_gid(s, st->groups[i]);
	th->rec.creds = c;
	th->rec.n_creds = 1;
	return 0;
}

struct snap_filter {
	struct snap_filter *next;
	struct vd_seccomp rec;
};

/* The number of a filter program; written when it is new. */
static int
filter_id(struct snap *s, const struct sock_filter *f, size_t n, uint32_t flags,
    uint32_t *ret)
{
	size_t len = n * sizeof(*f);
	struct snap_filter *k;
	int r;

	for (k = s->filters; k != NULL; k = k->next) {
		if (k->rec.flags == flags && k->rec.insns.n == len &&
		    memcmp(k->rec.insns.p, f, len) == 0) {
			*ret = k->rec.id;
			return 0;
		}
	}
	k = arena_alloc(&s->arena, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	k->rec.id = ++s->nfilters;
	k->rec.flags = flags;
	k->rec.insns.p = arena_copy(&s->arena, f, len);
	k->rec.insns.n = len;
	k->next = s->filters;
	s->filters = k;
	*ret = k->rec.id;
	r = vd_put(s->w, &vd_type_seccomp, &k->rec);
	return r;
}

struct seccomp_metadata_arg {
	uint64_t off, flags;
};

int
snap_thread_seccomp(struct snap *s, struct snap_proc *p, struct snap_thread *th,
    struct vps_err *e)
{
	unsigned n = th->st.seccomp_filters;
	uint32_t *ids;

	th->rec.seccomp_mode = th->st.seccomp;
	if (th->st.seccomp != 2)
		return 0;
	ids = arena_array(&s->arena, n, sizeof(*ids));
	if (ids == NULL)
		return vps_err_set(e, -ENOMEM, "seccomp filters");
	for (unsigned i = 0; i < n; i++) {
		struct sock_filter f[BPF_MAXINSNS];
		struct seccomp_metadata_arg md = {.off = i};
		long len = ptrace(PTRACE_SECCOMP_GET_FILTER, th->t.tid,
		    (void *)(uintptr_t)i, f);
		int r;

		if (len < 0)
			return vps_err_set(e, -errno,
			    "process %d (%s): read seccomp filter %u",
			    p->pid_in, p->stat.comm, i);
		/* flags: only SECCOMP_FILTER_FLAG_LOG is shown */
		if (ptrace(0x420d /* PTRACE_SECCOMP_GET_METADATA */, th->t.tid,
			(void *)sizeof(md), &md) < 0)
			md.flags = 0;
		/* index 0 is the youngest?  No: the kernel counts from the
		 * oldest (man ptrace: "index 0 is the oldest") */
		r = filter_id(s, f, (size_t)len, (uint32_t)md.flags, &ids[i]);
		if (r < 0)
			return vps_err_set(e, r, "seccomp filter");
	}
	th->rec.filters = ids;
	th->rec.n_filters = n;
	return 0;
}

static long
n_set(const uint8_t *mask, size_t n)
{
	long set = 0;

	for (size_t i = 0; i < n; i++)
		set += __builtin_popcount(mask[i]);
	return set;
}

int
snap_thread_sched(struct snap *s, struct snap_thread *th)
{
	struct sched_attr a = {.size = sizeof(a)};
	uint8_t mask[1024];
	long n;
	void *head;
	size_t len;

	if (syscall(SYS_sched_getattr, th->t.tid, &a, sizeof(a), 0) < 0)
		return -errno;
	th->rec.policy = a.sched_policy;
	th->rec.nice = a.sched_nice;
	th->rec.rtprio = a.sched_priority;
	th->rec.sched_flags = (uint32_t)a.sched_flags;
	th->rec.dl_runtime = a.sched_runtime;
	th->rec.dl_deadline = a.sched_deadline;
	th->rec.dl_period = a.sched_period;
	n = syscall(SYS_sched_getaffinity, th->t.tid, sizeof(mask), mask);
	/* all of this host's: all of the other's */
	if (n > 0 && n_set(mask, (size_t)n) < sysconf(_SC_NPROCESSORS_ONLN)) {
		th->rec.affinity.p = arena_copy(&s->arena, mask, (size_t)n);
		th->rec.affinity.n = (size_t)n;
		if (th->rec.affinity.p == NULL)
			return -ENOMEM;
	}
	n = syscall(SYS_ioprio_get, 1 /* IOPRIO_WHO_PROCESS */, th->t.tid);
	th->rec.ioprio = n > 0 ? (uint32_t)n : 0;
	if (syscall(SYS_get_robust_list, th->t.tid, &head, &len) == 0) {
		th->rec.robust = (uint64_t)(uintptr_t)head;
		th->rec.robust_len = len;
	}
	{
		struct {
			uint64_t ptr;
			uint32_t size, sig, flags, pad;
		} rs = {0};

		if (ptrace(0x420f /* PTRACE_GET_RSEQ_CONFIGURATION */,
			th->t.tid, (void *)sizeof(rs), &rs) >= 0) {
			th->rec.rseq = rs.ptr;
			th->rec.rseq_len = rs.size;
			th->rec.rseq_sig = rs.sig;
		}
	}
	return 0;
}
