/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The last steps in each thread: the channel and the stub away, seccomp
 * filters, then its own registers. Nothing is run in it after that.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/rst_i.h"

static int
call(struct rst *r, struct sys_tracee *t, const struct sys_remote *m, long nr,
    const uint64_t arg[6], const char *what, struct vps_err *e)
{
	int64_t ret = 0;
	int rc;

	(void)r;
	rc = sys_remote_call(m, t->tid, nr, arg, &ret);
	if (rc == 0 && ret < 0 && ret >= -4095)
		rc = (int)ret;
	return rc < 0 ? vps_err_set(e, rc, "thread %d: %s", t->tid, what) : 0;
}

/*
 * A filter program is put below the thread's stack, where nothing lives, for
 * the one call that installs it: nothing else may be run behind a filter.
 */
static int
filter(struct rst *r, struct rst_thread *th, const struct sys_remote *m,
    const struct vd_seccomp *f, struct vps_err *e)
{
	uint64_t sp = th->rec->regs[RST_REG_SP], at;
	struct {
		uint16_t len, pad[3];
		uint64_t insns;
	} prog = {(uint16_t)(f->insns.n / sizeof(struct sock_filter)), {0}, 0};
	struct iovec l[2], rm;
	size_t len = sizeof(prog) + f->insns.n;
	uint64_t arg[6] = {SECCOMP_SET_MODE_FILTER, f->flags, 0};

	if (f->insns.n > BPF_MAXINSNS * sizeof(struct sock_filter))
		return vps_err_say(e, -EBADMSG, "image: filter too long");
	at = (sp - 256 - len) & ~15ull;
	prog.insns = at + sizeof(prog);
	arg[2] = at;
	l[0] = (struct iovec){&prog, sizeof(prog)};
	l[1] = (struct iovec){(void *)(uintptr_t)f->insns.p, f->insns.n};
	rm = (struct iovec){(void *)(uintptr_t)at, len};
	if (process_vm_writev(th->t.tid, l, 2, &rm, 1, 0) != (ssize_t)len)
		return vps_err_set(
		    e, -EFAULT, "thread %d: no room for a filter", th->t.tid);
	return call(r, &th->t, m, SYS_seccomp, arg, "install a filter", e);
}

static int
registers(struct rst_thread *th, struct vps_err *e)
{
	struct user_regs_struct g;
	int rc;

	if (th->rec->n_regs * sizeof(uint64_t) != sizeof(g) ||
	    th->rec->xstate.n > SYS_XSTATE_MAX)
		return vps_err_say(
		    e, -EBADMSG, "image: registers of %u", th->rec->tid);
	memcpy(&g, th->rec->regs, sizeof(g));
	rc = sys_ptrace_setregs(th->t.tid, &g);
	if (rc == 0)
		rc = sys_ptrace_setxstate(
		    th->t.tid, th->rec->xstate.p, th->rec->xstate.n);
	if (rc == 0)
		rc = sys_ptrace_setmask(th->t.tid, th->rec->sigmask);
	return rc < 0
		   ? vps_err_set(e, rc, "registers of thread %u", th->rec->tid)
		   : 0;
}

uint64_t
rst_sysinsn(const struct rst *r, const struct rst_proc *p)
{
	for (size_t i = 0; i < p->mm->n_vmas; i++)
		if (p->mm->vmas[i].kind == 2)
			return p->mm->vmas[i].start +
			       (r->stub.sysinsn - r->kmaps.vdso);
	return 0;
}

static int
proc_ready(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	const uint64_t munmap_arg[6] = {r->stub.base, SYS_REMOTE_SIZE};
	const uint64_t close_arg[6] = {(uint64_t)r->chan_there};
	struct sys_remote m = {0};
	struct rst_thread *runner = NULL;
	int rc = 0;

	m.sysinsn = rst_sysinsn(r, p);
	for (size_t k = 0; k < p->rec->n_tids && runner == NULL; k++)
		if (!p->th[k].rec->exited)
			runner = &p->th[k];
	if (runner == NULL)
		return vps_err_say(e, -EBADMSG,
		    "image: process %u has no thread", p->rec->pid);
	m.pid = runner->t.tid;
	rc = call(r, &runner->t, &m, SYS_close, close_arg, "close", e);
	if (rc == 0)
		rc = call(r, &runner->t, &m, SYS_munmap, munmap_arg,
		    "unmap the stub", e);
	for (size_t k = 0; rc == 0 && k < p->rec->n_tids; k++) {
		struct rst_thread *th = &p->th[k];

		if (th->rec->exited)
			continue;
		for (size_t i = 0; rc == 0 && i < th->rec->n_filters; i++) {
			uint32_t id = th->rec->filters[i];

			if (id == 0 || id > r->nfilters ||
			    r->filters[id - 1] == NULL)
				return vps_err_say(
				    e, -EBADMSG, "image: no filter %u", id);
			rc = filter(r, th, &m, r->filters[id - 1], e);
		}
		if (rc == 0)
			rc = registers(th, e);
	}
	return rc;
}

int
rst_ready(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		int rc;

		if (p->rec->zombie)
			continue;
		rc = proc_ready(r, p, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

void
rst_detach(struct rst *r)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];

		for (size_t k = 0; !p->rec->zombie && k < p->rec->n_tids; k++)
			if (!p->th[k].rec->exited)
				(void)sys_ptrace_detach(p->th[k].t.tid, 0);
	}
}
