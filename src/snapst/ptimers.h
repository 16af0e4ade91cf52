/* SPDX-License-Identifier: BSD-2-Clause
 *
 * POSIX timers: /proc/PID/timers lists them, timer_gettime(2) run in the
 * process tells when they expire.
 */
#pragma once
#include "snapst/snap_i.h"

#define SNAP_PTIMERS_MAX 100 /* what one table has room for */

struct snap_ptimers {
	struct vd_ptimer *v; /* in the arena */
	size_t n;
	size_t spec[SNAP_PTIMERS_MAX];      /* data offsets */
	unsigned overrun[SNAP_PTIMERS_MAX]; /* calls */
};

int snap_ptimers_list(
    struct snap *s, struct snap_proc *p, struct snap_ptimers *ret);
void snap_ptimers_ask(struct sys_rcalls *c, struct snap_ptimers *t);
int snap_ptimers_answer(struct snap *s, struct sys_rcalls *c,
    struct snap_proc *p, const struct snap_ptimers *t);
