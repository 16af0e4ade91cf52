/* SPDX-License-Identifier: BSD-2-Clause */
#include "suspend/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "suspend/eintr.h"
#include "sys/freezer.h"
#include "sys/proc.h"
#include "sys/ptrace.h"

#define STACK_SIZE (256 * 1024)

struct task {
	pid_t tid;
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

static int
settle(struct job *j)
{
	long deadline = now_us() + j->ms * 1000L;
	struct vps_err *e = j->e;
	struct tasks t = {0};
	int r = list(j->cgroup, &t), bad = 0;

	for (size_t i = 0; i < t.n && r == 0; i++) {
		int rc = sys_ptrace_seize(t.v[i].tid, 0);

		if (rc == 0)
			rc = sys_ptrace_interrupt(t.v[i].tid);
		/* gone, or a main thread that has exited: nothing to stop */
		if (rc == -ESRCH || rc == -EPERM)
			t.v[i].tid = rc == -ESRCH ? 0 : -t.v[i].tid;
		else if (rc < 0)
			r = vps_err_set(e, rc, "attach to %d", t.v[i].tid);
	}
	for (size_t i = 0; i < t.n && r == 0; i++) {
		int rc;

		if (t.v[i].tid <= 0)
			continue;
		rc = wait_stop(t.v[i].tid, deadline);
		if (rc == 0) {
			fix(t.v[i].tid);
		} else if (rc != -ESRCH && bad == 0) {
			/* the others have to be fixed all the same: they will
			 * run on */
			bad = rc;
			j->pid = t.v[i].tid;
		}
	}
	for (size_t i = 0; i < t.n; i++)
		if (t.v[i].tid > 0)
			(void)sys_ptrace_detach(t.v[i].tid, 0);
	free(t.v);
	if (r == 0 && bad != 0)
		r = vps_err_set(e, bad, "stop process %d", j->pid);
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
