/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pairs and what is inside. Two batches of netlink messages: one on the
 * host, one by a socket opened in the instance's namespace, which needs no
 * process there.
 *
 * The instance's interfaces are point to point in all but name: no ARP and no
 * ND are needed between the ends (permanent entries at both), so that nobody
 * inside can pretend to be somebody else and no entry can run out while the
 * traffic is held. Default routes go to link-local gateways that are the same
 * on every host.
 */
#include "net/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "net/net_i.h"
#include "sys/netlink.h"

#define LOG_SUBSYS "net"
#include "base/log.h"

static const uint8_t gw4[4] = {169, 254, 0, 1};
static const uint8_t gw6[16] = {0xfe, 0x80, [15] = 1};

static uint64_t
hash(const char *s, unsigned n)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	h = (h ^ 0x100 ^ n) * 0x100000001b3;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9;
	return h ^ h >> 32;
}

uint32_t
net_hash(const char *s)
{
	return (uint32_t)hash(s, 0);
}

void
net_host_name(const char *id, unsigned n, char ret[IFNAMSIZ])
{
	int w = snprintf(ret, IFNAMSIZ, "vps.%s.%u", id, n);

	if (w >= IFNAMSIZ)
		(void)snprintf(
		    ret, IFNAMSIZ, "vps-%08x.%u", net_hash(id), n % NET_IF_MAX);
}

void
net_mac(const struct net_cfg *c, const struct net_if *f, uint8_t ret[6])
{
	static const uint8_t none[6];
	uint64_t h = hash(c->id, f->n);

	memcpy(ret, f->mac, 6);
	if (memcmp(ret, none, 6) != 0)
		return;
	ret[0] = 0x02; /* locally administered */
	for (int i = 1; i < 6; i++)
		ret[i] = (uint8_t)(h >> 8 * i);
}

void
net_addr_str(const struct net_addr *a, char *s, size_t n)
{
	if (inet_ntop(a->family, a->b, s, (socklen_t)n) == NULL && n > 0)
		*s = '\0';
}

/* fe80::/64 with the interface identifier of the MAC address. */
static void
link_local(const uint8_t mac[6], uint8_t ret[16])
{
	const uint8_t a[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1],
	    mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]};

	memcpy(ret, a, sizeof(a));
}

/* Made from inside, where the number matters: of a pair only the first can have
 * one that is asked for, and only then. `ns` is where the other end goes. */
static void
put_pair(struct nl_batch *q, const struct net_cfg *c, const struct net_if *f,
    int ns, const char *host)
{
	struct ifinfomsg h = {.ifi_index = (int)(NET_IFINDEX + f->n)};
	struct ifinfomsg peer = {.ifi_family = AF_UNSPEC};
	char name[IFNAMSIZ];
	uint8_t mac[6];
	size_t info, data, p;

	net_mac(c, f, mac);
	(void)snprintf(name, sizeof(name), "vps%u", f->n);
	nl_msg(q, host, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_attr_str(q, IFLA_IFNAME, name);
	nl_attr(q, IFLA_ADDRESS, mac, sizeof(mac));
	if (f->mtu != 0)
		nl_attr_u32(q, IFLA_MTU, f->mtu);
	info = nl_nest(q, IFLA_LINKINFO);
	nl_attr_str(q, IFLA_INFO_KIND, "veth");
	data = nl_nest(q, IFLA_INFO_DATA);
	p = nl_nest(q, VETH_INFO_PEER);
	nl_raw(q, &peer, sizeof(peer));
	nl_attr_str(q, IFLA_IFNAME, host);
	nl_attr(q, IFLA_ADDRESS, NET_HOST_MAC, 6);
	if (f->mtu != 0)
		nl_attr_u32(q, IFLA_MTU, f->mtu);
	nl_attr_u32(q, IFLA_NET_NS_FD, (uint32_t)ns);
	nl_nest_end(q, p);
	nl_nest_end(q, data);
	nl_nest_end(q, info);
}

/* Addresses come from us alone. The host's end also forwards. The kernel
 * applies flags before settings, so these are two messages. */
static void
put_link_up(struct nl_batch *q, const char *what, int ifindex, bool host)
{
	struct ifinfomsg h = {.ifi_index = ifindex};
	size_t spec, af, conf;

	nl_msg(q, what, RTM_SETLINK, 0, &h, sizeof(h));
	spec = nl_nest(q, IFLA_AF_SPEC);
	af = nl_nest(q, AF_INET6);
	nl_attr_u8(q, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nl_nest_end(q, af);
	nl_nest_end(q, spec);
	nl_may_fail(q); /* a kernel without IPv6 */
	if (host) {
		nl_msg(q, what, RTM_SETLINK, 0, &h, sizeof(h));
		spec = nl_nest(q, IFLA_AF_SPEC);
		af = nl_nest(q, AF_INET);
		conf = nl_nest(q, IFLA_INET_CONF);
		nl_attr_u32(q, IPV4_DEVCONF_FORWARDING, 1);
		nl_attr_u32(q, IPV4_DEVCONF_PROXY_ARP, 1);
		nl_nest_end(q, conf);
		nl_nest_end(q, af);
		nl_nest_end(q, spec);
	}
	h.ifi_flags = h.ifi_change = IFF_UP;
	nl_msg(q, what, RTM_NEWLINK, 0, &h, sizeof(h));
}

static void
put_addr(struct nl_batch *q, const char *what, int ifindex, int family,
    const void *a, unsigned plen, uint8_t scope)
{
	struct ifaddrmsg h = {
	    .ifa_family = (uint8_t)family,
	    .ifa_prefixlen = (uint8_t)plen,
	    .ifa_scope = scope,
	    .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
	    .ifa_index = (uint32_t)ifindex,
	};
	size_t n = family == AF_INET ? 4 : 16;

	nl_msg(
	    q, what, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &h, sizeof(h));
	nl_attr(q, IFA_LOCAL, a, n);
	nl_attr(q, IFA_ADDRESS, a, n);
}

static void
put_neigh(struct nl_batch *q, const char *what, int ifindex, int family,
    const void *a, const void *mac)
{
	struct ndmsg h = {
	    .ndm_family = (uint8_t)family,
	    .ndm_ifindex = ifindex,
	    .ndm_state = NUD_PERMANENT,
	};

	nl_msg(
	    q, what, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &h, sizeof(h));
	nl_attr(q, NDA_DST, a, family == AF_INET ? 4 : 16);
	nl_attr(q, NDA_LLADDR, mac, 6);
}

/* Only the first interface's route is used while it is there: the metric. */
static void
put_default(
    struct nl_batch *q, const char *what, const struct net_if *f, int family)
{
	struct rtmsg h = {
	    .rtm_family = (uint8_t)family,
	    .rtm_table = RT_TABLE_MAIN,
	    .rtm_protocol = RTPROT_BOOT,
	    .rtm_type = RTN_UNICAST,
	    .rtm_flags = RTNH_F_ONLINK,
	};
	bool v4 = family == AF_INET;

	nl_msg(q, what, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &h, sizeof(h));
	nl_attr(q, RTA_GATEWAY, v4 ? gw4 : gw6, v4 ? 4 : 16);
	nl_attr_u32(q, RTA_OIF, NET_IFINDEX + f->n);
	nl_attr_u32(q, RTA_PRIORITY, v4 ? f->n : 1024 + f->n);
}

static bool
has_family(const struct net_if *f, int family)
{
	for (unsigned i = 0; i < f->naddr; i++)
		if (f->addr[i].family == family)
			return true;
	return false;
}

static void
put_inside(struct nl_batch *q, const struct net_cfg *c, const struct net_if *f)
{
	int idx = (int)(NET_IFINDEX + f->n);
	uint8_t mac[6], ll[16];

	net_mac(c, f, mac);
	link_local(mac, ll);
	put_link_up(q, "interface inside", idx, false);
	if (has_family(f, AF_INET6)) {
		put_addr(q, "link-local address", idx, AF_INET6, ll, 64,
		    RT_SCOPE_LINK);
		put_neigh(q, "gateway", idx, AF_INET6, gw6, NET_HOST_MAC);
	}
	if (has_family(f, AF_INET))
		put_neigh(q, "gateway", idx, AF_INET, gw4, NET_HOST_MAC);
	for (unsigned i = 0; i < f->naddr; i++)
		put_addr(q, "address", idx, f->addr[i].family, f->addr[i].b,
		    f->addr[i].family == AF_INET ? 32 : 128, RT_SCOPE_UNIVERSE);
	if (has_family(f, AF_INET))
		put_default(q, "default route", f, AF_INET);
	if (has_family(f, AF_INET6))
		put_default(q, "IPv6 default route", f, AF_INET6);
}

static void
put_host(struct nl_batch *q, const struct net_cfg *c, const struct net_if *f,
    const char *host, int ifindex)
{
	uint8_t mac[6];

	net_mac(c, f, mac);
	put_link_up(q, host, ifindex, true);
	if (has_family(f, AF_INET6))
		put_addr(q, host, ifindex, AF_INET6, gw6, 64, RT_SCOPE_LINK);
	for (unsigned i = 0; i < f->naddr; i++)
		put_neigh(
		    q, host, ifindex, f->addr[i].family, f->addr[i].b, mac);
}

int
net_ifindex(const char *name)
{
	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {0};

	if (fd < 0)
		return -errno;
	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFINDEX, &r) < 0)
		return -errno;
	return r.ifr_ifindex;
}

static void
drop_link(int nl, const char *host)
{
	auto_nl_batch struct nl_batch q = {0};
	struct ifinfomsg h = {.ifi_family = AF_UNSPEC};
	int r;

	nl_msg(&q, NULL, RTM_DELLINK, 0, &h, sizeof(h));
	nl_attr_str(&q, IFLA_IFNAME, host);
	r = nl_run(nl, &q, NULL);
	if (r < 0) /* gone with its namespace, most likely */
		log_dbg("remove interface %s: %s", host, strerror(-r));
}

/* The pairs and all that is inside, in one batch. */
static int
make_inside(const struct net_cfg *c, int nl, int inl, struct vps_err *e)
{
	auto_nl_batch struct nl_batch q = {0};
	auto_close int ns = -1;
	struct ifinfomsg lo = {
	    .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	char host[NET_IF_MAX][IFNAMSIZ];
	const char *what = "";
	int r;

	ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return vps_err_set(e, -errno, "/proc/thread-self/ns/net");
	for (unsigned i = 0; i < c->nifs; i++) {
		net_host_name(c->id, c->ifs[i].n, host[i]);
		put_pair(&q, c, &c->ifs[i], ns, host[i]);
	}
	nl_msg(&q, "lo", RTM_NEWLINK, 0, &lo, sizeof(lo));
	for (unsigned i = 0; i < c->nifs; i++)
		put_inside(&q, c, &c->ifs[i]);
	r = nl_run(inl, &q, &what);
	if (r >= 0)
		return 0;
	for (unsigned i = 0; i < c->nifs && q.err == 0; i++)
		if (q.ent[i].err == 0)
			drop_link(nl, host[i]);
	return vps_err_set(e, r, "network of %s: %s", c->id, what);
}

static int
bring_up_host(const struct net_cfg *c, int nl, struct vps_err *e)
{
	auto_nl_batch struct nl_batch q = {0};
	char host[NET_IF_MAX][IFNAMSIZ];
	const char *what = "";
	int r;

	for (unsigned i = 0; i < c->nifs; i++) {
		int idx;

		net_host_name(c->id, c->ifs[i].n, host[i]);
		idx = net_ifindex(host[i]);
		if (idx < 0)
			return vps_err_set(e, idx, "interface %s", host[i]);
		put_host(&q, c, &c->ifs[i], host[i], idx);
	}
	r = nl_run(nl, &q, &what);
	if (r < 0)
		return vps_err_set(e, r, "interface %s: set up", what);
	return 0;
}

static int
ignore_cb(void *arg, const struct nlmsghdr *h)
{
	(void)arg;
	(void)h;
	return 0;
}

/* The end inside came up first, without a carrier: until the kernel's worker
 * has seen that there is one now, it drops what it is to send. Since Linux 6.9
 * asking for a link waits for that. */
static void
settle(const struct net_cfg *c, int inl)
{
	for (unsigned i = 0; i < c->nifs; i++) {
		struct ifinfomsg h = {
		    .ifi_index = (int)(NET_IFINDEX + c->ifs[i].n)};

		(void)nl_query(
		    inl, RTM_GETLINK, 0, &h, sizeof(h), ignore_cb, NULL);
	}
}

int
net_setup(const struct net_cfg *c, int netns, struct vps_err *e)
{
	auto_close int nl = nl_open(NETLINK_ROUTE);
	auto_close int inl = -1;
	int r;

	if (nl < 0)
		return vps_err_set(e, nl, "netlink");
	if (c->nifs > NET_IF_MAX)
		return vps_err_say(e, -E2BIG, "%s: more than %d interfaces",
		    c->id, NET_IF_MAX);
	inl = nl_open_at(NETLINK_ROUTE, netns);
	if (inl < 0)
		return vps_err_set(e, inl, "network namespace of %s", c->id);
	r = make_inside(c, nl, inl, e);
	if (r < 0)
		return r;
	r = bring_up_host(c, nl, e);
	if (r >= 0)
		settle(c, inl);
	else
		net_shed_links(c, nl, true);
	return r;
}

static int
shed(int nl, int ifindex, bool down)
{
	auto_nl_batch struct nl_batch q = {0};
	struct ifinfomsg h = {.ifi_index = ifindex};
	char name[IFNAMSIZ];

	if (down) {
		h.ifi_change = IFF_UP;
		nl_msg(&q, NULL, RTM_NEWLINK, 0, &h, sizeof(h));
		h.ifi_change = 0;
	}
	(void)snprintf(name, sizeof(name), "vps~%x", (unsigned)ifindex);
	nl_msg(&q, NULL, RTM_SETLINK, 0, &h, sizeof(h));
	nl_attr_str(&q, IFLA_IFNAME, name);
	return nl_run(nl, &q, NULL);
}

/* Deleting takes 30 ms, so it is left to the end of the namespace. Out of the
 * way is at once; down takes 1.5 ms and is needed before that until Linux 6.2.
 */
void
net_shed_links(const struct net_cfg *c, int nl, bool down)
{
	for (unsigned i = 0; i < c->nifs; i++) {
		char host[IFNAMSIZ];
		int idx, r;

		net_host_name(c->id, c->ifs[i].n, host);
		idx = net_ifindex(host);
		if (idx < 0)
			continue; /* gone with its namespace */
		r = shed(nl, idx, down);
		if (r == -EBUSY && !down)
			r = shed(nl, idx, true);
		if (r < 0)
			log_dbg("interface %s: %s", host, strerror(-r));
	}
}
