/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What ends or stops for good before a process gets its own state: processes
 * that were stopped by a signal, main threads that had exited.
 *
 * Stopping comes before signal actions are set, so that the signal does what
 * it did, and after the last temporary process: the end of one can continue a
 * group that is stopped. System calls can still be run in a stopped process.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst_i.h"
#include "sys/proc.h"

#define EXIT_TRIES 2000 /* of half a millisecond */

/* Continues a task until it is in the group stop. */
static int
into_stop(pid_t tid, int sig)
{
	int status, rc = sys_ptrace_cont(tid, sig);

	for (int i = 0; rc == 0 && i < 8; i++) {
		rc = sys_ptrace_wait(tid, &status);
		if (rc == 0 && status >> 16 == PTRACE_EVENT_STOP &&
		    WSTOPSIG(status) != SIGTRAP)
			return 0;
		if (rc == 0)
			rc = sys_ptrace_cont(tid, 0);
	}
	return rc < 0 ? rc : -EPROTO;
}

/* SIGSTOP is what can always be sent; the signal that counts takes its place
 * when it is delivered. All threads take part in the stop. */
static int
stop_group(struct rst_proc *p, int sig)
{
	pid_t tid = p->th[0].t.tid;
	int status, rc;

	rc = sys_ptrace_setmask(tid, ~(1ull << (sig - 1)));
	if (rc == 0 && kill((pid_t)p->rec->pid, SIGSTOP) < 0)
		rc = -errno;
	if (rc == 0)
		rc = sys_ptrace_cont(tid, 0); /* to the delivery */
	if (rc == 0)
		rc = sys_ptrace_wait(tid, &status);
	if (rc == 0 && status != (SIGSTOP << 8 | 0x7f))
		rc = -EPROTO;
	if (rc == 0)
		rc = into_stop(tid, sig);
	if (rc == 0)
		rc = sys_ptrace_setmask(tid, UINT64_MAX);
	for (size_t k = 1; rc == 0 && k < p->rec->n_tids; k++)
		rc = into_stop(p->th[k].t.tid, 0);
	return rc;
}

/* Its parent knew that it is stopped: it must not be told again. */
static int
tell_parent(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	struct rst_proc *parent = rst_proc(r, p->rec->ppid);

	if (parent == NULL || parent->rec->zombie)
		return 0;
	sys_rcalls_reset(&r->calls);
	(void)sys_radd(&r->calls, SYS_waitid, RA_VAL(P_PID),
	    RA_VAL(p->rec->pid), RA_VAL(0), RA_VAL(WSTOPPED | WNOHANG),
	    RA_VAL(0));
	return rst_run(r, &parent->th[0].t, "wait for a stopped process", e);
}

int
rst_stops(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		int sig = (int)p->rec->stopsig, rc;

		if (p->rec->zombie || sig == 0)
			continue;
		if (sig != SIGSTOP && sig != SIGTSTP && sig != SIGTTIN &&
		    sig != SIGTTOU)
			return vps_err_say(e, -EBADMSG,
			    "image: process %u is stopped by signal %d",
			    p->rec->pid, sig);
		rc = stop_group(p, sig);
		if (rc < 0)
			return vps_err_set(
			    e, rc, "stop process %u", p->rec->pid);
		if (p->rec->exit_code == 0)
			rc = tell_parent(r, p, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Its end isn't reported while other threads live. */
static int
wait_exited(pid_t tid)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sys_pstat st;

	if (proc < 0)
		return -errno;
	for (int i = 0; i < EXIT_TRIES; i++) {
		int rc = sys_pstat_read(proc, tid, tid, &st);

		if (rc < 0 || st.state == 'Z')
			return rc;
		(void)usleep(500);
	}
	return -ETIMEDOUT;
}

/* After its credentials are set: they go on to be those of the process where
 * others ask, for instance whether they may send it a signal. */
int
rst_mains_end(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		struct sys_tracee *t = &p->th[0].t;
		struct user_regs_struct g = t->regs;
		int rc;

		if (p->rec->zombie || !p->th[0].rec->exited)
			continue;
		if (p->rec->n_tids < 2)
			return vps_err_say(e, -EBADMSG,
			    "image: process %u has no thread", p->rec->pid);
		g.rip = rst_sysinsn(r, p);
		g.rax = SYS_exit;
		g.rdi = 0;
		g.orig_rax = (unsigned long)-1;
		rc = sys_ptrace_setregs(t->tid, &g);
		if (rc == 0)
			rc = sys_ptrace_cont(t->tid, 0);
		if (rc == 0)
			rc = wait_exited(t->tid);
		if (rc < 0)
			return vps_err_set(e, rc,
			    "let the main thread of process %u exit",
			    p->rec->pid);
	}
	return 0;
}
