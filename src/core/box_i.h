/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What processes of ours that enter an instance have in common.
 */
#pragma once
#include "base/err.h"

/* uid and gid 0 inside, no groups, not dumpable, a session keyring of its own.
 */
int core_become_root(struct vps_err *e);
