/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tells the neighbours on the outer links where an address is now: gratuitous
 * ARP (RFC 5227: a request and a reply, since some listen to one only) and
 * unsolicited neighbour advertisements with the override flag (RFC 4861
 * 7.2.6), through packet sockets.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/buf.h"
#include "net/net.h"
#include "net/net_i.h"
#include "sys/netlink.h"

#define LOG_SUBSYS "net"
#include "base/log.h"

struct arp_eth {
	struct ethhdr eth;
	uint16_t hrd, pro;
	uint8_t hln, pln;
	uint16_t op;
	uint8_t sha[6], spa[4], tha[6], tpa[4];
} __attribute__((packed));

struct na_eth {
	struct ethhdr eth;
	struct ip6_hdr ip;
	struct nd_neighbor_advert na;
	uint8_t opt_type, opt_len, opt_mac[6];
} __attribute__((packed));

static int
link_mac(int fd, const char *name, uint8_t ret[6])
{
	struct ifreq r = {0};

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		return -errno;
	if (r.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return -EOPNOTSUPP;
	memcpy(ret, r.ifr_hwaddr.sa_data, 6);
	return 0;
}

static int
send_frame(int fd, int ifindex, const void *p, size_t n)
{
	struct sockaddr_ll to = {
	    .sll_family = AF_PACKET,
	    .sll_ifindex = ifindex,
	    .sll_halen = 6,
	};

	memcpy(to.sll_addr, p, 6);
	if (sendto(fd, p, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) <
	    0)
		return -errno;
	return 0;
}

static int
send_arp(int fd, int ifindex, const uint8_t mac[6], const struct net_addr *a)
{
	struct arp_eth m = {
	    .eth = {.h_proto = htons(ETH_P_ARP)},
	    .hrd = htons(ARPHRD_ETHER),
	    .pro = htons(ETH_P_IP),
	    .hln = 6,
	    .pln = 4,
	    .op = htons(ARPOP_REQUEST),
	};
	int r;

	memset(m.eth.h_dest, 0xff, 6);
	memcpy(m.eth.h_source, mac, 6);
	memcpy(m.sha, mac, 6);
	memcpy(m.spa, a->b, 4);
	memcpy(m.tpa, a->b, 4);
	r = send_frame(fd, ifindex, &m, sizeof(m));
	if (r < 0)
		return r;
	m.op = htons(ARPOP_REPLY);
	memcpy(m.tha, mac, 6);
	return send_frame(fd, ifindex, &m, sizeof(m));
}

static uint32_t
sum16(uint32_t s, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(b[i] << 8 | b[i + 1]);
	return s;
}

static int
send_na(int fd, int ifindex, const uint8_t mac[6], const struct net_addr *a)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};
	const size_t plen = sizeof(struct nd_neighbor_advert) + 8;
	struct na_eth m = {
	    .eth = {.h_proto = htons(ETH_P_IPV6),
		.h_dest = {0x33, 0x33, 0, 0, 0, 1}},
	    .opt_type = ND_OPT_TARGET_LINKADDR,
	    .opt_len = 1,
	};
	uint32_t s;

	memcpy(m.eth.h_source, mac, 6);
	m.ip.ip6_flow = htonl(6u << 28);
	m.ip.ip6_plen = htons((uint16_t)plen);
	m.ip.ip6_nxt = IPPROTO_ICMPV6;
	m.ip.ip6_hlim = 255;
	memcpy(&m.ip.ip6_src, a->b, 16);
	memcpy(&m.ip.ip6_dst, all_nodes, 16);
	m.na.nd_na_type = ND_NEIGHBOR_ADVERT;
	m.na.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE | ND_NA_FLAG_ROUTER;
	memcpy(&m.na.nd_na_target, a->b, 16);
	memcpy(m.opt_mac, mac, 6);
	s = sum16((uint32_t)plen + IPPROTO_ICMPV6, &m.ip.ip6_src, 32);
	s = sum16(s, &m.na, plen);
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	m.na.nd_na_cksum = htons((uint16_t)~s);
	return send_frame(fd, ifindex, &m, sizeof(m));
}

static int
announce_addr(int nl, int fd, const struct net_addr *a)
{
	struct net_outer o;
	uint8_t mac[6];
	int r = net_outer_of(nl, a, &o);

	if (r < 0)
		return r;
	if (o.ifindex == 0)
		return 0;
	r = link_mac(fd, o.name, mac);
	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r; /* nobody resolves there */
	return a->family == AF_INET ? send_arp(fd, o.ifindex, mac, a)
				    : send_na(fd, o.ifindex, mac, a);
}

int
net_announce(const struct net_cfg *c, struct vps_err *e)
{
	auto_close int nl = nl_open(NETLINK_ROUTE);
	auto_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int err = 0;

	if (nl < 0)
		return vps_err_set(e, nl, "netlink");
	if (fd < 0)
		return vps_err_set(e, -errno, "packet socket");
	for (unsigned i = 0; i < c->nifs; i++) {
		for (unsigned k = 0; k < c->ifs[i].naddr; k++) {
			const struct net_addr *a = &c->ifs[i].addr[k];
			char s[INET6_ADDRSTRLEN];
			int r = announce_addr(nl, fd, a);

			net_addr_str(a, s, sizeof(s));
			if (r < 0) /* the others are announced all the same */
				err = vps_err_set(e, r, "announce %s", s);
		}
	}
	return err;
}

int
net_announce_ms(unsigned round)
{
	static const int at[] = {0, 30, 100, 300, 1000, 3000, 10000};

	return round < ARRAY_LEN(at) ? at[round] : -1;
}

static void
hook_env(const struct net_cfg *c, struct buf *addrs, struct buf *ifs)
{
	buf_adds(addrs, "VPS_ADDRESSES=");
	buf_adds(ifs, "VPS_INTERFACES=");
	for (unsigned i = 0; i < c->nifs; i++) {
		char host[IFNAMSIZ];

		net_host_name(c->id, c->ifs[i].n, host);
		buf_addf(ifs, "%s%s", i > 0 ? " " : "", host);
		for (unsigned k = 0; k < c->ifs[i].naddr; k++) {
			char s[INET6_ADDRSTRLEN];

			net_addr_str(&c->ifs[i].addr[k], s, sizeof(s));
			buf_addf(addrs, "%s%s", i + k > 0 ? " " : "", s);
		}
	}
}

int
net_hook(
    const struct net_cfg *c, const char *command, pid_t *ret, struct vps_err *e)
{
	auto_buf struct buf addrs = {0}, ifs = {0}, id = {0};
	char sh[] = "/bin/sh", opt[] = "-c";
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
		      "/sbin:/bin";
	auto_free char *cmd = strdup(command);
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t at;
	sigset_t none;
	pid_t pid;
	int r;

	hook_env(c, &addrs, &ifs);
	buf_addf(&id, "VPS_ID=%s", c->id);
	/* A NUL behind each: buf_str() is const, the vector isn't. */
	buf_add(&addrs, "", 1);
	buf_add(&ifs, "", 1);
	buf_add(&id, "", 1);
	if (cmd == NULL || buf_err(&addrs) < 0 || buf_err(&ifs) < 0 ||
	    buf_err(&id) < 0)
		return vps_err_set(e, -ENOMEM, "run %s", command);
	{
		char *argv[] = {sh, opt, cmd, NULL};
		char *env[] = {path, (char *)id.data, (char *)addrs.data,
		    (char *)ifs.data, NULL};

		(void)posix_spawn_file_actions_init(&fa);
		(void)posix_spawn_file_actions_addopen(
		    &fa, 0, "/dev/null", O_RDONLY, 0);
		(void)posix_spawnattr_init(&at);
		(void)sigemptyset(&none);
		(void)posix_spawnattr_setsigmask(&at, &none);
		(void)posix_spawnattr_setflags(&at, POSIX_SPAWN_SETSIGMASK);
		r = -posix_spawn(&pid, sh, &fa, &at, argv, env);
		(void)posix_spawnattr_destroy(&at);
		(void)posix_spawn_file_actions_destroy(&fa);
	}
	if (r < 0)
		return vps_err_set(e, r, "run %s", command);
	*ret = pid;
	return 0;
}
