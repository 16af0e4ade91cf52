/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Takes apart what an instance consists of, in whatever state it is found.
 */
#pragma once
#include <stdbool.h>

#include "core/inst.h"

/* Kills everything in the payload cgroup, frozen or not, and waits for it. */
int core_kill_payload(const struct core_inst *in, struct vps_err *e);

/* Kills the holder only. */
void core_kill_holder(const struct core_inst *in);

/* For who ends init before core_destroy(): afterwards nothing leads to its
 * network namespace any more. */
void core_destroy_begin(struct core_inst *in);
/* Everything goes, the directory last; `in` stays open, for core_inst_close().
 * A failure is reported and what remains can be tried again. `silent`: no peer
 * of a connection may notice (the instance was suspended and lives on
 * elsewhere, or in a file). `in` is locked. Not to be called by the keeper,
 * which is killed too. */
int core_destroy(struct core_inst *in, bool silent, struct vps_err *e);
