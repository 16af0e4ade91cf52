/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Netlink sockets: address, groups, options. An answer or a notice that waits
 * to be read can't be put back and is an objection; so are protocols whose
 * kernel side keeps state for a socket. Packet sockets are objections too.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "snapst/inet.h"

#define GROUPS_MAX 512

static bool
netlink_match(const struct snap_fd *f)
{
	struct inet_kind k;

	return inet_kind_of(f, &k) && k.family == AF_NETLINK;
}

static bool
carried(int proto)
{
	return proto == NETLINK_ROUTE || proto == NETLINK_SOCK_DIAG ||
	       proto == NETLINK_AUDIT || proto == NETLINK_KOBJECT_UEVENT ||
	       proto == NETLINK_GENERIC;
}

static bool
waits(int fd)
{
	char b;

	return recv(fd, &b, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

static int
netlink_check(struct snap *s, const struct snap_fd *f)
{
	auto_close int fd = inet_dup(f);
	struct inet_kind k = {0};

	if (fd < 0 || !inet_kind_of(f, &k))
		return 0; /* closed meanwhile */
	if (!carried(k.proto))
		snap_object(s, f, "netlink socket of protocol %d", k.proto);
	else if (waits(fd))
		snap_object(s, f, "netlink socket with unread messages");
	return 0;
}

static const uint32_t opts[] = {NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR,
    NETLINK_NO_ENOBUFS, NETLINK_CAP_ACK, NETLINK_EXT_ACK,
    NETLINK_GET_STRICT_CHK};

static int
netlink_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	uint32_t on[ARRAY_LEN(opts)], groups[GROUPS_MAX];
	uint32_t mask[GROUPS_MAX / 32] = {0};
	struct vd_netlink v = {.id = id, .opts = on, .groups = groups};
	struct sockaddr_nl a = {0};
	socklen_t n = sizeof(a);
	struct inet_kind k = {0};
	int x, r;

	(void)inet_kind_of(f, &k);
	v.type = (uint32_t)k.type;
	v.proto = (uint32_t)k.proto;
	if (!carried(k.proto) || waits(f->fd))
		return vps_err_say(e, -EOPNOTSUPP,
		    "netlink socket of protocol %d with unread messages",
		    k.proto);
	if (getsockname(f->fd, (struct sockaddr *)&a, &n) == 0)
		v.portid = a.nl_pid;
	n = sizeof(mask);
	if (getsockopt(f->fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, mask, &n) <
	    0)
		return vps_err_set(e, -errno, "groups of a netlink socket");
	for (unsigned i = 0; i < GROUPS_MAX; i++)
		if ((mask[i / 32] >> i % 32 & 1) != 0)
			groups[v.n_groups++] = i + 1;
	for (size_t i = 0; i < ARRAY_LEN(opts); i++)
		if (sys_opt_int(f->fd, SOL_NETLINK, (int)opts[i], &x) >= 0 &&
		    x != 0)
			on[v.n_opts++] = opts[i];
	if (sys_opt_int(f->fd, SOL_SOCKET, SO_RCVBUF, &x) >= 0)
		v.rcvbuf = (uint32_t)x;
	r = vd_put(snap_writer(s), &vd_type_netlink, &v);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

const struct snap_kind snap_netlink = {
    .name = "netlink socket",
    .number = VD_T_netlink,
    .match = netlink_match,
    .check = netlink_check,
    .dump = netlink_dump,
};
