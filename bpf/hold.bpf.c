/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hold: attached to both directions of the host's end of each pair of an
 * instance, and of its lo, from its start on; one word says what passes. Plain
 * uapi headers: no kernel type is looked into.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include "hold.h"

#define FN(n) __attribute__((always_inline)) static n

static long (*const load_relative)(const void *skb, unsigned off, void *to,
    unsigned len, unsigned start) = (void *)BPF_FUNC_skb_load_bytes_relative;

#define IPPROTO_TCP_   6
#define TCP_FLAGS      13
#define TCP_FLAG_SYN_  0x02
#define TCP_FLAG_ACK_  0x10
#define BE16(x)        __builtin_bswap16(x)
#define TCP_OF_NOTHING 0

/* Where the TCP header begins behind the network header, 0: no TCP, or not the
 * first fragment. */
FN(unsigned tcp_offset)(struct __sk_buff *skb)
{
	unsigned char b[10];

	if (skb->protocol == BE16(ETH_P_IP)) {
		if (load_relative(skb, 0, b, sizeof(b), BPF_HDR_START_NET) < 0)
			return TCP_OF_NOTHING;
		if (b[9] != IPPROTO_TCP_ || (b[6] & 0x1f) != 0 || b[7] != 0)
			return TCP_OF_NOTHING;
		return (b[0] & 15u) * 4;
	}
	if (skb->protocol == BE16(ETH_P_IPV6)) {
		if (load_relative(skb, 0, b, sizeof(b), BPF_HDR_START_NET) < 0)
			return TCP_OF_NOTHING;
		return b[6] == IPPROTO_TCP_ ? 40 : TCP_OF_NOTHING;
	}
	return TCP_OF_NOTHING;
}

__attribute__((section("tc"), used)) int
hold(struct __sk_buff *skb)
{
	struct hold_state *s = (void *)HOLD_STATE_MARK;
	unsigned verdict = *(volatile unsigned *)&s->verdict;
	unsigned char flags;
	unsigned off;

	if (verdict == HOLD_PASS)
		return TC_ACT_UNSPEC;
	if (skb->mark == HOLD_LO_MARK && skb->ifindex == HOLD_LO_IFINDEX)
		return TC_ACT_UNSPEC;
	if (verdict == HOLD_NEW) {
		/* The host's end receives what the instance sends; on lo each
		 * packet is sent before it is received. */
		if (skb->ingress_ifindex == skb->ifindex)
			return TC_ACT_UNSPEC;
		off = tcp_offset(skb);
		if (off == 0 || load_relative(skb, off + TCP_FLAGS, &flags, 1,
				    BPF_HDR_START_NET) < 0)
			return TC_ACT_UNSPEC;
		if ((flags & (TCP_FLAG_SYN_ | TCP_FLAG_ACK_)) != TCP_FLAG_SYN_)
			return TC_ACT_UNSPEC;
	}
	__sync_fetch_and_add(&s->dropped, 1);
	return TC_ACT_SHOT;
}
