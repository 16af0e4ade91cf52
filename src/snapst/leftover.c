/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stub is recognised by its size, its protection and that it is private and
 * anonymous. The task itself is well: the stub's end has given it its own state
 * back (sys/remote.h).
 */
#include "snapst/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "sys/freezer.h"
#include "sys/maps.h"
#include "sys/proc.h"
#include "sys/ptrace.h"
#include "sys/remote.h"

#define STOP_MS        50
#define STOP_THAWED_MS 2000
#define SEIZE_TRIES    500
#define LEAD_STEPS     16
#define RUN_OUT_US     1000000u /* the last try; some 5 s altogether */

static const struct sys_vma *
stub_in(const struct sys_maps *m, uint64_t *ret_vdso)
{
	const struct sys_vma *found = NULL;

	*ret_vdso = 0;
	for (size_t i = 0; i < m->n; i++) {
		const struct sys_vma *v = &m->v[i];

		if (strcmp(v->name, "[vdso]") == 0)
			*ret_vdso = v->start;
		if (v->end - v->start == SYS_REMOTE_SIZE && v->ino == 0 &&
		    !v->shared &&
		    v->prot == (PROT_READ | PROT_WRITE | PROT_EXEC))
			found = v;
	}
	return found;
}

static int
wait_stop(pid_t tid, int ms, int *ret_status)
{
	for (int i = 0; i < ms * 5; i++) {
		pid_t r = waitpid(tid, ret_status, __WALL | WNOHANG);

		if (r < 0)
			return errno == ECHILD ? -ESRCH : -errno;
		if (r > 0)
			return WIFSTOPPED(*ret_status) ? 0 : -ESRCH;
		(void)usleep(200);
	}
	return -ETIMEDOUT;
}

/* One that hasn't exited. */
static pid_t
seize_thread(int proc, pid_t pid)
{
	auto_free int *tids = NULL;
	char path[32];
	int n, r = -ESRCH;

	(void)snprintf(path, sizeof(path), "%d/task", pid);
	n = sys_numdir(proc, path, &tids);
	for (int i = 0; i < n; i++) {
		r = sys_ptrace_seize(tids[i], PTRACE_O_TRACESYSGOOD);
		if (r == 0)
			return tids[i];
	}
	return n < 0 ? n : r;
}

/* Since the command died the tasks may have run on: one that waits for a vfork
 * child comes to a stop only when all are thawed. */
static int
take_out(int cgroup, int proc, pid_t pid, uint64_t at, uint64_t vdso)
{
	pid_t tid = seize_thread(proc, pid);
	struct sys_remote m;
	int status = 0, r;

	/* the command that has died still has it for a moment */
	for (int i = 0; tid == -EPERM && i < SEIZE_TRIES; i++) {
		(void)usleep(1000);
		tid = seize_thread(proc, pid);
	}
	if (tid < 0)
		return tid == -ESRCH || tid == -ENOENT ? 0 : tid;
	r = sys_ptrace_interrupt(tid);
	if (r == 0)
		r = wait_stop(tid, STOP_MS, &status);
	if (r == -ETIMEDOUT) {
		(void)sys_thaw(cgroup);
		r = wait_stop(tid, STOP_THAWED_MS, &status);
	}
	if (r < 0) {
		(void)sys_freeze(cgroup, STOP_MS);
		return r == -ESRCH ? 0 : r;
	}
	r = sys_remote_attach(&m, pid, vdso, at);
	if (r == 0)
		r = sys_thaw(cgroup);
	if (r == 0)
		r = sys_remote_close(&m, tid);
	(void)file_write(cgroup, "cgroup.freeze", "1");
	/* a stop for a signal: it is still to be had */
	(void)sys_ptrace_detach(tid, status >> 16 == 0 ? WSTOPSIG(status) : 0);
	(void)sys_freeze(cgroup, STOP_MS);
	return r;
}

/* pid/task/tid/syscall ends with the pc of a task that doesn't run. */
static bool
task_inside(int proc, pid_t pid, pid_t tid, const struct sys_remote *m)
{
	char path[48], s[256], *p;

	(void)snprintf(path, sizeof(path), "%d/task/%d/syscall", pid, tid);
	if (file_read_str(proc, path, s, sizeof(s)) < 0)
		return false;
	/* "running": let go by its dying tracer just now; a traced task counts
	 * as frozen */
	if (strcmp(s, "running") == 0)
		return true;
	p = strrchr(s, ' ');
	return p != NULL && sys_remote_has(m, strtoull(p + 1, NULL, 16));
}

/* A thread of the process that is in code of ours, or 0; *ret is where that is.
 */
static pid_t
proc_inside(int proc, pid_t pid, struct sys_remote *ret)
{
	auto_free int *tids = NULL;
	const struct sys_vma *v;
	struct sys_maps maps;
	uint64_t vdso;
	char path[32];
	pid_t in = 0;
	int n;

	if (sys_maps_read(proc, pid, &maps) < 0)
		return 0;
	v = stub_in(&maps, &vdso);
	if (vdso != 0 &&
	    sys_remote_attach(ret, pid, vdso, v != NULL ? v->start : 0) == 0) {
		(void)snprintf(path, sizeof(path), "%d/task", pid);
		n = sys_numdir(proc, path, &tids);
		for (int i = 0; i < n && in == 0; i++)
			if (task_inside(proc, pid, tids[i], ret))
				in = tids[i];
	}
	sys_maps_fini(&maps);
	return in;
}

/*
 * A task that is stopped by a signal would go on only when someone inside
 * continues it: a tracer can make it run, from system call to system call,
 * until it has its own state back. Let go, it is stopped as before.
 */
static int
lead_out(int cgroup, pid_t tid, const struct sys_remote *m)
{
	int status, r = sys_ptrace_seize(tid, PTRACE_O_TRACESYSGOOD);

	if (r == 0)
		r = sys_ptrace_interrupt(tid);
	if (r < 0) /* gone, or still with the tracer that is dying */
		return r == -ESRCH || r == -EPERM ? 0 : r;
	r = wait_stop(tid, STOP_MS, &status);
	if (r == 0)
		r = sys_thaw(cgroup);
	for (int i = 0; r == 0 && i < LEAD_STEPS; i++) {
		struct user_regs_struct g;

		r = sys_ptrace_getregs(tid, &g);
		if (r < 0 || !sys_remote_has(m, g.rip))
			break;
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) < 0)
			r = -errno;
		else
			r = wait_stop(tid, STOP_THAWED_MS, &status);
	}
	(void)file_write(cgroup, "cgroup.freeze", "1");
	(void)sys_ptrace_detach(tid, 0);
	(void)sys_freeze(cgroup, STOP_MS);
	return r == -ESRCH ? 0 : r;
}

/* A task may have been frozen before it was through with what it was made to
 * do: about to map a stub even, or in the one that is to be taken out. It needs
 * some microseconds, but where others are busy it has to wait for a processor:
 * each try gives it longer than the one before. */
static int
run_out(int cgroup, int proc, const pid_t *pids, int n)
{
	for (unsigned us = 1000; us <= RUN_OUT_US; us += us / 4) {
		struct sys_remote m;
		struct sys_pstat st;
		pid_t tid = 0;
		int r = 0;

		for (int i = 0; i < n && tid == 0; i++) {
			tid = proc_inside(proc, pids[i], &m);
			if (tid != 0 &&
			    sys_pstat_read(proc, pids[i], tid, &st) == 0 &&
			    st.state == 'T')
				r = lead_out(cgroup, tid, &m);
		}
		if (tid == 0)
			return 0;
		if (r == 0)
			r = sys_thaw(cgroup);
		(void)usleep(us);
		if (r == 0)
			r = sys_freeze(cgroup, 1000);
		if (r < 0)
			return r;
	}
	return -EBUSY;
}

int
snap_leftovers(int cgroup, struct vps_err *e)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free pid_t *pids = NULL;
	int n = sys_cgroup_pids(cgroup, &pids), r = 0;

	if (proc < 0 || n < 0)
		return vps_err_set(e, n < 0 ? n : -errno, "list processes");
	r = run_out(cgroup, proc, pids, n);
	if (r < 0)
		return vps_err_set(e, r, "let processes out of a snapshot");
	for (int i = 0; i < n && r == 0; i++) {
		const struct sys_vma *v;
		struct sys_maps m;
		uint64_t vdso;

		if (sys_maps_read(proc, pids[i], &m) < 0)
			continue;
		v = stub_in(&m, &vdso);
		if (v != NULL && vdso != 0)
			r = take_out(cgroup, proc, pids[i], v->start, vdso);
		sys_maps_fini(&m);
		if (r < 0)
			vps_err_set(e, r, "clean process %d", pids[i]);
	}
	return r;
}
