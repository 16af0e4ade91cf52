/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The network namespace as a whole. lo and vps<n> with their configured
 * addresses are there already when an instance is restored; what root inside
 * has added travels as the rtnetlink messages that the kernel describes it
 * with. Neighbours and learnt routes come back by themselves.
 */
#include "snapst/netdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "net/net.h"
#include "snapst/inet.h"
#include "sys/netlink.h"

static const char *const knobs[] = {
    "core/somaxconn",
    "ipv4/conf/all/accept_redirects",
    "ipv4/conf/all/arp_filter",
    "ipv4/conf/all/arp_ignore",
    "ipv4/conf/all/rp_filter",
    "ipv4/conf/default/rp_filter",
    "ipv4/icmp_echo_ignore_all",
    "ipv4/icmp_echo_ignore_broadcasts",
    "ipv4/ip_default_ttl",
    "ipv4/ip_forward",
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/ip_nonlocal_bind",
    "ipv4/ip_unprivileged_port_start",
    "ipv4/ping_group_range",
    "ipv4/tcp_congestion_control",
    "ipv4/tcp_ecn",
    "ipv4/tcp_fastopen",
    "ipv4/tcp_fin_timeout",
    "ipv4/tcp_keepalive_intvl",
    "ipv4/tcp_keepalive_probes",
    "ipv4/tcp_keepalive_time",
    "ipv4/tcp_max_syn_backlog",
    "ipv4/tcp_mtu_probing",
    "ipv4/tcp_notsent_lowat",
    "ipv4/tcp_retries1",
    "ipv4/tcp_retries2",
    "ipv4/tcp_rmem",
    "ipv4/tcp_sack",
    "ipv4/tcp_slow_start_after_idle",
    "ipv4/tcp_syn_retries",
    "ipv4/tcp_synack_retries",
    "ipv4/tcp_syncookies",
    "ipv4/tcp_timestamps",
    "ipv4/tcp_tw_reuse",
    "ipv4/tcp_window_scaling",
    "ipv4/tcp_wmem",
    "ipv6/bindv6only",
    "ipv6/conf/all/disable_ipv6",
    "ipv6/conf/all/forwarding",
    "ipv6/conf/default/disable_ipv6",
    "ipv6/ip_nonlocal_bind",
    "unix/max_dgram_qlen",
};

struct dump {
	struct snap *s;
	uint16_t type;
};

/* Made by modules in every namespace, without being asked. */
static bool
by_itself(const char *name)
{
	static const char *const names[] = {"lo", "sit0", "tunl0", "ip6tnl0",
	    "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6gre0"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int
link_cb(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[IFLA_MAX + 1];
	char name[IFNAMSIZ] = "?";
	struct ifinfomsg m;

	if (h->nlmsg_type != RTM_NEWLINK ||
	    h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return 0;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	nl_attrs(h, sizeof(m), tb, IFLA_MAX + 1);
	if (tb[IFLA_IFNAME] != NULL && nl_len(tb[IFLA_IFNAME]) <= sizeof(name))
		memcpy(name, nl_data(tb[IFLA_IFNAME]), nl_len(tb[IFLA_IFNAME]));
	name[IFNAMSIZ - 1] = '\0';
	if (!by_itself(name) && (m.ifi_index < NET_IFINDEX ||
				    m.ifi_index >= NET_IFINDEX + NET_IF_MAX ||
				    !str_has_prefix(name, "vps")))
		snap_object(arg, NULL,
		    "network interface %s was made inside; remove it (ip link "
		    "del %s)",
		    name, name);
	return 0;
}

static int
open_nl(const struct snap *s)
{
	auto_close int ns = inet_netns(s);

	return ns < 0 ? ns : nl_open_at(NETLINK_ROUTE, ns);
}

int
snap_netdev_check(struct snap *s)
{
	const struct ifinfomsg h = {.ifi_family = AF_UNSPEC};
	auto_close int nl = open_nl(s);

	if (nl < 0)
		return nl;
	return nl_query(nl, RTM_GETLINK, NLM_F_DUMP, &h, sizeof(h), link_cb, s);
}

static bool
wanted_addr(const struct nlmsghdr *h)
{
	struct ifaddrmsg m;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return false;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	/* What lo has by itself. */
	return m.ifa_index != 1 || m.ifa_scope != RT_SCOPE_HOST;
}

static bool
wanted_route(const struct nlmsghdr *h)
{
	struct rtmsg m;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(m)))
		return false;
	memcpy(&m, NLMSG_DATA(h), sizeof(m));
	return (m.rtm_flags & RTM_F_CLONED) == 0 &&
	       m.rtm_protocol != RTPROT_KERNEL && m.rtm_protocol != RTPROT_RA &&
	       m.rtm_protocol != RTPROT_REDIRECT &&
	       m.rtm_table != RT_TABLE_LOCAL;
}

/* The three of IPv4 and two of IPv6 that are always there are the kernel's. */
static bool
wanted_rule(const struct nlmsghdr *h)
{
	const struct nlattr *tb[FRA_MAX + 1];

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(struct fib_rule_hdr)))
		return false;
	nl_attrs(h, sizeof(struct fib_rule_hdr), tb, FRA_MAX + 1);
	return tb[FRA_PROTOCOL] == NULL || nl_len(tb[FRA_PROTOCOL]) < 1 ||
	       *(const uint8_t *)nl_data(tb[FRA_PROTOCOL]) != RTPROT_KERNEL;
}

static int
put_cb(void *arg, const struct nlmsghdr *h)
{
	const struct dump *d = arg;
	struct vd_netmsg v = {.type = d->type};

	if (h->nlmsg_type != d->type ||
	    (d->type == RTM_NEWADDR && !wanted_addr(h)) ||
	    (d->type == RTM_NEWROUTE && !wanted_route(h)) ||
	    (d->type == RTM_NEWRULE && !wanted_rule(h)))
		return 0;
	v.data = (struct vd_bytes){NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN};
	return vd_put(snap_writer(d->s), &vd_type_netmsg, &v);
}

static int
put_msgs(struct snap *s, int nl)
{
	static const struct {
		uint16_t ask, type;
	} what[] = {{RTM_GETADDR, RTM_NEWADDR}, {RTM_GETROUTE, RTM_NEWROUTE},
	    {RTM_GETRULE, RTM_NEWRULE}};
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(what); i++) {
		for (size_t k = 0; k < ARRAY_LEN(families) && r >= 0; k++) {
			/* All three headers begin with the family. */
			uint8_t h[sizeof(struct rtmsg)] = {families[k]};
			struct dump d = {s, what[i].type};

			r = nl_query(nl, what[i].ask, NLM_F_DUMP, h, sizeof(h),
			    put_cb, &d);
			if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
				r = 0;
		}
	}
	return r;
}

static int
put_knobs(struct snap *s)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(knobs) && r >= 0; i++) {
		char path[128], v[256];

		r = str_fmt(path, sizeof(path), "/proc/sys/net/%s", knobs[i]);
		if (r < 0 || file_read_str(-1, path, v, sizeof(v)) < 0)
			continue; /* not in this kernel, or not readable */
		r = vd_put(snap_writer(s), &vd_type_netsysctl,
		    &(struct vd_netsysctl){knobs[i], v});
	}
	return r;
}

/* What /proc/sys/net shows depends on who looks. */
static int
put_knobs_inside(struct snap *s)
{
	auto_close int own = -1, ns = inet_netns(s);
	int r;

	if (ns < 0)
		return ns;
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	r = put_knobs(s);
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* going on in a foreign network would be worse */
	return r;
}

int
snap_netdev_dump(struct snap *s, struct vps_err *e)
{
	auto_close int nl = open_nl(s);
	int r = nl;

	if (r >= 0)
		r = put_knobs_inside(s);
	if (r >= 0)
		r = put_msgs(s, nl);
	return r < 0 ? vps_err_set(e, r, "network of the instance") : 0;
}
