/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What vps.conf says about interfaces, as the net layer wants it.
 */
#pragma once
#include "conf/spec.h"
#include "net/net.h"

struct core_net {
	struct net_cfg cfg; /* points into this struct; the id is borrowed */
	struct net_if ifs[NET_IF_MAX];
	struct net_addr *addr; /* owned */
};

int core_net_of(struct core_net *n, const char *id, const struct vps_spec *s,
    struct vps_err *e);
void core_net_fini(struct core_net *n);
