/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands inside an instance: execin, execwt, shell; and programs of ours that
 * work inside for us.
 */
#pragma once
#include "core/inst.h"

/* Exit statuses as env(1) has them. */
enum {
	CORE_EXEC_FAILED = 125,   /* it was us */
	CORE_EXEC_CANT_RUN = 126, /* found, but can't be executed */
	CORE_EXEC_NOT_FOUND = 127,
};

/* Starts a command with /dev/null as its standard files; doesn't wait. 0, or
 * 126 or 127 with `e` filled. `in` is running and open (CORE_SHARED). */
int core_execin(struct core_inst *in, char *const argv[], struct vps_err *e);

/* Runs a command on a terminal of the instance that is connected to fd_in and
 * fd_out, waits, and returns its exit status (128 + number for a signal), or
 * 126 or 127 with `e` filled. The lock is given back once it runs, so that the
 * instance can be suspended and moved meanwhile: when it is gone then,
 * -ECHILD: "moved to HOST". */
int core_execwt(struct core_inst *in, char *const argv[], int fd_in, int fd_out,
    struct vps_err *e);

/* Starts a program of ours (a sealed memfd, borrowed) as root inside all
 * namespaces, in the cgroup for helpers, with fds as its 3, 4, ... and the
 * number pid_in inside (0: any). It is the caller's child. */
pid_t core_spawn_inside(const struct core_inst *in, pid_t pid_in, int program,
    char *const argv[], char *const envp[], const int *fds, unsigned n,
    struct vps_err *e);
