/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets to our own sockets in their peers' names: a raw socket sends them
 * over lo, where the hold lets its mark through and nothing else (bpf/hold.h).
 * The answers that they provoke have no mark and end there, or at the host's
 * end of the pair.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/hold.h"
#include "base/auto.h"
#include "restore/inet.h"

#define HEAD 40 /* room for either network header */

struct flow {
	bool v4;
	uint8_t src[16], dst[16];
	uint16_t sport, dport; /* network order */
};

static void
end_addr(const struct inet_end *x, bool v4, uint8_t *a, uint16_t *port)
{
	if (x->ss.ss_family == AF_INET) {
		const struct sockaddr_in *s = (const void *)&x->ss;

		memcpy(a, &s->sin_addr, 4);
		*port = s->sin_port;
	} else {
		const struct sockaddr_in6 *s = (const void *)&x->ss;

		memcpy(a, s->sin6_addr.s6_addr + (v4 ? 12 : 0), v4 ? 4 : 16);
		*port = s->sin6_port;
	}
}

static void
flow_of(const struct inet_end *from, const struct inet_end *to, struct flow *x)
{
	const struct sockaddr_in6 *s = (const void *)&from->ss;

	*x = (struct flow){.v4 = from->ss.ss_family == AF_INET ||
				 IN6_IS_ADDR_V4MAPPED(&s->sin6_addr)};
	end_addr(from, x->v4, x->src, &x->sport);
	end_addr(to, x->v4, x->dst, &x->dport);
}

static uint32_t
sum(uint32_t s, const uint8_t *b, size_t n)
{
	for (; n > 1; b += 2, n -= 2)
		s += (uint32_t)(b[0] << 8 | b[1]);
	if (n > 0)
		s += (uint32_t)b[0] << 8;
	return (s & 0xffff) + (s >> 16);
}

static uint16_t
checksum(const struct flow *x, uint8_t proto, const uint8_t *p, size_t n)
{
	size_t al = x->v4 ? 4 : 16;
	uint32_t s = proto + (uint32_t)n;

	s = sum(s, x->src, al);
	s = sum(s, x->dst, al);
	s = sum(s, p, n);
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	s = ~s & 0xffff;
	return htons((uint16_t)(s == 0 ? 0xffff : s));
}

/* `p`: HEAD bytes of room, then n bytes from the transport header on. */
static int
send_raw(const struct flow *x, uint8_t proto, uint8_t *p, size_t n)
{
	auto_close int fd = socket(
	    x->v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct inet_end to = {0};
	uint8_t *at = p;
	size_t len;
	int r;

	if (fd < 0)
		return -errno;
	r = sys_opt_put(fd, SOL_SOCKET, SO_MARK, (int)HOLD_LO_MARK);
	if (r < 0)
		return r;
	if (x->v4) {
		struct sockaddr_in *s = (void *)&to.ss;
		struct iphdr h = {.version = 4,
		    .ihl = 5,
		    .ttl = 64,
		    .protocol = proto,
		    .tot_len = htons((uint16_t)(n + sizeof(h)))};

		memcpy(&h.saddr, x->src, 4);
		memcpy(&h.daddr, x->dst, 4);
		at += HEAD - sizeof(h);
		memcpy(at, &h, sizeof(h));
		s->sin_family = AF_INET;
		memcpy(&s->sin_addr, x->dst, 4);
		to.len = sizeof(*s);
		len = sizeof(h) + n;
	} else {
		struct sockaddr_in6 *s = (void *)&to.ss;
		struct ip6_hdr h = {0};

		h.ip6_flow = htonl(6u << 28);
		h.ip6_plen = htons((uint16_t)n);
		h.ip6_nxt = proto;
		h.ip6_hlim = 64;
		memcpy(&h.ip6_src, x->src, 16);
		memcpy(&h.ip6_dst, x->dst, 16);
		memcpy(at, &h, sizeof(h));
		s->sin6_family = AF_INET6;
		memcpy(&s->sin6_addr, x->dst, 16);
		to.len = sizeof(*s);
		len = sizeof(h) + n;
	}
	return sendto(fd, at, len, 0, (struct sockaddr *)&to.ss, to.len) < 0
		   ? -errno
		   : 0;
}

int
inet_inject_tcp(const struct inet_seg *g)
{
	/* NOP NOP TIMESTAMP; its value must only be older than any of the
	 * peer's. */
	uint8_t opt[12] = {1, 1, 8, 10, 0, 0, 0, 1};
	uint8_t p[HEAD + sizeof(struct tcphdr) + sizeof(opt)];
	size_t n = sizeof(struct tcphdr) + (g->ts ? sizeof(opt) : 0);
	uint32_t ecr = htonl(g->tsecr);
	struct tcphdr h = {.th_seq = htonl(g->seq),
	    .th_ack = htonl(g->ack),
	    .th_off = (n / 4) & 15,
	    .th_flags = g->flags,
	    .th_win = 0xffff};
	struct flow x;

	flow_of(g->from, g->to, &x);
	h.th_sport = x.sport;
	h.th_dport = x.dport;
	memcpy(opt + 8, &ecr, sizeof(ecr));
	memcpy(p + HEAD, &h, sizeof(h));
	memcpy(p + HEAD + sizeof(h), opt, sizeof(opt));
	h.th_sum = checksum(&x, IPPROTO_TCP, p + HEAD, n);
	memcpy(p + HEAD, &h, sizeof(h));
	return send_raw(&x, IPPROTO_TCP, p, n);
}

int
inet_inject_udp(const struct inet_end *from, const struct inet_end *to,
    const void *data, size_t n)
{
	auto_free uint8_t *p = NULL;
	struct udphdr h = {0};
	struct flow x;

	if (n > UINT16_MAX - HEAD - sizeof(h))
		return -EMSGSIZE;
	p = malloc(HEAD + sizeof(h) + n);
	if (p == NULL)
		return -ENOMEM;
	flow_of(from, to, &x);
	h.uh_sport = x.sport;
	h.uh_dport = x.dport;
	h.uh_ulen = htons((uint16_t)(n + sizeof(h)));
	memcpy(p + HEAD, &h, sizeof(h));
	if (n > 0)
		memcpy(p + HEAD + sizeof(h), data, n);
	h.uh_sum = checksum(&x, IPPROTO_UDP, p + HEAD, sizeof(h) + n);
	memcpy(p + HEAD, &h, sizeof(h));
	return send_raw(&x, IPPROTO_UDP, p, sizeof(h) + n);
}
