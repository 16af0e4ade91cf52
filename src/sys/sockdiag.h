/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The sockets of a network namespace, by sock_diag(7): also those that no
 * descriptor leads to. The netlink socket decides about the namespace:
 * nl_open_at(NETLINK_SOCK_DIAG, netns).
 */
#pragma once
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* Bits for `states`; numbers as in the kernel's enum. */
#define SYS_TCPS(s)          (1u << (s))
#define SYS_TCP_NEW_SYN_RECV 12 /* a request that has no socket yet */
#define SYS_TCPS_ALL         0x1fffu

struct sys_sock {
	uint8_t family;        /* AF_INET or AF_INET6 */
	uint8_t state;         /* TCP_*; also of UDP */
	uint16_t sport, dport; /* host order */
	uint8_t src[16], dst[16];
	uint32_t ifindex; /* bound to; 0 */
	uint32_t rqueue;  /* bytes; of a listener: connections to accept */
	uint32_t wqueue;  /* unacknowledged bytes, a FIN is one; of a listener:
			   * its backlog */
	uint32_t inode;   /* 0: no descriptor leads to it */
};

/* Calls `cb` for each socket of `proto` (IPPROTO_TCP, IPPROTO_UDP) in one of
 * the states; ends when it returns a negative number, which is then returned.
 */
typedef int (*sys_sock_cb)(void *arg, const struct sys_sock *s);
int sys_socks(int diag, int proto, uint32_t states, sys_sock_cb cb, void *arg);

/* Closes all TCP sockets at once, also those whose processes are gone; what
 * they still say to their peers is the network's to drop. */
int sys_socks_destroy(int diag);

/* "10.0.0.1:80", "[fd09::1]:80" */
#define SYS_SOCK_STR (INET6_ADDRSTRLEN + 9)
void sys_sock_src(const struct sys_sock *s, char ret[SYS_SOCK_STR]);
void sys_sock_dst(const struct sys_sock *s, char ret[SYS_SOCK_STR]);
