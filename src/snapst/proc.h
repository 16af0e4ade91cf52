/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "snapst/snap_i.h"

/* Fill p->rec and th->rec from outside; snap_facts() adds what the tasks say.
 */
int snap_proc_fill(struct snap *s, struct snap_proc *p, struct vps_err *e);
int snap_thread_fill(struct snap *s, struct snap_proc *p,
    struct snap_thread *th, struct vps_err *e);
