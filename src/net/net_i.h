/* SPDX-License-Identifier: BSD-2-Clause
 * Private to src/net. */
#pragma once
#include "net/net.h"

/* The host's end of every pair has this one, on every host, so that the
 * neighbour entry inside stays right when the instance moves. */
#define NET_HOST_MAC "\x02\x76\x70\x73\x00\x01"

static inline size_t
net_addr_len(const struct net_addr *a)
{
	return a->family == 2 /* AF_INET */ ? 4 : 16;
}

uint32_t net_hash(const char *s);

/* The link on which others look for an address. */
struct net_outer {
	int ifindex; /* 0: none, the address isn't reachable from outside */
	char name[IFNAMSIZ];
};
int net_outer_of(int nl, const struct net_addr *a, struct net_outer *ret);
/* Interface number on the host, negative errno. */
int net_ifindex(const char *name);
void net_shed_links(const struct net_cfg *c, int nl, bool down);
