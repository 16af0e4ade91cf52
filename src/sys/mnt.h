/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The descriptor based mount calls: open_tree(2), move_mount(2),
 * mount_setattr(2), fsopen(2) and fsmount(2); pivot_root(2). A detached mount
 * is a descriptor that goes away with its last copy unless it is attached.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

/* All: descriptor or 0, negative errno. */

/* A detached copy of the mount at `path`, without what is mounted below, that
 * neither gets nor gives mounts by propagation. */
int sys_mnt_clone(int dirfd, const char *path);
/* Shifts the owners of a detached mount by a user namespace's mapping:
 * -EINVAL where the filesystem can't. */
int sys_mnt_idmap(int mnt, int userns);
/* A detached new filesystem. `opts`: "mode=755,size=1m,flag"; `attr`:
 * MOUNT_ATTR_*. */
int sys_mnt_new(const char *fstype, const char *opts, uint64_t attr);
/* Attaches it on a path, or on the very file that `at` is open on (path ""). */
int sys_mnt_attach(int mnt, int at, const char *path);
/* Changes MOUNT_ATTR_* of an attached or detached mount. */
int sys_mnt_attr(int mnt, uint64_t set, uint64_t clear);
/* Makes an attached mount (descriptor of its root) the caller's root and lets
 * go of the old one. */
int sys_mnt_pivot(int root);
