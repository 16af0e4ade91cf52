/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pseudo-terminals (pts(4)) of a given devpts mount.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

/* Opens a new master by the ptmx at `path` (relative to dirfd), unlocked;
 * descriptor or negative errno. The slave's number goes to *ret_num. */
int sys_pty_open(int dirfd, const char *path, int *ret_num);
/* Opens the slave of a master, without a path (Linux 4.13). */
int sys_pty_slave(int master, int flags);
