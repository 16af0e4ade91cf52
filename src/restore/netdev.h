/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "restore/rst.h"

int rst_netsysctl(struct rst *r, const void *rec, struct vps_err *e);
int rst_netmsg(struct rst *r, const void *rec, struct vps_err *e);
