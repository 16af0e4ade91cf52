/* SPDX-License-Identifier: BSD-2-Clause
 *
 * UDP, ping and raw sockets. Datagrams that wait in a UDP socket travel: a
 * peek offset makes successive looks see successive datagrams, and a
 * temporary IP_PKTINFO which address each was sent to. What waits in the others
 * can't be put back and is an objection.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "snapst/inet.h"
#include "snapst/sockwas.h"

#define MSG_SIZE   65536
#define MSGS_MAX   65536
#define GROUPS_MAX 64

#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

static bool
dgram_match(const struct snap_fd *f)
{
	struct inet_kind k;

	if (!inet_kind_of(f, &k) ||
	    (k.family != AF_INET && k.family != AF_INET6))
		return false;
	return k.type == SOCK_RAW ||
	       (k.type == SOCK_DGRAM &&
		   (k.proto == IPPROTO_UDP || k.proto == IPPROTO_ICMP ||
		       k.proto == IPPROTO_ICMPV6));
}

static bool
readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
}

static int
dgram_check(struct snap *s, const struct snap_fd *f)
{
	auto_close int fd = inet_dup(f);
	struct inet_kind k = {0};
	socklen_t flt = 0;
	int v;

	if (fd < 0 || !inet_kind_of(f, &k))
		return 0; /* closed meanwhile */
	if (k.proto != IPPROTO_UDP && readable(fd))
		snap_object(s, f, "raw socket with unread packets");
	if (k.proto == IPPROTO_UDP &&
	    sys_opt_int(fd, IPPROTO_UDP, UDP_CORK, &v) >= 0 && v != 0)
		snap_object(s, f, "UDP socket with UDP_CORK set");
	if (k.proto == IPPROTO_UDP &&
	    sys_opt_int(fd, IPPROTO_UDP, UDP_ENCAP, &v) >= 0 && v != 0)
		snap_object(s, f, "UDP socket that encapsulates (UDP_ENCAP)");
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &flt) < 0 &&
	    errno == EACCES)
		snap_object(s, f, "socket with an eBPF filter");
	return 0;
}

struct groups {
	struct vd_mcast v[GROUPS_MAX];
	uint8_t addr[GROUPS_MAX][16];
	size_t n;
};

/* 1: the socket is a member, -EOPNOTSUPP: of single sources. */
static int
is_member(int fd, int family, uint32_t ifindex, const uint8_t *a)
{
	struct group_filter g = {.gf_interface = ifindex};
	socklen_t n = GROUP_FILTER_SIZE(0);
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;

	if (family == AF_INET) {
		struct sockaddr_in *s = (void *)&g.gf_group;

		s->sin_family = AF_INET;
		memcpy(&s->sin_addr, a, 4);
	} else {
		struct sockaddr_in6 *s = (void *)&g.gf_group;

		s->sin6_family = AF_INET6;
		memcpy(&s->sin6_addr, a, 16);
	}
	if (getsockopt(fd, level, MCAST_MSFILTER, &g, &n) < 0)
		return 0;
	return g.gf_numsrc > 0 || g.gf_fmode != MCAST_EXCLUDE ? -EOPNOTSUPP : 1;
}

static int
add_group(
    int fd, int family, uint32_t ifindex, const uint8_t *a, struct groups *g)
{
	size_t n = family == AF_INET ? 4 : 16;
	int r = is_member(fd, family, ifindex, a);

	if (r <= 0)
		return r;
	if (g->n == GROUPS_MAX)
		return -E2BIG;
	memcpy(g->addr[g->n], a, n);
	g->v[g->n].ifindex = ifindex;
	g->v[g->n].group = (struct vd_bytes){g->addr[g->n], n};
	g->n++;
	return 0;
}

/* Which groups anybody in the namespace is in; the socket is asked of each. */
static int
read_groups4(struct snap *s, int fd, struct groups *g)
{
	auto_buf struct buf b = {0};
	unsigned ifindex = 0, addr;
	char path[48], *save = NULL;
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/igmp", snap_init(s));
	r = file_read(-1, path, &b, 1 << 20);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	buf_add(&b, "", 1);
	if (buf_err(&b) < 0)
		return buf_err(&b);
	for (char *l = strtok_r((char *)b.data, "\n", &save); l != NULL;
	     l = strtok_r(NULL, "\n", &save)) {
		if (l[0] != '\t' && sscanf(l, "%u", &ifindex) == 1)
			continue;
		if (l[0] != '\t' || sscanf(l, " %8x", &addr) != 1)
			continue;
		r = add_group(fd, AF_INET, ifindex, (uint8_t *)&addr, g);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_groups6(struct snap *s, int fd, struct groups *g)
{
	auto_buf struct buf b = {0};
	char path[48], hex[33], *save = NULL;
	unsigned ifindex;
	uint8_t a[16];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/igmp6", snap_init(s));
	r = file_read(-1, path, &b, 1 << 20);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	buf_add(&b, "", 1);
	if (buf_err(&b) < 0)
		return buf_err(&b);
	for (char *l = strtok_r((char *)b.data, "\n", &save); l != NULL;
	     l = strtok_r(NULL, "\n", &save)) {
		if (sscanf(l, "%u %*s %32s", &ifindex, hex) != 2)
			continue;
		for (int i = 0; i < 16; i++) {
			char two[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

			a[i] = (uint8_t)strtoul(two, NULL, 16);
		}
		r = add_group(fd, AF_INET6, ifindex, a, g);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One datagram as recvmsg(2) gives it. */
struct got {
	struct sockaddr_storage from;
	uint8_t to[16];
	size_t nto;
	ssize_t n;
};

static int
peek_one(int fd, uint8_t *b, struct got *ret)
{
	struct iovec v = {b, MSG_SIZE};
	char c[512];
	struct msghdr m = {.msg_name = &ret->from,
	    .msg_namelen = sizeof(ret->from),
	    .msg_iov = &v,
	    .msg_iovlen = 1,
	    .msg_control = c,
	    .msg_controllen = sizeof(c)};

	ret->nto = 0;
	ret->n = recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT);
	if (ret->n < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (struct cmsghdr *x = CMSG_FIRSTHDR(&m); x != NULL;
	     x = CMSG_NXTHDR(&m, x)) {
		if (x->cmsg_level == IPPROTO_IP && x->cmsg_type == IP_PKTINFO) {
			const struct in_pktinfo *i = (void *)CMSG_DATA(x);

			memcpy(ret->to, &i->ipi_addr, 4);
			ret->nto = 4;
		}
		if (x->cmsg_level == IPPROTO_IPV6 &&
		    x->cmsg_type == IPV6_PKTINFO) {
			const struct in6_pktinfo *i = (void *)CMSG_DATA(x);

			memcpy(ret->to, &i->ipi6_addr, 16);
			ret->nto = 16;
		}
	}
	return 1;
}

static int
put_msg(struct snap *s, uint32_t id, const uint8_t *b, const struct got *g)
{
	struct vd_dgrammsg m = {
	    .id = id, .to = {g->to, g->nto}, .data = {b, (size_t)g->n}};

	if (g->from.ss_family == AF_INET) {
		const struct sockaddr_in *a = (const void *)&g->from;

		m.from = (struct vd_bytes){(const void *)&a->sin_addr, 4};
		m.port = ntohs(a->sin_port);
	} else {
		const struct sockaddr_in6 *a = (const void *)&g->from;

		m.from = (struct vd_bytes){(const void *)&a->sin6_addr, 16};
		m.port = ntohs(a->sin6_port);
	}
	return vd_put(snap_writer(s), &vd_type_dgrammsg, &m);
}

static int
put_queue(struct snap *s, int fd, uint32_t id, const struct inet_kind *k)
{
	auto_free uint8_t *b = malloc(MSG_SIZE);
	int level = k->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
	int opt = k->family == AF_INET ? IP_PKTINFO : IPV6_RECVPKTINFO;
	int off = -1, info = 0, r;

	if (b == NULL)
		return -ENOMEM;
	if (!readable(fd))
		return 0;
	(void)sys_opt_int(fd, SOL_SOCKET, SO_PEEK_OFF, &off);
	(void)sys_opt_int(fd, level, opt, &info);
	snap_sock_note(s, fd,
	    (const struct snap_opt[]){
		{SOL_SOCKET, SO_PEEK_OFF, off}, {level, opt, info}},
	    2);
	r = sys_opt_put(fd, SOL_SOCKET, SO_PEEK_OFF, 0);
	if (r >= 0)
		r = sys_opt_put(fd, level, opt, 1);
	for (unsigned i = 0; r >= 0 && i < MSGS_MAX; i++) {
		struct got g;

		r = peek_one(fd, b, &g);
		if (r <= 0)
			break;
		r = put_msg(s, id, b, &g);
	}
	(void)sys_opt_put(fd, level, opt, info);
	(void)sys_opt_put(fd, SOL_SOCKET, SO_PEEK_OFF, off);
	return r;
}

static int
dump_with(struct snap *s, const struct snap_fd *f, uint32_t id,
    const struct inet_kind *k, struct inet_facts *x, struct groups *g,
    struct vps_err *e)
{
	struct vd_dgram v = {.id = id,
	    .sock = &x->rec,
	    .n_sock = 1,
	    .type = (uint32_t)k->type,
	    .proto = (uint32_t)k->proto};
	struct icmp_filter flt;
	socklen_t n = sizeof(flt);
	int r = read_groups4(s, f->fd, g);

	if (r >= 0 && k->family == AF_INET6)
		r = read_groups6(s, f->fd, g);
	if (r == -EOPNOTSUPP)
		return vps_err_say(e, r,
		    "UDP port %u: a multicast membership with sources",
		    x->rec.lport);
	if (r < 0)
		return vps_err_set(e, r, "multicast memberships");
	v.groups = g->v;
	v.n_groups = g->n;
	if (k->type == SOCK_RAW && k->family == AF_INET &&
	    k->proto == IPPROTO_ICMP &&
	    getsockopt(f->fd, SOL_RAW, ICMP_FILTER, &flt, &n) == 0)
		v.icmp_filter = (struct vd_bytes){(void *)&flt, n};
	if (k->proto != IPPROTO_UDP && readable(f->fd))
		return vps_err_say(
		    e, -EOPNOTSUPP, "raw socket with unread packets");
	r = vd_put(snap_writer(s), &vd_type_dgram, &v);
	if (r >= 0 && k->proto == IPPROTO_UDP)
		r = put_queue(s, f->fd, id, k);
	return r < 0
		   ? vps_err_set(e, r, "datagram socket, port %u", x->rec.lport)
		   : 0;
}

static int
dgram_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	auto_free struct inet_facts *x = calloc(1, sizeof(*x));
	auto_free struct groups *g = calloc(1, sizeof(*g));
	struct inet_kind k = {0};
	int r;

	if (x == NULL || g == NULL)
		return vps_err_set(e, -ENOMEM, "datagram socket");
	(void)inet_kind_of(f, &k);
	r = inet_facts(s, f, &k, x, e);
	if (r < 0)
		return r;
	r = dump_with(s, f, id, &k, x, g, e);
	inet_facts_fini(x);
	return r;
}

const struct snap_kind snap_dgram = {
    .name = "datagram socket",
    .number = VD_T_dgram,
    .match = dgram_match,
    .check = dgram_check,
    .dump = dgram_dump,
};
