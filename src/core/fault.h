/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Places where tests make us fail: VPS_FAULT=POINT[:N] in the environment
 * makes the Nth (first) pass through POINT fail, VPS_FAULT=kill:POINT[:N] kills
 * the process there.
 */
#pragma once
#include "base/err.h"

/* 0, or -EIO with `e` filled. */
int core_fault(const char *point, struct vps_err *e);
