/* SPDX-License-Identifier: BSD-2-Clause
 * What the kinds of internet sockets share. */
#pragma once
#include "base/buf.h"
#include "snapst/snap.h"
#include "sys/sockopt.h"

struct inet_kind {
	int family, type, proto;
};

/* What a descriptor is; false: no socket. In a check a duplicate is made for
 * the question. */
bool inet_kind_of(const struct snap_fd *f, struct inet_kind *ret);
/* Our duplicate, or one made now (close it): for checks. Negative errno. */
int inet_dup(const struct snap_fd *f);

/* Everything that a record of type inetsock points to. */
struct inet_facts {
	struct vd_inetsock rec;
	struct vd_sockopt opt[SYS_OPTS];
	struct sys_optval now[SYS_OPTS];
	uint8_t laddr[16], raddr[16];
	struct buf filter; /* owned */
};
int inet_facts(struct snap *s, const struct snap_fd *f,
    const struct inet_kind *k, struct inet_facts *ret, struct vps_err *e);
void inet_facts_fini(struct inet_facts *x);
/* The peer of a socket that has none yet for getpeername(2): SYN_SENT. */
int
inet_peer_asked(struct snap *s, const struct snap_fd *f, struct inet_facts *x);
/* Leaves an option out. */
void inet_facts_drop(struct inet_facts *x, int level, int name);
/* The network namespace of the instance, to be closed. */
int inet_netns(const struct snap *s);
