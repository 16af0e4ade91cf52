/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ptrace(2) of one task: seize, stop, registers, let go. x86-64 general
 * registers are in struct user_regs_struct; the extended state is kept as the
 * bytes of NT_X86_XSTATE.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

#define SYS_XSTATE_MAX 12288

/* A task that we trace, with the state that it is given back. */
struct sys_tracee {
	pid_t tid;
	bool stopped;
	bool saved; /* regs, mask, xstate hold its own state */
	bool dirty; /* its registers or mask are ours at the moment */
	struct user_regs_struct regs;
	uint64_t mask;
	uint8_t *xstate; /* owned */
	size_t nxstate;
	int wakesig; /* the signal that ends a table; see sys/remote.h */
};

/* All: 0 or negative errno. -ESRCH: gone. */
int sys_ptrace_seize(pid_t tid, unsigned long options);
int sys_ptrace_interrupt(pid_t tid);
/* Waits for a stop of `tid`: its wait status; -ESRCH when it has exited. */
int sys_ptrace_wait(pid_t tid, int *ret_status);
int sys_ptrace_cont(pid_t tid, int sig);
int sys_ptrace_detach(pid_t tid, int sig);
int sys_ptrace_getregs(pid_t tid, struct user_regs_struct *ret);
int sys_ptrace_setregs(pid_t tid, const struct user_regs_struct *regs);
int sys_ptrace_getxstate(pid_t tid, void *buf, size_t size, size_t *ret_n);
int sys_ptrace_setxstate(pid_t tid, const void *buf, size_t n);
int sys_ptrace_getmask(pid_t tid, uint64_t *ret);
int sys_ptrace_setmask(pid_t tid, uint64_t mask);

/* True for 32-bit tasks, whose NT_PRSTATUS is 68 bytes long. */
bool sys_ptrace_is_compat(pid_t tid);

/* Reads registers, mask and extended state of a stopped task into `t`.
 * `caught`, `pending`: signal masks, to choose wakesig. */
int sys_tracee_get(struct sys_tracee *t, uint64_t caught, uint64_t pending);
/* Gives a task its own registers and mask back (it stays stopped). */
int sys_tracee_put(struct sys_tracee *t);
void sys_tracee_fini(struct sys_tracee *t);
