/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who has an instance's addresses: routes on the host, proxy ARP and ND on the
 * link where others look for them (the outer link), forwarding between the
 * two. Routes carry our protocol number, proxy entries too.
 */
#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "net/net.h"
#include "net/net_i.h"
#include "sys/netlink.h"

#define LOG_SUBSYS "net"
#include "base/log.h"

/* How the host would reach an address now. */
struct way {
	unsigned type; /* RTN_*; RTN_UNSPEC: not at all */
	unsigned plen;
	unsigned proto;
	int oif;
};

static int
way_cb(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[RTA_MAX + 1];
	struct way *w = arg;
	struct rtmsg m;

	if (h->nlmsg_type != RTM_NEWROUTE ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	nl_attrs(h, sizeof(m), tb, RTA_MAX + 1);
	w->type = m.rtm_type;
	w->plen = m.rtm_dst_len;
	w->proto = m.rtm_protocol;
	w->oif = (int)nl_get_u32(tb[RTA_OIF]);
	if (w->oif == 0 && tb[RTA_MULTIPATH] != NULL &&
	    nl_len(tb[RTA_MULTIPATH]) >= sizeof(struct rtnexthop)) {
		struct rtnexthop nh;

		memcpy(&nh, nl_data(tb[RTA_MULTIPATH]), sizeof(nh));
		w->oif = nh.rtnh_ifindex;
	}
	return 0;
}

/* IPv4 answers a question about a blackhole by the error that a packet would
 * get, -EINVAL; and an unknown destination by -ENETUNREACH. */
static int
find_way(int nl, const struct net_addr *a, struct way *ret)
{
	struct {
		struct rtmsg m;
		struct nlattr at;
		uint8_t b[16];
	} q = {
	    .m = {.rtm_family = a->family,
		.rtm_dst_len = a->family == AF_INET ? 32 : 128,
		.rtm_flags = RTM_F_FIB_MATCH},
	    .at = {.nla_len = (uint16_t)(NLA_HDRLEN + net_addr_len(a)),
		.nla_type = RTA_DST},
	};
	struct way w = {0};
	int r;

	memcpy(q.b, a->b, net_addr_len(a));
	r = nl_query(nl, RTM_GETROUTE, 0, &q,
	    sizeof(q.m) + sizeof(q.at) + net_addr_len(a), way_cb, &w);
	if (r == -EINVAL)
		w.type = RTN_BLACKHOLE;
	else if (r < 0 && r != -ENETUNREACH && r != -EHOSTUNREACH &&
		 r != -EACCES)
		return r;
	*ret = w;
	return 0;
}

/* A way to anywhere: when the one to the address is our own route or drop. The
 * addresses are those reserved for documentation. */
static const struct net_addr anywhere[2] = {
    {AF_INET, {192, 0, 2, 1}},
    {AF_INET6, {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
};

struct onlink {
	const struct net_addr *a;
	unsigned best; /* longest prefix so far */
	int ifindex;
};

static bool
in_prefix(const uint8_t *a, const uint8_t *net, unsigned plen)
{
	if (memcmp(a, net, plen / 8) != 0)
		return false;
	return plen % 8 == 0 ||
	       (a[plen / 8] ^ net[plen / 8]) >> (8 - plen % 8) == 0;
}

static int
onlink_cb(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IFA_MAX + 1];
	struct onlink *o = arg;
	size_t n = net_addr_len(o->a);
	struct ifaddrmsg m;

	if (h->nlmsg_type != RTM_NEWADDR ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	nl_attrs(h, sizeof(m), tb, IFA_MAX + 1);
	if (m.ifa_family != o->a->family || tb[IFA_ADDRESS] == NULL ||
	    nl_len(tb[IFA_ADDRESS]) != n || m.ifa_prefixlen >= n * 8 ||
	    m.ifa_prefixlen < o->best)
		return 0;
	if (!in_prefix(o->a->b, nl_data(tb[IFA_ADDRESS]), m.ifa_prefixlen))
		return 0;
	o->best = m.ifa_prefixlen;
	o->ifindex = (int)m.ifa_index;
	return 0;
}

static int
link_name_cb(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IFLA_MAX + 1];
	struct net_outer *o = arg;
	struct ifinfomsg m;

	if (h->nlmsg_type != RTM_NEWLINK ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	nl_attrs(h, sizeof(m), tb, IFLA_MAX + 1);
	if (tb[IFLA_IFNAME] == NULL || nl_len(tb[IFLA_IFNAME]) > IFNAMSIZ)
		return 0;
	memcpy(o->name, nl_data(tb[IFLA_IFNAME]), nl_len(tb[IFLA_IFNAME]));
	o->name[IFNAMSIZ - 1] = '\0';
	if ((m.ifi_flags & IFF_LOOPBACK) != 0)
		o->ifindex = 0;
	return 0;
}

int
net_outer_of(int nl, const struct net_addr *a, struct net_outer *ret)
{
	const struct ifaddrmsg all = {.ifa_family = a->family};
	struct ifinfomsg h = {.ifi_family = AF_UNSPEC};
	struct onlink on = {.a = a};
	struct net_outer o = {0};
	struct way w = {0};
	int r;

	/* A prefix of the host's that has the address; else where the default
	 * route goes. */
	r = nl_query(
	    nl, RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all), onlink_cb, &on);
	if (r < 0)
		return r;
	o.ifindex = on.ifindex;
	if (o.ifindex == 0) {
		r = find_way(nl, &anywhere[a->family == AF_INET6], &w);
		if (r < 0)
			return r;
		if (w.type == RTN_UNICAST)
			o.ifindex = w.oif;
	}
	if (o.ifindex != 0) {
		h.ifi_index = o.ifindex;
		r = nl_query(
		    nl, RTM_GETLINK, 0, &h, sizeof(h), link_name_cb, &o);
		if (r < 0)
			return r;
	}
	*ret = o;
	return 0;
}

static int
check_addr(int nl, const struct net_addr *a, int own, struct vps_err *e)
{
	char s[INET6_ADDRSTRLEN];
	struct way w;
	int r;

	net_addr_str(a, s, sizeof(s));
	r = find_way(nl, a, &w);
	if (r < 0)
		return vps_err_set(e, r, "route to %s", s);
	if (w.type == RTN_LOCAL || w.type == RTN_BROADCAST ||
	    w.type == RTN_MULTICAST || w.type == RTN_ANYCAST)
		return vps_err_say(
		    e, -EADDRINUSE, "address %s belongs to this host", s);
	if (w.type == RTN_UNICAST && w.plen == net_addr_len(a) * 8 &&
	    w.oif != own)
		return vps_err_say(e, -EADDRINUSE,
		    "address %s is routed elsewhere already%s", s,
		    w.proto == NET_ROUTE_PROTO ? ", to another instance" : "");
	return 0;
}

static int
knob_path(char *p, size_t n, const char *ver, const char *dir,
    const char *ifname, const char *key)
{
	return str_fmt(
	    p, n, "/proc/sys/net/%s/%s/%s/%s", ver, dir, ifname, key);
}

/* A setting of an interface; negative errno, -ENOENT if there is none. */
static int
knob_get(const char *ver, const char *dir, const char *ifname, const char *key)
{
	char p[128], v[24];
	int64_t n;
	int r = knob_path(p, sizeof(p), ver, dir, ifname, key);

	if (r >= 0)
		r = file_read_str(-1, p, v, sizeof(v));
	if (r >= 0)
		r = str_i64(v, 10, &n);
	return r < 0 ? r : (int)n;
}

static int
knob_set(const char *ver, const char *dir, const char *ifname, const char *key,
    const char *v)
{
	char p[128];
	int r = knob_path(p, sizeof(p), ver, dir, ifname, key);

	return r < 0 ? r : file_write(-1, p, v);
}

static int
knob_on(const char *ver, const char *ifname, const char *key)
{
	int r = knob_get(ver, "conf", ifname, key);

	return r != 0 ? (r < 0 ? r : 0)
		      : knob_set(ver, "conf", ifname, key, "1");
}

/* A link that has learnt its default route from advertisements would lose it
 * by becoming a forwarding one. */
static bool
lives_on_ra(const char *ifname)
{
	return knob_get("ipv6", "conf", ifname, "forwarding") == 0 &&
	       knob_get("ipv6", "conf", ifname, "accept_ra") == 1;
}

static int
forward_check(int family, const char *ifname, bool outer_ra, struct vps_err *e)
{
	if (family == AF_INET)
		return 0;
	if (knob_get("ipv6", "conf", "all", "forwarding") != 1 &&
	    knob_get("ipv6", "conf", ifname, "force_forwarding") < 0)
		return vps_err_say(e, -EPERM,
		    "this host doesn't forward IPv6: set "
		    "net.ipv6.conf.all.forwarding=1 (sysctl.conf(5))");
	if (outer_ra)
		return vps_err_say(e, -EPERM,
		    "%s gets its routes by router advertisements and would "
		    "lose them by forwarding IPv6: set "
		    "net.ipv6.conf.%s.accept_ra=2 (sysctl.conf(5))",
		    ifname, ifname);
	return 0;
}

static int
forward_on(int family, const char *ifname)
{
	int r;

	if (family == AF_INET)
		return knob_on("ipv4", ifname, "forwarding");
	r = knob_on("ipv6", ifname, "forwarding");
	if (r < 0)
		return r;
	r = knob_on("ipv6", ifname, "force_forwarding");
	return r == -ENOENT ? 0 : r;
}

/* The host answers for the address at once, not after the random delay that
 * is meant for several proxies on a link. */
static int
open_outer(int family, const char *ifname)
{
	const char *ver = family == AF_INET ? "ipv4" : "ipv6";
	int r = forward_on(family, ifname);

	if (r < 0)
		return r;
	if (knob_get(ver, "neigh", ifname, "proxy_delay") > 0)
		(void)knob_set(ver, "neigh", ifname, "proxy_delay", "0");
	return family == AF_INET ? 0 : knob_on(ver, ifname, "proxy_ndp");
}

struct ra_seek {
	int ifindex;
	bool found;
};

static int
ra_cb(void *arg, const struct nlmsghdr *h)
{
	struct ra_seek *s = arg;
	struct way w = {0};

	(void)way_cb(&w, h);
	if (w.proto == RTPROT_RA && w.oif == s->ifindex)
		s->found = true;
	return s->found ? -ECANCELED : 0;
}

/* Only asked when the answer can matter: the table may be long. */
static bool
has_ra_route(int nl, int ifindex)
{
	const struct rtmsg h = {.rtm_family = AF_INET6};
	struct ra_seek s = {.ifindex = ifindex};

	(void)nl_query(nl, RTM_GETROUTE, NLM_F_DUMP, &h, sizeof(h), ra_cb, &s);
	return s.found;
}

static int
check_outer(
    int nl, const struct net_addr *a, struct net_outer *o, struct vps_err *e)
{
	char s[INET6_ADDRSTRLEN];
	bool ra;
	int r;

	net_addr_str(a, s, sizeof(s));
	r = net_outer_of(nl, a, o);
	if (r < 0)
		return vps_err_set(e, r, "outer link of %s", s);
	if (o->ifindex == 0)
		return 0;
	ra = a->family == AF_INET6 && lives_on_ra(o->name) &&
	     has_ra_route(nl, o->ifindex);
	return forward_check(a->family, o->name, ra, e);
}

int
net_check(const struct net_cfg *c, struct vps_err *e)
{
	auto_close int nl = nl_open(NETLINK_ROUTE);

	if (nl < 0)
		return vps_err_set(e, nl, "netlink");
	for (unsigned i = 0; i < c->nifs; i++) {
		char host[IFNAMSIZ];
		int own;

		net_host_name(c->id, c->ifs[i].n, host);
		own = net_ifindex(host);
		for (unsigned k = 0; k < c->ifs[i].naddr; k++) {
			const struct net_addr *a = &c->ifs[i].addr[k];
			struct net_outer o;
			int r = check_addr(nl, a, own, e);

			if (r >= 0)
				r = check_outer(nl, a, &o, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

static void
put_route(struct nl_batch *q, uint16_t type, const struct net_addr *a,
    unsigned rtype, int ifindex)
{
	bool v4 = a->family == AF_INET;
	struct rtmsg h = {
	    .rtm_family = a->family,
	    .rtm_dst_len = v4 ? 32 : 128,
	    .rtm_table = RT_TABLE_MAIN,
	    .rtm_protocol = NET_ROUTE_PROTO,
	    .rtm_type = (uint8_t)rtype,
	    .rtm_scope =
		v4 && rtype == RTN_UNICAST ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	};
	bool add = type == RTM_NEWROUTE;

	if (!add)
		h.rtm_scope = RT_SCOPE_NOWHERE;
	nl_msg(q, "route", type, add ? NLM_F_CREATE | NLM_F_REPLACE : 0, &h,
	    sizeof(h));
	nl_attr(q, RTA_DST, a->b, net_addr_len(a));
	if (ifindex > 0)
		nl_attr_u32(q, RTA_OIF, (uint32_t)ifindex);
	if (!v4)
		nl_attr_u32(q, RTA_PRIORITY, 1024);
}

static void
put_proxy(
    struct nl_batch *q, uint16_t type, const struct net_addr *a, int ifindex)
{
	struct ndmsg h = {
	    .ndm_family = a->family,
	    .ndm_ifindex = ifindex,
	    .ndm_flags = NTF_PROXY,
	    .ndm_state = NUD_PERMANENT,
	};

	nl_msg(q, "proxy entry", type,
	    type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0, &h,
	    sizeof(h));
	nl_attr(q, NDA_DST, a->b, net_addr_len(a));
	if (type == RTM_NEWNEIGH)
		nl_attr_u8(q, NDA_PROTOCOL, NET_ROUTE_PROTO);
}

/* Forwarding on the way that packets of this address take. */
static int
open_ways(const struct net_addr *a, const char *host, const struct net_outer *o,
    struct vps_err *e)
{
	int r = 0;

	/* IPv4 of the host's end was set when it was made. */
	if (a->family == AF_INET6)
		r = forward_on(AF_INET6, host);
	if (r < 0)
		return vps_err_set(e, r, "%s: forwarding", host);
	if (o->ifindex == 0)
		return 0;
	r = open_outer(a->family, o->name);
	if (r < 0)
		return vps_err_set(e, r,
		    "%s: forwarding can't be switched on; set "
		    "net.%s.conf.%s.forwarding=1 (sysctl.conf(5))",
		    o->name, a->family == AF_INET ? "ipv4" : "ipv6", o->name);
	return 0;
}

static int
claim_if(const struct net_cfg *c, const struct net_if *f, int nl,
    struct nl_batch *q, struct vps_err *e)
{
	char host[IFNAMSIZ];
	int own;

	net_host_name(c->id, f->n, host);
	own = net_ifindex(host);
	if (own < 0)
		return vps_err_set(e, own, "interface %s", host);
	for (unsigned k = 0; k < f->naddr; k++) {
		struct net_outer o;
		int r = check_addr(nl, &f->addr[k], own, e);

		if (r >= 0)
			r = check_outer(nl, &f->addr[k], &o, e);
		if (r >= 0)
			r = open_ways(&f->addr[k], host, &o, e);
		if (r < 0)
			return r;
		put_route(q, RTM_NEWROUTE, &f->addr[k], RTN_UNICAST, own);
		if (o.ifindex != 0)
			put_proxy(q, RTM_NEWNEIGH, &f->addr[k], o.ifindex);
	}
	return 0;
}

int
net_claim(const struct net_cfg *c, struct vps_err *e)
{
	auto_nl_batch struct nl_batch q = {0};
	auto_close int nl = nl_open(NETLINK_ROUTE);
	const char *what = "";
	int r;

	if (nl < 0)
		return vps_err_set(e, nl, "netlink");
	for (unsigned i = 0; i < c->nifs; i++) {
		r = claim_if(c, &c->ifs[i], nl, &q, e);
		if (r < 0)
			return r;
	}
	r = nl_run(nl, &q, &what);
	if (r < 0) {
		net_unclaim(c);
		return vps_err_set(
		    e, r, "network of %s: %s on the host", c->id, what);
	}
	return 0;
}

struct proxies {
	const struct net_cfg *c;
	struct nl_batch *q;
};

static int
proxy_cb(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[NDA_MAX + 1];
	const struct proxies *p = arg;
	struct ndmsg m;

	if (h->nlmsg_type != RTM_NEWNEIGH ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	nl_attrs(h, sizeof(m), tb, NDA_MAX + 1);
	if ((m.ndm_flags & NTF_PROXY) == 0 || tb[NDA_DST] == NULL)
		return 0;
	for (unsigned i = 0; i < p->c->nifs; i++) {
		for (unsigned k = 0; k < p->c->ifs[i].naddr; k++) {
			const struct net_addr *a = &p->c->ifs[i].addr[k];

			if (a->family != m.ndm_family ||
			    nl_len(tb[NDA_DST]) != net_addr_len(a) ||
			    memcmp(nl_data(tb[NDA_DST]), a->b,
				net_addr_len(a)) != 0)
				continue;
			put_proxy(p->q, RTM_DELNEIGH, a, m.ndm_ifindex);
			nl_may_fail(p->q);
		}
	}
	return 0;
}

static void
put_no_proxies(const struct net_cfg *c, int nl, struct nl_batch *q)
{
	const struct ndmsg h = {.ndm_flags = NTF_PROXY};
	struct proxies p = {.c = c, .q = q};
	int r =
	    nl_query(nl, RTM_GETNEIGH, NLM_F_DUMP, &h, sizeof(h), proxy_cb, &p);

	if (r < 0)
		log_dbg("%s: list proxy entries: %s", c->id, strerror(-r));
}

/* Replaces (or removes: RTN_UNSPEC) all routes. */
static void
put_routes(const struct net_cfg *c, struct nl_batch *q, unsigned rtype)
{
	for (unsigned i = 0; i < c->nifs; i++) {
		for (unsigned k = 0; k < c->ifs[i].naddr; k++) {
			put_route(q,
			    rtype == RTN_UNSPEC ? RTM_DELROUTE : RTM_NEWROUTE,
			    &c->ifs[i].addr[k], rtype, 0);
			if (rtype == RTN_UNSPEC)
				nl_may_fail(q);
		}
	}
}

static int
change(const struct net_cfg *c, unsigned rtype, bool links, const char **what)
{
	auto_nl_batch struct nl_batch q = {0};
	auto_close int nl = nl_open(NETLINK_ROUTE);
	int r;

	if (nl < 0)
		return nl;
	put_routes(c, &q, rtype);
	put_no_proxies(c, nl, &q);
	r = nl_run(nl, &q, what);
	if (r >= 0 && links)
		net_shed_links(c, nl, rtype != RTN_UNSPEC);
	return r;
}

void
net_unclaim(const struct net_cfg *c)
{
	(void)change(c, RTN_UNSPEC, false, NULL);
}

int
net_silence(const struct net_cfg *c, struct vps_err *e)
{
	const char *what = "netlink";
	int r = change(c, RTN_BLACKHOLE, true, &what);

	if (r < 0)
		return vps_err_set(
		    e, r, "silence the network of %s: %s", c->id, what);
	return 0;
}

void
net_forget(const struct net_cfg *c)
{
	(void)change(c, RTN_UNSPEC, false, NULL);
}

void
net_teardown(const struct net_cfg *c)
{
	(void)change(c, RTN_UNSPEC, true, NULL);
}
