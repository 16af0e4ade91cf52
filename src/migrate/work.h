/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One function at a time in a process of its own, so that the link stays
 * alive meanwhile and the work can be stopped.
 */
#pragma once
#include <sys/types.h>

#include "base/err.h"

struct mig_work {
	pid_t pid; /* -1: none */
	int pidfd; /* readable: it has ended */
	int err;
};

#define MIG_WORK_INIT      \
	{                  \
		-1, -1, -1 \
	}

/* The child has default signals; `fn` may use all that the parent had. */
int mig_work_start(struct mig_work *w, int (*fn)(void *arg, struct vps_err *e),
    void *arg, struct vps_err *e);
/* After pidfd has become readable: what fn returned. */
int mig_work_end(struct mig_work *w, struct vps_err *e);
void mig_work_stop(struct mig_work *w);
