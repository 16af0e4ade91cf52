/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "snapst/snap.h"

/* Interfaces that the instance made itself are objections. */
int snap_netdev_check(struct snap *s);
/* Addresses, routes, rules and settings of its network namespace. */
int snap_netdev_dump(struct snap *s, struct vps_err *e);
