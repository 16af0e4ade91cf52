/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a host can do, and whether an instance can go from one to the other.
 */
#pragma once
#include "base/err.h"
#include "migrate/msg.h"

void mig_caps_get(struct mig_caps *ret);
/* All objections to a move, a line each; -EOPNOTSUPP. Pure. */
int mig_caps_check(
    const struct mig_caps *from, const struct mig_caps *to, struct vps_err *e);
