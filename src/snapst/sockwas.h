/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Options of a socket that a snapshot changes for a moment, and repair. They
 * are noted before, so that what a killed command leaves can be put back.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "snapst/snap.h"

struct snap_opt {
	int level, name, val;
};

/* The options of `fd` as they are; takes the place of the note before, since
 * sockets are looked at one by one. Without an undo directory nothing is
 * noted. */
void snap_sock_note(struct snap *s, int fd, const struct snap_opt *v, size_t n);
/* After the last socket, or for a command that died. */
void snap_sock_forget(int undo);

/* The undo: takes all sockets of the frozen v2 cgroup out of repair, and gives
 * the noted one its options back. */
int snap_sock_undo(int cgroup, int undo, struct vps_err *e);
