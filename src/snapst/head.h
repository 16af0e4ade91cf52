/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The first two records of an image: the host and the instance as a whole.
 */
#pragma once
#include "base/arena.h"
#include "core/inst.h"
#include "libdump/vd.h"
#include "sys/host.h"

struct snap_head {
	struct vd_system system;
	struct vd_instance instance;
	struct sys_host host;
	struct arena arena;
};

int
snap_head(const struct core_inst *in, struct snap_head *ret, struct vps_err *e);
/* The clocks inside, now: to be called when it is frozen. */
int snap_head_clocks(const struct core_inst *in, struct snap_head *h);
void snap_head_fini(struct snap_head *h);
