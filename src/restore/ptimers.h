/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "libdump/vd.h"
#include "sys/remote.h"

/* Adds the calls that make the POSIX timers of a process, with their numbers;
 * `data`: address of the data area. -ENOSPC: too many. */
int
rst_ptimers_add(struct sys_rcalls *c, uint64_t data, const struct vd_proc *v);
