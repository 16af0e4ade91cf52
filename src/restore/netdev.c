/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The network namespace as a whole: what root inside had added is added again
 * in its name. The interfaces are there already.
 */
#include "restore/netdev.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "sys/netlink.h"

#define LOG_SUBSYS "restore"
#include "base/log.h"

int
rst_netsysctl(struct rst *rst, const void *rec, struct vps_err *e)
{
	const struct vd_netsysctl *v = rec;
	char path[128], now[256];
	int r;

	(void)rst;
	if (strstr(v->key, "..") != NULL)
		return vps_err_say(e, -EBADMSG, "setting net/%s", v->key);
	r = str_fmt(path, sizeof(path), "/proc/sys/net/%s", v->key);
	if (r < 0)
		return vps_err_say(e, -EBADMSG, "setting net/%s", v->key);
	if (file_read_str(-1, path, now, sizeof(now)) >= 0 &&
	    strcmp(now, v->value) == 0)
		return 0;
	r = file_write(-1, path, v->value);
	/* Where root inside can't write, it wasn't root inside who set it. */
	if (r == -EROFS || r == -EACCES || r == -EPERM || r == -ENOENT) {
		log_dbg("net/%s stays as this host has it", v->key);
		return 0;
	}
	return r < 0 ? vps_err_set(e, r, "setting net/%s", v->key) : 0;
}

static size_t
head_of(uint32_t type)
{
	switch (type) {
	case RTM_NEWADDR:
		return sizeof(struct ifaddrmsg);
	case RTM_NEWROUTE:
	case RTM_NEWRULE:
		return sizeof(struct rtmsg);
	default:
		return 0;
	}
}

/* The state of an address is the kernel's to say; bind() has to work at once,
 * so no duplicate is looked for. */
static void
put_attrs(
    struct nl_batch *q, uint32_t type, const struct vd_bytes *b, size_t head)
{
	const struct nlattr *tb[64];

	nl_attrs_in(b->p + NLMSG_ALIGN(head), b->n - NLMSG_ALIGN(head), tb, 64);
	for (uint16_t i = 0; i < 64; i++) {
		uint32_t flags;

		if (tb[i] == NULL ||
		    (type == RTM_NEWROUTE && i == RTA_CACHEINFO))
			continue;
		if (type != RTM_NEWADDR || i != IFA_FLAGS) {
			nl_attr(
			    q, tb[i]->nla_type, nl_data(tb[i]), nl_len(tb[i]));
			continue;
		}
		flags = nl_get_u32(tb[i]) &
			~(uint32_t)(IFA_F_TENTATIVE | IFA_F_DADFAILED |
				    IFA_F_PERMANENT | IFA_F_SECONDARY);
		nl_attr_u32(q, IFA_FLAGS, flags | IFA_F_NODAD);
	}
}

int
rst_netmsg(struct rst *rst, const void *rec, struct vps_err *e)
{
	auto_nl_batch struct nl_batch q = {0};
	const struct vd_netmsg *v = rec;
	size_t head = head_of(v->type);
	auto_close int nl = -1;
	int r;

	(void)rst;
	if (head == 0 || v->data.n < NLMSG_ALIGN(head) || v->data.n > 65536)
		return vps_err_say(e, -EBADMSG,
		    "a network record makes no "
		    "sense");
	nl = nl_open(NETLINK_ROUTE);
	if (nl < 0)
		return vps_err_set(e, nl, "netlink");
	nl_msg(&q, NULL, (uint16_t)v->type,
	    NLM_F_CREATE |
		(v->type == RTM_NEWRULE ? NLM_F_EXCL : NLM_F_REPLACE),
	    v->data.p, head);
	put_attrs(&q, v->type, &v->data, head);
	r = nl_run(nl, &q, NULL);
	if (r == -EEXIST)
		r = 0;
	return r < 0 ? vps_err_set(e, r, "network: %s",
			   v->type == RTM_NEWADDR    ? "address"
			   : v->type == RTM_NEWROUTE ? "route"
						     : "rule")
		     : 0;
}
