/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The instance's mounts: those that it made itself, and what it changed of
 * those that every instance has (core/basemounts.h).
 *
 * What can travel: tmpfs and ramfs with their contents, proc, sysfs, devpts,
 * mqueue (empty), cgroup filesystems, and bind mounts of these and of the
 * instance's own filesystem. Everything else is an objection, and so is a mount
 * that is hidden beneath another one.
 */
#pragma once
#include "snapst/snap.h"

int snap_mounts_check(struct snap *s);
int snap_mounts_dump(struct snap *s, struct vps_err *e);
