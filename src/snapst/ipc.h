/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "base/buf.h"
#include "snapst/snap.h"

/* Appends a line for each System V object and POSIX message queue of the
 * instance's IPC namespace ("System V semaphore set 3 (key 0x12)"). */
int snap_ipc_list(struct snap *s, struct buf *ret);

/* Object to all of them; fail if there is one. */
int snap_ipc_check(struct snap *s);
int snap_ipc_dump(struct snap *s, struct vps_err *e);
