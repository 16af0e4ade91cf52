/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The network of an instance: per NETIF a veth pair, vps<n> inside, a name
 * derived from the instance's id on the host; no bridge, the host routes.
 *
 * Making the interfaces and claiming the addresses are two steps, because an
 * instance that arrives from elsewhere has its interfaces long before the
 * addresses are its own:
 *
 *   net_setup     pair, addresses and routes inside, the hold; nothing that
 *                 the world could notice
 *   net_claim     host routes, forwarding, proxy ARP and ND
 *   net_announce  tells the neighbours, to be repeated
 *   net_unclaim   the reverse of net_claim
 *   net_silence   instead of net_teardown for an instance whose connections
 *                 must seem to go on: the host neither forwards to nor answers
 *                 for its addresses, until net_claim or net_forget
 *   net_teardown  takes everything off the host; never fails
 *
 * Nothing needs to be remembered between the steps: names, MAC addresses,
 * interface numbers inside and route marks follow from id and number.
 *
 * IPv4 forwarding is a setting of each interface and is set where it is needed.
 * IPv6 forwarding needs net.ipv6.conf.all.forwarding; from Linux 6.17 on
 * conf.IF.force_forwarding does without. We set the latter where it exists and
 * never touch the former: a host without either is told what to do.
 */
#pragma once
#include <linux/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define NET_IF_MAX      64  /* interfaces of an instance */
#define NET_IFINDEX     100 /* vps<n> is number NET_IFINDEX + n inside */
#define NET_ROUTE_PROTO 118 /* rtm_protocol of our routes on the host */

struct net_addr {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t b[16];  /* network byte order */
};

struct net_if {
	unsigned n;                  /* vps<n> */
	uint8_t mac[6];              /* inside; all zero: from id and n */
	uint32_t mtu;                /* 0: default */
	const struct net_addr *addr; /* borrowed */
	unsigned naddr;
};

struct net_cfg {
	const char *id;           /* borrowed */
	const struct net_if *ifs; /* borrowed */
	unsigned nifs;
};

/* The host's end of vps<n>. */
void net_host_name(const char *id, unsigned n, char ret[IFNAMSIZ]);
void net_mac(const struct net_cfg *c, const struct net_if *f, uint8_t ret[6]);
void net_addr_str(const struct net_addr *a, char *s, size_t n);

/* Whether net_claim() could claim all addresses: -EADDRINUSE if one is the
 * host's own or another instance's, -EPERM with the remedy if the host doesn't
 * forward. Changes nothing. */
int net_check(const struct net_cfg *c, struct vps_err *e);

/* `netns`: the instance's network namespace, as new: lo is brought up and
 * vps<n> are made in it. All or nothing. */
int net_setup(const struct net_cfg *c, int netns, struct vps_err *e);
/* Idempotent; replaces what net_silence() left. */
int net_claim(const struct net_cfg *c, struct vps_err *e);
void net_unclaim(const struct net_cfg *c);
/* Lets every packet to and from the instance disappear on the host; its ends of
 * the pairs are down for good, so that what happens inside isn't seen. */
int net_silence(const struct net_cfg *c, struct vps_err *e);
/* Removes what net_silence() left. */
void net_forget(const struct net_cfg *c);
/* The pairs themselves go with the instance's namespace: deleting them here
 * would take 30 ms. Their names are free at once. */
void net_teardown(const struct net_cfg *c);

/* Gratuitous ARP and unsolicited neighbour advertisements on the outer links,
 * one round, without waiting. To be called after net_claim() and again, at
 * net_announce_ms() after the first, until that is negative. */
int net_announce(const struct net_cfg *c, struct vps_err *e);
int net_announce_ms(unsigned round);

/* Starts the command of NETWORK_ANNOUNCE or NETWORK_REVOKE by /bin/sh -c, with
 * VPS_ID, VPS_ADDRESSES and VPS_INTERFACES (blank-separated) in its
 * environment; returns its pid, for the caller to wait for. */
int net_hook(const struct net_cfg *c, const char *command, pid_t *ret,
    struct vps_err *e);
