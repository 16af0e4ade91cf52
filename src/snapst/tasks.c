/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tasks of an instance: who they are, how they are stopped for the time of
 * a snapshot and let go again.
 *
 * They are frozen when we come. Each is seized and interrupted while frozen;
 * the thaw then leaves all of them in ptrace stops, where system calls can be
 * run in them. At the end the cgroup is frozen again before they are let go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "snapst/snap_i.h"
#include "sys/freezer.h"

#define ATTACH_MS 50 /* a vfork parent never comes to a stop */

static int
threads_list(struct snap *s, struct snap_proc *p)
{
	auto_free int *tids = NULL;
	char path[32];
	int n;

	(void)snprintf(path, sizeof(path), "%d/task", p->pid);
	n = sys_numdir(s->proc, path, &tids);
	if (n < 0)
		return n;
	p->th = arena_array(&s->arena, (size_t)n, sizeof(*p->th));
	if (p->th == NULL)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		/* the main thread first, whatever the numbers are */
		if (tids[i] == p->pid && i != 0) {
			memmove(&tids[1], &tids[0], (size_t)i * sizeof(*tids));
			tids[0] = p->pid;
		}
	}
	for (int i = 0; i < n; i++)
		p->th[i].t.tid = tids[i];
	p->nth = (size_t)n;
	return 0;
}

struct snap_thread *
snap_proc_runner(struct snap_proc *p)
{
	for (size_t i = 0; i < p->nth; i++)
		if (!p->th[i].exited)
			return &p->th[i];
	return NULL;
}

/* One process: its place in the tree and its threads. */
static int
proc_add(struct snap *s, pid_t pid, struct snap_proc *p, struct vps_err *e)
{
	int r;

	*p = (struct snap_proc){.pid = pid, .pidfd = -1};
	r = sys_pstat_read(s->proc, pid, 0, &p->stat);
	if (r < 0)
		return r;
	p->zombie = p->stat.state == 'Z' && p->stat.num_threads <= 1;
	r = threads_list(s, p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->nth; i++) {
		struct snap_thread *th = &p->th[i];

		r = sys_pstatus_read(s->proc, pid, th->t.tid, &th->st);
		if (r < 0)
			return vps_err_set(
			    e, r, "process %d: read its status", pid);
		if (th->t.tid == pid && p->stat.state == 'Z')
			th->exited = true;
	}
	p->pid_in = p->th[0].st.tgid_in;
	p->live = pid;
	if (!p->zombie && snap_proc_runner(p) != NULL)
		p->live = snap_proc_runner(p)->t.tid;
	return 0;
}

/* /proc/PID/task/TID/children: zombies are in no cgroup.procs. */
static int
children_list(struct snap *s, const struct snap_proc *p, pid_t **v, size_t *n,
    size_t *cap)
{
	for (size_t i = 0; i < p->nth; i++) {
		auto_buf struct buf b = {0};
		char path[64];
		const char *q;
		int r;

		(void)snprintf(path, sizeof(path), "%d/task/%d/children",
		    p->pid, p->th[i].t.tid);
		r = file_read(s->proc, path, &b, 1 << 22);
		if (r < 0)
			return r;
		for (q = buf_str(&b); *q != '\0';) {
			char *end;
			long c = strtol(q, &end, 10);

			if (end == q)
				break;
			q = *end == ' ' ? end + 1 : end;
			if (*n == *cap) {
				size_t nc = *cap ? *cap * 2 : 64;
				pid_t *nv = reallocarray(*v, nc, sizeof(**v));

				if (nv == NULL)
					return -ENOMEM;
				*v = nv;
				*cap = nc;
			}
			(*v)[(*n)++] = (pid_t)c;
		}
	}
	return 0;
}

static int
pid_cmp(const void *a, const void *b)
{
	return (*(const pid_t *)a > *(const pid_t *)b) -
	       (*(const pid_t *)a < *(const pid_t *)b);
}

/*
 * Breadth first from init and from those whose parent is outside, so that a
 * parent stands before its children.
 */
int
snap_tasks_list(struct snap *s, struct vps_err *e)
{
	auto_free pid_t *members = NULL;
	auto_free pid_t *queue = NULL;
	size_t nq = 0, cap = 0, done = 0;
	int n = sys_cgroup_pids(s->t->cgroup, &members);

	if (n < 0)
		return vps_err_set(e, n, "list the processes of %s", s->t->id);
	if (n > 0)
		qsort(members, (size_t)n, sizeof(*members), pid_cmp);
	s->procs =
	    arena_array(&s->arena, (size_t)n * 2 + 4096, sizeof(*s->procs));
	queue = malloc(((size_t)n + 1) * sizeof(*queue));
	if (s->procs == NULL || queue == NULL)
		return vps_err_set(e, -ENOMEM, "list the processes");
	cap = (size_t)n + 1;
	queue[nq++] = s->t->init;
	for (int i = 0; i < n; i++) {
		struct sys_pstat st;

		if (members[i] != s->t->init &&
		    sys_pstat_read(s->proc, members[i], 0, &st) == 0 &&
		    bsearch(&st.ppid, members, (size_t)n, sizeof(*members),
			pid_cmp) == NULL)
			queue[nq++] = members[i];
	}
	while (done < nq) {
		struct snap_proc *p;
		int r;

		if (s->nprocs == (size_t)n * 2 + 4096)
			return vps_err_say(e, -E2BIG,
			    "%s has more zombies than processes", s->t->id);
		p = &s->procs[s->nprocs];
		r = proc_add(s, queue[done++], p, e);
		if (r == -ENOENT || r == -ESRCH)
			continue; /* gone: only when it isn't frozen */
		if (r == 0) {
			s->nprocs++;
			r = p->zombie ? 0
				      : children_list(s, p, &queue, &nq, &cap);
		}
		if (r == -ENOENT || r == -ESRCH)
			continue;
		if (r < 0)
			return vps_err_set(
			    e, r, "list process %d", queue[done - 1]);
	}
	return 0;
}

static long
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* waitpid() with a deadline: the stop comes within microseconds or not at all
 * (vfork), so short naps are fine. */
static int
wait_stop(pid_t tid, long deadline, int *ret_status)
{
	for (unsigned nap = 20;; nap = nap < 1000 ? nap * 2 : nap) {
		pid_t r = waitpid(tid, ret_status, __WALL | WNOHANG);

		if (r < 0)
			return errno == ECHILD ? -ESRCH : -errno;
		if (r > 0)
			return WIFSTOPPED(*ret_status) ? 0 : -ESRCH;
		if (now_us() > deadline)
			return -ETIMEDOUT;
		(void)usleep(nap);
	}
}

static int
thread_seize(struct snap_thread *th)
{
	const unsigned long opts =
	    PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP;
	int r = sys_ptrace_seize(
	    th->t.tid, th->st.seccomp != 0 ? opts : PTRACE_O_TRACESYSGOOD);

	if (r < 0)
		return r;
	th->seized = true;
	return sys_ptrace_interrupt(th->t.tid);
}

static int
thread_stopped(struct snap *s, struct snap_proc *p, struct snap_thread *th,
    long deadline, struct vps_err *e)
{
	int status, r = wait_stop(th->t.tid, deadline, &status);

	if (r < 0)
		return vps_err_say(e, r,
		    "process %d (%s): thread %d can't be stopped: %s",
		    p->pid_in, p->stat.comm, th->st.pid_in,
		    r == -ETIMEDOUT
			? "it waits in the kernel (vfork or a device)"
			: strerror(-r));
	th->t.stopped = true;
	/* A group stop shows its signal; SIGTRAP is the plain stop. */
	if (WSTOPSIG(status) != SIGTRAP)
		th->stopsig = WSTOPSIG(status);
	if (sys_ptrace_is_compat(th->t.tid))
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %d (%s): 32-bit programs can't be carried",
		    p->pid_in, p->stat.comm);
	(void)s;
	r = sys_tracee_get(
	    &th->t, th->st.sig_cgt, th->st.sig_pnd | th->st.shd_pnd);
	if (r < 0)
		return vps_err_set(e, r, "process %d (%s): read registers",
		    p->pid_in, p->stat.comm);
	return 0;
}

int
snap_tasks_stop(struct snap *s, struct vps_err *e)
{
	long deadline;
	int r;

	for (size_t i = 0; i < s->nprocs; i++) {
		struct snap_proc *p = &s->procs[i];

		for (size_t k = 0; !p->zombie && k < p->nth; k++) {
			if (p->th[k].exited)
				continue;
			r = thread_seize(&p->th[k]);
			if (r < 0)
				return vps_err_set(e, r,
				    "process %d (%s): attach%s", p->pid_in,
				    p->stat.comm,
				    r == -EPERM
					? " (is another debugger attached?)"
					: "");
		}
	}
	deadline = now_us() + ATTACH_MS * 1000L;
	for (size_t i = 0; i < s->nprocs; i++) {
		struct snap_proc *p = &s->procs[i];

		for (size_t k = 0; !p->zombie && k < p->nth; k++) {
			if (p->th[k].exited)
				continue;
			r = thread_stopped(s, p, &p->th[k], deadline, e);
			if (r < 0)
				return r;
		}
	}
	r = sys_thaw(s->t->cgroup);
	return r < 0 ? vps_err_set(e, r, "thaw %s", s->t->id) : 0;
}

/*
 * Own registers back, frozen, let go. Tasks in a ptrace stop count as frozen.
 */
void
snap_tasks_release(struct snap *s)
{
	(void)file_write(s->t->cgroup, "cgroup.freeze", "1");
	for (size_t i = 0; i < s->nprocs; i++) {
		struct snap_proc *p = &s->procs[i];

		for (size_t k = 0; k < p->nth; k++) {
			struct snap_thread *th = &p->th[k];

			if (!th->seized)
				continue;
			if (th->t.stopped) {
				(void)sys_tracee_put(&th->t);
				(void)sys_ptrace_detach(th->t.tid, 0);
			} else {
				/* seized but never stopped: only the end of
				 * the tracer lets it go */
				(void)sys_ptrace_detach(th->t.tid, 0);
			}
			th->seized = false;
		}
	}
	(void)sys_freeze(s->t->cgroup, 1000);
}
