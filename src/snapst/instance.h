/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Snapshots of instances, as commands ask for them.
 */
#pragma once
#include "base/buf.h"
#include "core/inst.h"
#include "core/recover.h"

/* The undo records of this layer and those below, for core_open(). */
extern const struct core_undo_kind snap_undo_kinds[];

/* snap_check() of a running instance: 0, or -EOPNOTSUPP with the objections in
 * `ret`, a line each. */
int snap_check_instance(
    const struct core_inst *in, struct buf *ret, struct vps_err *e);
/* Writes the image of a suspended instance to `fd` (a file, a pipe). `in` is
 * locked; it is suspended afterwards, whatever happens. */
int snap_instance(struct core_inst *in, int fd, struct vps_err *e);

/* Suspends, writes, resumes. *ret_frozen: ns from the first freeze to the last
 * thaw. */
int snap_live(
    struct core_inst *in, int fd, uint64_t *ret_frozen, struct vps_err *e);

/* To a file by way of a temporary name beside it, synced and renamed, mode
 * 0600; "-" is standard output. `live` as above. */
int snap_to_file(struct core_inst *in, const char *path, bool live,
    uint64_t *ret_frozen, struct vps_err *e);
