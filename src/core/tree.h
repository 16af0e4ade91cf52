/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An instance's filesystem as the host sees it: checks on FSROOT, what
 * ROOT_MOUNT says, the root as an id-mapped mount, and /dev.
 */
#pragma once
#include <stdint.h>

#include "conf/spec.h"
#include "core/inst.h"

/* FSROOT's and FSROOT_PRIV's parents are root's alone. Else a setuid file that
 * is made inside would be root's for any user of the host. */
int core_tree_check(const struct vps_spec *s, struct vps_err *e);
/* Runs ROOT_MOUNT; mount_vpsfs is a bind mount here. core_tree_unmount() takes
 * back what this did, by the state file, and runs ROOT_UNMOUNT. */
int core_tree_mount(
    struct core_inst *in, const struct vps_spec *s, struct vps_err *e);
int core_tree_unmount(
    struct core_inst *in, const struct vps_spec *s, struct vps_err *e);

/* A detached mount of FSROOT with owners shifted by `userns`. */
int core_tree_root(const char *path, int userns, struct vps_err *e);
/* A detached tmpfs with the entries of /dev, owned by host id `base`. */
int core_tree_dev(uint32_t base, struct vps_err *e);
