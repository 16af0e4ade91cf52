/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Attaching is by clsact and cls_bpf, which every kernel has that matters. The
 * qdisc and filters live as long as their device, the program and its map as
 * long as the filters.
 */
#include "net/hold.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "../bpf/hold.h"
#include "base/auto.h"
#include "hold_insns.h"
#include "net/net_i.h"
#include "sys/bpf.h"
#include "sys/netlink.h"

#define PRIO 1

_Static_assert((int)NET_HOLD_PASS == HOLD_PASS &&
		   (int)NET_HOLD_NEW == HOLD_NEW &&
		   (int)NET_HOLD_ALL == HOLD_ALL,
    "verdicts");

/* A number can name something else after a reboot or a wrong state file. */
static void
map_name(const char *id, char ret[BPF_OBJ_NAME_LEN])
{
	(void)snprintf(ret, BPF_OBJ_NAME_LEN, "vps_%08x", net_hash(id));
}

static int
load(int map)
{
	uint64_t insn[ARRAY_LEN(hold_insns)];

	memcpy(insn, hold_insns, sizeof(insn));
	for (size_t i = 0; i + 1 < ARRAY_LEN(insn); i++) {
		uint64_t v;

		if ((insn[i] & 0xff) != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		v = insn[i] >> 32 | (insn[i + 1] & ~0xffffffffULL);
		if (v >= HOLD_STATE_MARK &&
		    v < HOLD_STATE_MARK + sizeof(struct hold_state)) {
			insn[i] = (insn[i] & 0xfff) |
				  BPF_PSEUDO_MAP_VALUE << 12 |
				  (uint64_t)map << 32;
			insn[i + 1] = (v - HOLD_STATE_MARK) << 32;
		}
		i++;
	}
	return bpf_prog_new(
	    BPF_PROG_TYPE_SCHED_CLS, "vps_hold", insn, ARRAY_LEN(insn));
}

static void
put_filter(
    struct nl_batch *q, const char *what, int ifindex, uint32_t hook, int prog)
{
	struct tcmsg t = {
	    .tcm_ifindex = ifindex,
	    .tcm_parent = TC_H_MAKE(TC_H_CLSACT, hook),
	    .tcm_handle = 1,
	    .tcm_info = TC_H_MAKE(PRIO << 16, htons(ETH_P_ALL)),
	};
	size_t opt;

	nl_msg(
	    q, what, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &t, sizeof(t));
	nl_attr_str(q, TCA_KIND, "bpf");
	opt = nl_nest(q, TCA_OPTIONS);
	nl_attr_u32(q, TCA_BPF_FD, (uint32_t)prog);
	nl_attr_str(q, TCA_BPF_NAME, "vps_hold");
	nl_attr_u32(q, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	nl_nest_end(q, opt);
}

static void
put_hold(struct nl_batch *q, const char *what, int ifindex, int prog)
{
	struct tcmsg t = {
	    .tcm_ifindex = ifindex,
	    .tcm_parent = TC_H_CLSACT,
	    .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
	};

	nl_msg(q, what, RTM_NEWQDISC, NLM_F_CREATE, &t, sizeof(t));
	nl_attr_str(q, TCA_KIND, "clsact");
	put_filter(q, what, ifindex, TC_H_MIN_INGRESS, prog);
	put_filter(q, what, ifindex, TC_H_MIN_EGRESS, prog);
}

static int
attach_lo(int netns, int prog)
{
	auto_nl_batch struct nl_batch q = {0};
	auto_close int nl = nl_open_at(NETLINK_ROUTE, netns);

	if (nl < 0)
		return nl;
	put_hold(&q, "lo", 1, prog);
	return nl_run(nl, &q, NULL);
}

static int
attach_host(const struct net_cfg *c, int prog, struct vps_err *e)
{
	auto_nl_batch struct nl_batch q = {0};
	auto_close int nl = nl_open(NETLINK_ROUTE);
	char host[NET_IF_MAX][IFNAMSIZ];
	const char *what = "";
	int r;

	if (nl < 0)
		return vps_err_set(e, nl, "netlink");
	for (unsigned i = 0; i < c->nifs && i < NET_IF_MAX; i++) {
		int idx;

		net_host_name(c->id, c->ifs[i].n, host[i]);
		idx = net_ifindex(host[i]);
		if (idx < 0)
			return vps_err_set(e, idx, "interface %s", host[i]);
		put_hold(&q, host[i], idx, prog);
	}
	r = nl_run(nl, &q, &what);
	if (r < 0)
		return vps_err_set(e, r, "hold on %s", what);
	return 0;
}

int
net_hold_setup(const struct net_cfg *c, int netns, enum net_hold v,
    uint32_t *ret_id, struct vps_err *e)
{
	auto_close int map = -1, prog = -1;
	char name[BPF_OBJ_NAME_LEN];
	struct bpf_map_info info;
	int r;

	map_name(c->id, name);
	map = bpf_array_new(name, sizeof(struct hold_state), 1);
	if (map < 0)
		return vps_err_set(e, map, "hold: make its map");
	r = net_hold_set(map, v);
	if (r >= 0)
		r = bpf_map_info(map, &info);
	if (r < 0)
		return vps_err_set(e, r, "hold: its map");
	prog = load(map);
	if (prog < 0)
		return vps_err_set(e, prog, "hold: load its program");
	r = attach_lo(netns, prog);
	if (r < 0)
		return vps_err_set(e, r, "hold on lo");
	r = attach_host(c, prog, e);
	if (r < 0)
		return r;
	*ret_id = info.id;
	return 0;
}

int
net_hold_open(const char *id, uint32_t map_id, struct vps_err *e)
{
	auto_close int map = -1;
	char name[BPF_OBJ_NAME_LEN];
	struct bpf_map_info info;
	int r;

	map_name(id, name);
	map = map_id == 0 ? -ENOENT : bpf_map_by_id(map_id);
	if (map < 0)
		return vps_err_set(e, map, "hold of %s", id);
	r = bpf_map_info(map, &info);
	if (r < 0)
		return vps_err_set(e, r, "hold of %s", id);
	if (strcmp(info.name, name) != 0 ||
	    info.value_size != sizeof(struct hold_state))
		return vps_err_set(e, -ENOENT, "hold of %s", id);
	return take_fd(&map);
}

int
net_hold_set(int hold, enum net_hold v)
{
	struct hold_state s = {0};
	int r = bpf_map_get(hold, 0, &s);

	if (r < 0)
		return r;
	s.verdict = v;
	return bpf_map_put(hold, 0, &s);
}

int
net_hold_get(int hold, enum net_hold *ret, uint64_t *ret_dropped)
{
	struct hold_state s;
	int r = bpf_map_get(hold, 0, &s);

	if (r < 0)
		return r;
	*ret = (enum net_hold)s.verdict;
	if (ret_dropped != NULL)
		*ret_dropped = s.dropped;
	return 0;
}

static int
count_cb(void *arg, const struct nlmsghdr *h)
{
	const struct nlattr *tb[TCA_MAX + 1], *opt[TCA_BPF_MAX + 1];
	unsigned *n = arg;

	if (h->nlmsg_type != RTM_NEWTFILTER)
		return 0;
	nl_attrs(h, sizeof(struct tcmsg), tb, TCA_MAX + 1);
	if (tb[TCA_KIND] == NULL || tb[TCA_OPTIONS] == NULL ||
	    nl_len(tb[TCA_KIND]) != 4 ||
	    memcmp(nl_data(tb[TCA_KIND]), "bpf", 4) != 0)
		return 0;
	nl_attrs_in(nl_data(tb[TCA_OPTIONS]), nl_len(tb[TCA_OPTIONS]), opt,
	    TCA_BPF_MAX + 1);
	if (opt[TCA_BPF_ID] != NULL)
		(*n)++;
	return 0;
}

int
net_hold_check(const struct net_cfg *c, int netns, int hold, struct vps_err *e)
{
	auto_close int nl = nl_open_at(NETLINK_ROUTE, netns), prog = -1;
	unsigned n = 0;
	int r;

	if (nl < 0)
		return vps_err_set(e, nl, "network namespace of %s", c->id);
	for (int i = 0; i < 2; i++) {
		struct tcmsg t = {
		    .tcm_ifindex = 1,
		    .tcm_parent = TC_H_MAKE(TC_H_CLSACT,
			i == 0 ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS),
		};

		r = nl_query(nl, RTM_GETTFILTER, NLM_F_DUMP, &t, sizeof(t),
		    count_cb, &n);
		if (r < 0 && r != -EINVAL && r != -ENOENT)
			return vps_err_set(e, r, "%s: filters of lo", c->id);
	}
	if (n >= 2)
		return 0;
	prog = load(hold);
	if (prog < 0)
		return vps_err_set(e, prog, "hold: load its program");
	r = attach_lo(netns, prog);
	if (r < 0 && r != -EEXIST)
		return vps_err_set(e, r, "hold on lo of %s", c->id);
	return 0;
}
