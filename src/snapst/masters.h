/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The masters of an instance's terminals that its holder keeps (the console's,
 * those of execwt and shell), while nobody reads them.
 */
#pragma once
#include "core/inst.h"

#define SNAP_MASTERS_MAX 256

struct snap_masters {
	int fd[SNAP_MASTERS_MAX], num[SNAP_MASTERS_MAX];
	size_t n;
	int keeper; /* its connection makes the keeper pause; -1 */
};

/* Gets them all; the keeper leaves terminals alone until _fini. */
int snap_masters_get(
    const struct core_inst *in, struct snap_masters *ret, struct vps_err *e);
void snap_masters_fini(struct snap_masters *m);
