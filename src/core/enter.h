/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Processes that enter an instance from outside. On the way in a process is
 * neither visible nor traceable there: it has let go of what is the host's,
 * isn't dumpable and is root inside before it has a pid inside.
 */
#pragma once
#include <stdbool.h>
#include <sys/ioctl.h>

#include "core/inst.h"

struct core_enter {
	const char *cgroup; /* CORE_CG_PAYLOAD or CORE_CG_SYS */
	/* A program of ours as a sealed memfd, or -1: argv[0] is looked for
	 * inside, by PATH of envp. */
	int program;
	char *const *argv, *const *envp;
	/* These become 3, 4, ... (with a program of ours only). */
	const int *fds;
	unsigned nfds;
	/* A controlling terminal of the instance's devpts; else /dev/null. */
	bool tty;
	struct winsize ws;
	bool raw_in, raw_out; /* no echo; output as it is */
	pid_t pid_in;         /* its number inside; 0: any */
	bool home;            /* start in HOME of envp; else in / */
	/* Nobody waits for it here: the host's init reaps it. A process that
	 * nobody reaps would keep the instance's pid 1 from ending. */
	bool detach;
};

struct core_entered {
	pid_t pid;  /* host pid: a child of the caller unless detached */
	int pidfd;  /* owned by the caller; -1 if detached */
	int master; /* of the terminal, or -1; owned by the caller */
};

/* Starts it; returns when it was executed. `ret_exec` (NULL allowed) is set to
 * -errno when only the last step, the exec, failed. */
int core_enter(const struct core_inst *in, const struct core_enter *what,
    struct core_entered *ret, int *ret_exec, struct vps_err *e);
