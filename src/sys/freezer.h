/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The cgroup v2 freezer (Documentation/admin-guide/cgroup-v2.rst,
 * cgroup.freeze), which exists on hybrid hosts too.
 */
#pragma once
#include <sys/types.h>

/* Freezes the cgroup `dirfd` and all below it and waits until all tasks are
 * frozen. -ETIMEDOUT: some task can't be stopped now; it is frozen all the same
 * as soon as it can be, unless the caller thaws. */
int sys_freeze(int dirfd, int timeout_ms);
int sys_thaw(int dirfd);
/* 1: frozen, 0: not. */
int sys_frozen(int dirfd);
/* The processes in the cgroup and those below it, as the reader's pid namespace
 * shows them, in a malloc()ed array; the count. Zombies aren't listed. */
int sys_cgroup_pids(int dirfd, pid_t **ret);
