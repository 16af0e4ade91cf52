/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stub is recognised by its size, its protection and that it is private and
 * anonymous. The task itself is well: the stub's end has given it its own state
 * back (sys/remote.h).
 */
#include "snapst/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "base/auto.h"
#include "sys/freezer.h"
#include "sys/maps.h"
#include "sys/ptrace.h"
#include "sys/remote.h"

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
take_out(int cgroup, pid_t pid, uint64_t at, uint64_t vdso)
{
	struct sys_remote m;
	int status, r = sys_ptrace_seize(pid, PTRACE_O_TRACESYSGOOD);

	if (r == 0)
		r = sys_ptrace_interrupt(pid);
	if (r == 0)
		r = sys_ptrace_wait(pid, &status);
	if (r < 0)
		return r;
	r = sys_remote_attach(&m, pid, vdso, at);
	if (r == 0)
		r = sys_thaw(cgroup);
	if (r == 0)
		r = sys_remote_close(&m, pid);
	(void)sys_freeze(cgroup, 100);
	(void)sys_ptrace_detach(pid, 0);
	return r;
}

int
snap_leftovers(int cgroup, struct vps_err *e)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free pid_t *pids = NULL;
	int n = sys_cgroup_pids(cgroup, &pids), r = 0;

	if (proc < 0 || n < 0)
		return vps_err_set(e, n < 0 ? n : -errno, "list processes");
	for (int i = 0; i < n && r == 0; i++) {
		const struct sys_vma *v;
		struct sys_maps m;
		uint64_t vdso;

		if (sys_maps_read(proc, pids[i], &m) < 0)
			continue;
		v = stub_in(&m, &vdso);
		if (v != NULL && vdso != 0)
			r = take_out(cgroup, pids[i], v->start, vdso);
		sys_maps_fini(&m);
		if (r < 0)
			vps_err_set(e, r, "clean process %d", pids[i]);
	}
	return r;
}
