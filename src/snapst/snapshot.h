/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writing the image of an instance: what the layers above call.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "libdump/vd.h"

/* The instance as a snapshot sees it. All borrowed. */
struct snap_target {
	const char *id;
	pid_t init; /* host pid of its init */
	int cgroup; /* v2 directory of the payload: what is frozen */
	int undo;   /* directory for undo records, -1: none */
	/* Masters of the instance's terminals that its holder keeps, and their
	 * numbers there. */
	const int *masters, *master_nums;
	size_t n_masters;
	const struct vd_system *system;
	const struct vd_instance *instance;
};

/* Looks whether all that the running instance holds could travel. Returns 0,
 * or -EOPNOTSUPP with one objection a line in `ret` (may be cut), each naming
 * process, object, reason. Nothing is stopped or changed. */
int snap_check(const struct snap_target *t, struct buf *ret, struct vps_err *e);

/* Writes the image of the frozen instance to `w`, up to and with the trailer.
 * On return, failed or not, the instance is frozen as it was. */
int
snap_write(const struct snap_target *t, struct vd_writer *w, struct vps_err *e);
