/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>

#include "sys/netlink.h"

struct want {
	sys_sock_cb cb;
	void *arg;
};

static int
sock_cb(void *arg, const struct nlmsghdr *h)
{
	const struct want *w = arg;
	struct inet_diag_msg m;
	struct sys_sock s = {0};

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	s.family = m.idiag_family;
	s.state = m.idiag_state;
	s.sport = ntohs(m.id.idiag_sport);
	s.dport = ntohs(m.id.idiag_dport);
	memcpy(s.src, m.id.idiag_src, sizeof(s.src));
	memcpy(s.dst, m.id.idiag_dst, sizeof(s.dst));
	s.ifindex = m.id.idiag_if;
	s.rqueue = m.idiag_rqueue;
	s.wqueue = m.idiag_wqueue;
	s.inode = m.idiag_inode;
	return w->cb(w->arg, &s);
}

int
sys_socks(int diag, int proto, uint32_t states, sys_sock_cb cb, void *arg)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct want w = {.cb = cb, .arg = arg};
	int r = 0;

	for (size_t i = 0; i < sizeof(families) && r >= 0; i++) {
		struct inet_diag_req_v2 q = {
		    .sdiag_family = families[i],
		    .sdiag_protocol = (uint8_t)proto,
		    .idiag_states = states,
		};

		r = nl_query(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &q,
		    sizeof(q), sock_cb, &w);
		if (r == -ENOENT) /* no such protocol here: no such sockets */
			r = 0;
	}
	return r < 0 ? r : 0;
}

static int
destroy_cb(void *arg, const struct sys_sock *s)
{
	struct nl_batch *q = arg;
	struct inet_diag_req_v2 d = {
	    .sdiag_family = s->family,
	    .sdiag_protocol = IPPROTO_TCP,
	    .idiag_states = SYS_TCPS_ALL,
	    .id = {.idiag_sport = htons(s->sport),
		.idiag_dport = htons(s->dport),
		.idiag_if = s->ifindex,
		.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};

	memcpy(d.id.idiag_src, s->src, sizeof(s->src));
	memcpy(d.id.idiag_dst, s->dst, sizeof(s->dst));
	nl_msg(q, NULL, SOCK_DESTROY, 0, &d, sizeof(d));
	return 0;
}

int
sys_socks_destroy(int diag)
{
	auto_nl_batch struct nl_batch q = {0};
	int r = sys_socks(diag, IPPROTO_TCP, SYS_TCPS_ALL, destroy_cb, &q);

	return r < 0 ? r : nl_run(diag, &q, NULL);
}

static void
format(int family, const uint8_t *a, uint16_t port, char ret[SYS_SOCK_STR])
{
	char s[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(family, a, s, sizeof(s));
	(void)snprintf(ret, SYS_SOCK_STR,
	    family == AF_INET6 ? "[%s]:%u" : "%s:%u", s, port);
}

void
sys_sock_src(const struct sys_sock *s, char ret[SYS_SOCK_STR])
{
	format(s->family, s->src, s->sport, ret);
}

void
sys_sock_dst(const struct sys_sock *s, char ret[SYS_SOCK_STR])
{
	format(s->family, s->dst, s->dport, ret);
}
