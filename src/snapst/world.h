/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What belongs to the instance as a whole: mounts, network state, IPC objects.
 * One row each in world.c.
 */
#pragma once
#include "snapst/snap.h"

int snap_world_check(struct snap *s);
int snap_world_put(struct snap *s, struct vps_err *e);
