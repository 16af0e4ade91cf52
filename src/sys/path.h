/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Paths inside an instance, opened from outside: openat2(2) that never leaves
 * the given root, whatever symlinks are met.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

/* O_CLOEXEC is added. Descriptor or negative errno. */
int sys_open_in(int root, const char *path, int flags, mode_t mode);
/* /proc/PID/root as an O_PATH descriptor. */
int sys_root_of(pid_t pid);
