/* SPDX-License-Identifier: BSD-2-Clause
 *
 * clone3(2) as a fork with more to choose: namespaces, a pidfd, the cgroup
 * that the child is born in. No thread may be running; the child's copy of the
 * C library is usable as after fork(2).
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

/* linux/sched.h can't be included beside sched.h. */
#define SYS_CLONE_INTO_CGROUP 0x200000000ULL
#define SYS_CLONE_NEWTIME     0x00000080

/* The child's pid, 0 in the child, negative errno. `cgroup`: descriptor of a
 * cgroup v2 directory that the child starts in, or -1. `ret_pidfd` NULL: none.
 */
pid_t sys_fork(uint64_t flags, int cgroup, int *ret_pidfd);
/* The same with a number of the caller's choice in the child's pid namespace
 * (set_tid; CAP_CHECKPOINT_RESTORE there); 0: any. -EEXIST: it is in use. */
pid_t sys_fork_as(pid_t tid, uint64_t flags, int cgroup, int *ret_pidfd);
