/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "base/err.h"
#include "migrate/pass.h"

/* A detached mount of `path`, whose owners on disk are those inside, for rsync
 * in a user namespace with the range MIG_TREE_IDS, which is nobody else's: the
 * instance's own may not be chosen yet. */
#define MIG_TREE_IDS 0x70000000u
int mig_tree_mount(const char *path, struct mig_fs *ret, struct vps_err *e);
