/* SPDX-License-Identifier: BSD-2-Clause
 * Private to snapst/unix*.c. */
#pragma once
#include <sys/socket.h>

#include "snapst/snap.h"
#include "sys/unixdiag.h"

/* A socket of the instance's network namespace. */
struct snap_ux {
	bool known;          /* sock_diag has it */
	bool dumped;         /* a record of it has been written */
	bool wanted;         /* a dumped socket is connected to it */
	bool accepted;       /* a listener has its name */
	bool waiting;        /* in a listener's queue; d.wqueue: it has sent */
	bool lost;           /* listener: a waiting client has closed */
	struct sys_unixsk d; /* icons: not owned, never freed */
	struct snap_ux *next_wanted;
};

/* The socket with that inode number as sock_diag has it now (`frozen`: as it
 * had it when the first dump asked); NULL: unknown. */
int snap_ux_get(struct snap *s, bool frozen, uint32_t ino, struct snap_ux **ret,
    struct vps_err *e);

/* Notes that a dumped socket is connected to `u`, and at the end names one of
 * which no descriptor was found. */
void snap_ux_want(struct snap *s, struct snap_ux *u);
int snap_ux_end(struct snap *s, struct vps_err *e);

/* Pids that SO_PEERCRED or SCM_CREDENTIALS show here, as the instance sees
 * them, also of processes that are gone. */
int snap_ux_peercred(struct snap *s, int fd, struct ucred *ret);
int snap_ux_msgcred(struct snap *s, int fd, int off, struct ucred *io);

/* Writes the queue's record, if there is anything in it. */
int snap_ux_queue(
    struct snap *s, const struct snap_fd *f, int type, struct vps_err *e);
