/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Records of what belongs to the instance as a whole, built as they come.
 */
#pragma once
#include "restore/rst.h"

typedef int (*rst_world_fn)(struct rst *r, const void *rec, struct vps_err *e);

/* NULL: not a record of the world. */
rst_world_fn rst_world_of(uint32_t number);
