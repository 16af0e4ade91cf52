/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The whole descriptor table of a process that is about to exec.
 */
#pragma once

/* Closes every descriptor from `from` on but those listed. */
int sys_fds_close_but(int from, const int *keep, unsigned n);
/* Puts fds[i] at number first + i, to stay over exec, and closes all others
 * above `first`, except `cloexec` (or -1), which stays until exec and whose new
 * number is returned (-1 for -1). At most SYS_FDS_PLACE of them. */
#define SYS_FDS_PLACE 32
int sys_fds_place(int first, const int *fds, unsigned n, int cloexec);
/* /dev/null as 0, 1 and 2, by path (of the caller's root). */
int sys_fds_null(void);
/* Signal actions and mask as a new program expects them. */
void sys_signals_default(void);
