/* SPDX-License-Identifier: BSD-2-Clause
 * Netlink sockets. */
#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "restore/rst.h"
#include "sys/sockopt.h"

static int
configure(int fd, const struct vd_netlink *v)
{
	struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_pid = v->portid};
	int now, r = 0;

	if (v->portid != 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	for (size_t i = 0; i < v->n_groups && r >= 0; i++)
		r = sys_opt_put(
		    fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, (int)v->groups[i]);
	for (size_t i = 0; i < v->n_opts && r >= 0; i++)
		r = sys_opt_put(fd, SOL_NETLINK, (int)v->opts[i], 1);
	/* As far as the limit of this host lets it. */
	if (r >= 0 && sys_opt_int(fd, SOL_SOCKET, SO_RCVBUF, &now) >= 0 &&
	    now != (int)v->rcvbuf)
		r = sys_opt_put(
		    fd, SOL_SOCKET, SO_RCVBUF, (int)(v->rcvbuf / 2));
	return r;
}

static int
netlink_make(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	const struct vd_netlink *v = f->rec;
	auto_close int fd = -1;
	int r;

	(void)rst;
	if (v->type != SOCK_RAW && v->type != SOCK_DGRAM)
		return vps_err_say(
		    e, -EBADMSG, "a netlink record makes no sense");
	fd = socket(AF_NETLINK, (int)v->type | SOCK_CLOEXEC, (int)v->proto);
	r = fd < 0 ? -errno : configure(fd, v);
	if (r < 0)
		return vps_err_set(
		    e, r, "netlink socket of protocol %u", v->proto);
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_netlink = {
    .number = VD_T_netlink,
    .make = netlink_make,
};
