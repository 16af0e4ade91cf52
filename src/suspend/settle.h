/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Brings every task of a frozen cgroup to a stop once, so that it is known that
 * all can be stopped, and lets it go again (it stays frozen). System calls that
 * the freezing has made fail with EINTR are set up to run once more.
 */
#pragma once
#include <sys/types.h>

#include "base/err.h"

/* `cgroup`: v2 directory. -ETIMEDOUT: some task doesn't stop (a vfork parent, a
 * device); *ret_pid (host) is it, and everything has been let go. */
int susp_settle(int cgroup, int ms, pid_t *ret_pid, struct vps_err *e);
