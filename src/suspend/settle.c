/* SPDX-License-Identifier: BSD-2-Clause */
#include "suspend/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "suspend/eintr.h"
#include "sys/freezer.h"
#include "sys/proc.h"
#include "sys/ptrace.h"

#define STACK_SIZE (256 * 1024)

#define VFORK_MS \
	300 /* until a vfork child has its own program, loaded or not */
#define FREEZE_MS 200

struct task {
	pid_t tid;    /* 0: gone, negative: nothing to stop */
	bool stopped; /* in a stop of ours */
	bool lent;    /* was let run again, to end a vfork */
};

struct tasks {
	struct task *v; /* owned */
	size_t n, cap;
};

static int
add(struct tasks *t, pid_t tid)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct task *v = reallocarray(t->v, cap, sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		t->v = v;
		t->cap = cap;
	}
	t->v[t->n++] = (struct task){.tid = tid};
	return 0;
}

static int
list(int cgroup, struct tasks *t)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free pid_t *pids = NULL;
	int n = sys_cgroup_pids(cgroup, &pids), r = 0;

	if (proc < 0 || n < 0)
		return n < 0 ? n : -errno;
	for (int i = 0; i < n && r == 0; i++) {
		auto_free int *tids = NULL;
		char path[32];
		int k;

		(void)snprintf(path, sizeof(path), "%d/task", pids[i]);
		k = sys_numdir(proc, path, &tids);
		for (int j = 0; j < k && r == 0; j++)
			r = add(t, tids[j]);
	}
	return r;
}

static long
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A stop comes within microseconds or not for long. */
static int
wait_stop(pid_t tid, long deadline)
{
	for (unsigned nap = 10;; nap = nap < 1000 ? nap * 2 : nap) {
		int status;
		pid_t r = waitpid(tid, &status, __WALL | WNOHANG);

		if (r < 0)
			return errno == ECHILD ? -ESRCH : -errno;
		if (r > 0)
			return WIFSTOPPED(status) ? 0 : -ESRCH;
		if (now_us() > deadline)
			return -ETIMEDOUT;
		(void)usleep(nap);
	}
}

static void
fix(pid_t tid)
{
	struct user_regs_struct regs;

	if (sys_ptrace_getregs(tid, &regs) == 0 && susp_undo_eintr(&regs))
		(void)sys_ptrace_setregs(tid, &regs);
}

struct job {
	int cgroup, ms, r;
	pid_t pid;
	struct vps_err *e;
};

static int catch (struct task *t, struct vps_err *e)
{
	int r = sys_ptrace_seize(t->tid, 0);

	if (r == 0)
		r = sys_ptrace_interrupt(t->tid);
	/* gone, or a main thread that has exited: nothing to stop */
	if (r == -ESRCH || r == -EPERM) {
		t->tid = r == -ESRCH ? 0 : -t->tid;
		return 0;
	}
	return r < 0 ? vps_err_set(e, r, "attach to %d", t->tid) : 0;
}

/* Waits for the stops that are due; the number of tasks that don't come. */
static size_t
gather(struct tasks *t, long deadline, pid_t *ret_late)
{
	size_t late = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct task *k = &t->v[i];
		int r;

		if (k->tid <= 0 || k->stopped || k->lent)
			continue;
		r = wait_stop(k->tid, deadline);
		if (r == 0) {
			k->stopped = true;
			fix(k->tid);
		} else if (r == -ESRCH) {
			k->tid = 0;
		} else {
			late++;
			*ret_late = k->tid;
		}
	}
	return late;
}

static struct task *
find(struct tasks *t, pid_t tid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].tid == tid)
			return &t->v[i];
	return NULL;
}

/* Lets the children of a task run that may be in vfork. */
static void
lend_children(struct tasks *t, int proc, pid_t tid)
{
	char path[64], text[4096], *p, *end;

	(void)snprintf(path, sizeof(path), "%d/task/%d/children", tid, tid);
	if (file_read_str(proc, path, text, sizeof(text)) <= 0)
		return;
	for (p = text;; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);
		struct task *k;

		if (end == p)
			return;
		k = find(t, pid);
		if (k != NULL && k->stopped &&
		    sys_ptrace_cont(k->tid, 0) == 0) {
			k->stopped = false;
			k->lent = true;
		}
	}
}

/* Tasks that have come since: they run, until the cgroup is frozen again. */
static int
catch_new(int cgroup, struct tasks *t, struct vps_err *e)
{
	struct tasks now = {0};
	int r = list(cgroup, &now);

	for (size_t i = 0; i < now.n && r == 0; i++) {
		pid_t tid = now.v[i].tid;

		if (find(t, tid) != NULL || find(t, -tid) != NULL)
			continue;
		r = add(t, tid);
		if (r == 0)
			r = catch (&t->v[t->n - 1], e);
	}
	free(now.v);
	return r;
}

/*
 * A vfork parent stops when its child has executed its program: it is waited
 * for with the freezer open and only such children running, all others held in
 * their stops. It is at its stop before it can do anything new, however fast it
 * starts the next child.
 */
static int
end_vforks(struct job *j, struct tasks *t, struct vps_err *e)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t n = t->n;
	pid_t late;
	int r;

	for (size_t i = 0; i < n; i++)
		if (t->v[i].tid > 0 && !t->v[i].stopped)
			lend_children(t, proc, t->v[i].tid);
	r = sys_thaw(j->cgroup);
	if (r < 0)
		return vps_err_set(e, r, "thaw");
	(void)gather(t, now_us() + VFORK_MS * 1000L, &late);
	for (size_t i = 0; i < n; i++) {
		if (!t->v[i].lent)
			continue;
		t->v[i].lent = false;
		if (sys_ptrace_interrupt(t->v[i].tid) == -ESRCH)
			t->v[i].tid = 0;
	}
	r = sys_freeze(j->cgroup, FREEZE_MS);
	if (r < 0)
		return vps_err_set(e, r, "freeze again");
	return catch_new(j->cgroup, t, e);
}

static int
settle(struct job *j)
{
	long deadline = now_us() + j->ms * 1000L;
	struct vps_err *e = j->e;
	struct tasks t = {0};
	size_t late = 0;
	int r = list(j->cgroup, &t);

	for (size_t i = 0; i < t.n && r == 0; i++)
		r = catch (&t.v[i], e);
	if (r == 0)
		late = gather(&t, deadline, &j->pid);
	if (r == 0 && late > 0 && j->ms > 0) {
		r = end_vforks(j, &t, e);
		if (r == 0)
			late = gather(&t, now_us() + j->ms * 1000L, &j->pid);
	}
	/* all have been fixed that will run on */
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].tid > 0)
			(void)sys_ptrace_detach(t.v[i].tid, 0);
	free(t.v);
	if (r == 0 && late > 0)
		r = vps_err_set(e, -ETIMEDOUT, "stop process %d", j->pid);
	return r;
}

static int
run(void *arg)
{
	struct job *j = arg;

	j->r = settle(j);
	return 0;
}

/*
 * What hasn't come to a stop can't be detached from: it would stop later, and
 * for good, as long as its tracer lives. So the tracer is a process that ends
 * here. It has our memory, and we wait: no copy is made.
 */
int
susp_settle(int cgroup, int ms, pid_t *ret_pid, struct vps_err *e)
{
	struct job j = {.cgroup = cgroup, .ms = ms, .r = -ECHILD, .e = e};
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	int status;
	pid_t pid;

	if (stack == MAP_FAILED)
		return vps_err_set(e, -errno, "attach");
	pid = clone(run, (char *)stack + STACK_SIZE,
	    CLONE_VM | CLONE_VFORK | SIGCHLD, &j);
	if (pid < 0)
		j.r = vps_err_set(e, -errno, "attach");
	else
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	(void)munmap(stack, STACK_SIZE);
	*ret_pid = j.pid;
	return j.r;
}
