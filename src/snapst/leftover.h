/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a snapshot that was killed has left in the tasks of an instance.
 */
#pragma once
#include "base/err.h"

/* Takes stubs out of all processes of the frozen v2 cgroup. */
int snap_leftovers(int cgroup, struct vps_err *e);
