/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Netlink (netlink(7), rtnetlink(7), sock_diag(7)): messages are put into a
 * batch, sent together, and each is acknowledged. A socket belongs to the
 * network namespace it was opened in, wherever its owner goes.
 */
#pragma once
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define NL_BATCH_MAX  1024
#define auto_nl_batch __attribute__((cleanup(nl_batch_fini)))

struct nl_batch {
	struct buf b;
	size_t msg; /* offset of the message under construction */
	unsigned n;
	struct {
		const char *what; /* borrowed: for the caller's error text */
		bool may_fail;
		int err; /* filled by nl_run() */
	} * ent;         /* owned */
	int err;         /* sticks */
};

int nl_open(int proto); /* NETLINK_ROUTE, ...; descriptor or negative errno */
/* The same in the network namespace behind `netns`. The calling thread enters
 * it for a moment. */
int nl_open_at(int proto, int netns);

void nl_batch_fini(struct nl_batch *q);
void nl_batch_reset(struct nl_batch *q);
/* Begins a message: `hdr` is what follows the netlink header. `what` is kept
 * for error texts. NLM_F_REQUEST and NLM_F_ACK are added. */
void nl_msg(struct nl_batch *q, const char *what, uint16_t type, uint16_t flags,
    const void *hdr, size_t n);
void nl_may_fail(struct nl_batch *q); /* the message begun last */
void nl_attr(struct nl_batch *q, uint16_t type, const void *p, size_t n);
void nl_attr_u8(struct nl_batch *q, uint16_t type, uint8_t v);
void nl_attr_u32(struct nl_batch *q, uint16_t type, uint32_t v);
void nl_attr_str(struct nl_batch *q, uint16_t type, const char *s);
size_t nl_nest(struct nl_batch *q, uint16_t type);
/* Raw bytes inside a nest, such as a peer's struct ifinfomsg. */
void nl_raw(struct nl_batch *q, const void *p, size_t n);
void nl_nest_end(struct nl_batch *q, size_t nest);

/* Sends all and takes the acknowledgements; the kernel works through the whole
 * batch whatever fails. The first failure of a message that may not fail is
 * returned, its name in *ret_what (NULL allowed). */
int nl_run(int fd, struct nl_batch *q, const char **ret_what);

/* Calls `cb` for every message of the answer to one request (flags:
 * NLM_F_DUMP for a dump, 0 for a single object). `cb` ends it by a negative
 * return. */
typedef int (*nl_cb)(void *arg, const struct nlmsghdr *h);
int nl_query(int fd, uint16_t type, uint16_t flags, const void *req, size_t n,
    nl_cb cb, void *arg);

/* Attributes behind a fixed header of `hdr` bytes, by number below `max`;
 * those missing are NULL. Lengths are checked; payload by nl_data(). */
void nl_attrs(const struct nlmsghdr *h, size_t hdr, const struct nlattr **tb,
    unsigned max);
void
nl_attrs_in(const void *p, size_t n, const struct nlattr **tb, unsigned max);
static inline const void *
nl_data(const struct nlattr *a)
{
	return (const uint8_t *)a + NLA_HDRLEN;
}
static inline size_t
nl_len(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}
uint32_t nl_get_u32(const struct nlattr *a); /* 0 if NULL or too short */
