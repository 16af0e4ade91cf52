/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/ptrace.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#endif

int
sys_ptrace_seize(pid_t tid, unsigned long options)
{
	return ptrace(PTRACE_SEIZE, tid, NULL, options) < 0 ? -errno : 0;
}

int
sys_ptrace_interrupt(pid_t tid)
{
	return ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 ? -errno : 0;
}

int
sys_ptrace_wait(pid_t tid, int *ret_status)
{
	int status;
	pid_t r;

	do {
		r = waitpid(tid, &status, __WALL);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ECHILD ? -ESRCH : -errno;
	if (!WIFSTOPPED(status))
		return -ESRCH;
	*ret_status = status;
	return 0;
}

int
sys_ptrace_cont(pid_t tid, int sig)
{
	return ptrace(PTRACE_CONT, tid, NULL, (void *)(long)sig) < 0 ? -errno
								     : 0;
}

int
sys_ptrace_detach(pid_t tid, int sig)
{
	return ptrace(PTRACE_DETACH, tid, NULL, (void *)(long)sig) < 0 ? -errno
								       : 0;
}

int
sys_ptrace_getregs(pid_t tid, struct user_regs_struct *ret)
{
	struct iovec iov = {ret, sizeof(*ret)};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov) < 0)
		return -errno;
	return iov.iov_len == sizeof(*ret) ? 0 : -ENOEXEC;
}

bool
sys_ptrace_is_compat(pid_t tid)
{
	struct user_regs_struct regs;

	return sys_ptrace_getregs(tid, &regs) == -ENOEXEC;
}

int
sys_ptrace_setregs(pid_t tid, const struct user_regs_struct *regs)
{
	struct user_regs_struct copy = *regs;
	struct iovec iov = {&copy, sizeof(copy)};

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov) < 0
		   ? -errno
		   : 0;
}

int
sys_ptrace_getxstate(pid_t tid, void *buf, size_t size, size_t *ret_n)
{
	struct iovec iov = {buf, size};

	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &iov) < 0)
		return -errno;
	*ret_n = iov.iov_len;
	return 0;
}

int
sys_ptrace_setxstate(pid_t tid, const void *buf, size_t n)
{
	struct iovec iov = {(void *)(uintptr_t)buf, n};

	return ptrace(PTRACE_SETREGSET, tid, (void *)NT_X86_XSTATE, &iov) < 0
		   ? -errno
		   : 0;
}

int
sys_ptrace_getmask(pid_t tid, uint64_t *ret)
{
	return ptrace(PTRACE_GETSIGMASK, tid, (void *)sizeof(*ret), ret) < 0
		   ? -errno
		   : 0;
}

int
sys_ptrace_setmask(pid_t tid, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, tid, (void *)sizeof(mask), &mask) < 0
		   ? -errno
		   : 0;
}

/* A signal that does nothing when no one traces: default action "ignore", not
 * caught, not pending already. SIGURG is the last resort: a program that
 * catches it has to expect it at any time. */
static int
wakesig_choose(uint64_t busy)
{
	static const int sigs[] = {SIGURG, SIGWINCH, SIGCHLD};

	for (size_t i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
		if ((busy & (1ull << (sigs[i] - 1))) == 0)
			return sigs[i];
	return SIGURG;
}

int
sys_tracee_get(struct sys_tracee *t, uint64_t caught, uint64_t pending)
{
	int r = sys_ptrace_getregs(t->tid, &t->regs);

	if (r < 0)
		return r;
	r = sys_ptrace_getmask(t->tid, &t->mask);
	if (r < 0)
		return r;
	if (t->xstate == NULL) {
		/* aligned as an XSAVE area, for the frame built from it */
		t->xstate = aligned_alloc(64, SYS_XSTATE_MAX);
		if (t->xstate == NULL)
			return -ENOMEM;
	}
	r = sys_ptrace_getxstate(
	    t->tid, t->xstate, SYS_XSTATE_MAX, &t->nxstate);
	if (r < 0)
		return r;
	t->wakesig = wakesig_choose(caught | pending);
	t->saved = true;
	t->dirty = false;
	return 0;
}

int
sys_tracee_put(struct sys_tracee *t)
{
	int r;

	if (!t->saved || !t->dirty)
		return 0;
	/* The mask first: a tracer that dies in between leaves the task in the
	 * stub, whose end gives the registers back. */
	r = sys_ptrace_setmask(t->tid, t->mask);
	if (r == 0)
		r = sys_ptrace_setregs(t->tid, &t->regs);
	if (r == 0)
		t->dirty = false;
	return r;
}

void
sys_tracee_fini(struct sys_tracee *t)
{
	free(t->xstate);
	*t = (struct sys_tracee){0};
}
