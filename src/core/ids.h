/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The range of uids and gids that an instance has to itself. Ranges come from
 * a pool, $VPS_ID_POOL = FIRST:COUNT, and overlap neither another instance's
 * nor what /etc/subuid and /etc/subgid give to others.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "core/inst.h"

#define CORE_IDS_FIRST 200000000U
#define CORE_IDS_COUNT (16384U * SPEC_ID_RANGE)

/* Chooses a range for a new instance (`wanted` != 0: that one or an error) and
 * writes id_base and id_count to its state file. */
int core_ids_take(struct core_inst *in, uint32_t wanted, struct vps_err *e);
