/* SPDX-License-Identifier: BSD-2-Clause
 *
 * IPv4 and IPv6 addresses and networks as text: 1.2.3.4, 1.2.3.0/24,
 * 1.2.3.0/255.255.255.0, fc00::1, fc00::/112. Strict: the whole string or
 * -EINVAL. `*ret` is written on success only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADDR_STR_MAX 52 /* the longest IPv6 address + "/128" + NUL */

struct spec_addr {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t plen;   /* prefix length in bits: 32 or 128 for an address */
	uint8_t b[16];  /* network byte order; behind the address all zero */
};

/* An address without a prefix. */
int addr_parse(const char *s, struct spec_addr *ret);
/*
 * An address (a network of one) or a network; -EDOM if it has bits behind its
 * prefix, and then *ret is that network without them, for the message.
 */
int addr_parse_net(const char *s, struct spec_addr *ret);
/* The canonical text; a prefix is shown unless it is an address. */
void addr_format(const struct spec_addr *a, char s[ADDR_STR_MAX]);
bool addr_equal(const struct spec_addr *a, const struct spec_addr *b);
/* Whether `a` lies in network `net` entirely. */
bool addr_in(const struct spec_addr *net, const struct spec_addr *a);
/* Whether an interface can have it: not unspecified, multicast, loopback. */
bool addr_is_unicast(const struct spec_addr *a);
unsigned addr_bits(const struct spec_addr *a); /* 32 or 128 */
