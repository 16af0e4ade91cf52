/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/netlink.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/auto.h"

/* Acknowledgements wait in the receive buffer until the batch is sent: few
 * enough of them fit by default. */
#define CHUNK_MSGS 64
#define RECV_SIZE  32768

int
nl_open(int proto)
{
	auto_close int fd = -1;
	int one = 1;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, proto);
	if (fd < 0)
		return -errno;
	/* Short acknowledgements; not worth failing for. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return take_fd(&fd);
}

int
nl_open_at(int proto, int netns)
{
	auto_close int own = -1;
	int fd;

	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	if (setns(netns, CLONE_NEWNET) < 0)
		return -errno;
	fd = nl_open(proto);
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* going on in a foreign network would be worse */
	return fd;
}

void
nl_batch_fini(struct nl_batch *q)
{
	buf_fini(&q->b);
	free(q->ent);
	*q = (struct nl_batch){0};
}

void
nl_batch_reset(struct nl_batch *q)
{
	buf_reset(&q->b);
	q->n = 0;
	q->err = 0;
}

static void
pad(struct nl_batch *q)
{
	static const uint8_t zero[NLMSG_ALIGNTO];

	if (q->b.len % NLMSG_ALIGNTO != 0)
		buf_add(&q->b, zero, NLMSG_ALIGNTO - q->b.len % NLMSG_ALIGNTO);
}

/* Sets the length fields of what is under construction. */
static void
grow(struct nl_batch *q)
{
	uint32_t len;

	if (buf_err(&q->b) < 0 || q->n == 0)
		return;
	len = (uint32_t)(q->b.len - q->msg);
	memcpy(q->b.data + q->msg + offsetof(struct nlmsghdr, nlmsg_len), &len,
	    sizeof(len));
}

void
nl_msg(struct nl_batch *q, const char *what, uint16_t type, uint16_t flags,
    const void *hdr, size_t n)
{
	struct nlmsghdr h = {
	    .nlmsg_type = type,
	    .nlmsg_flags = flags | NLM_F_REQUEST | NLM_F_ACK,
	    .nlmsg_seq = q->n + 1,
	};

	if (q->ent == NULL) {
		q->ent = calloc(NL_BATCH_MAX, sizeof(*q->ent));
		if (q->ent == NULL)
			q->err = -ENOMEM;
	}
	if (q->n == NL_BATCH_MAX)
		q->err = -E2BIG;
	if (q->err < 0)
		return;
	q->ent[q->n].what = what;
	q->ent[q->n].may_fail = false;
	q->ent[q->n].err = 0;
	q->n++;
	q->msg = q->b.len;
	buf_add(&q->b, &h, sizeof(h));
	buf_add(&q->b, hdr, n);
	pad(q);
	grow(q);
}

void
nl_may_fail(struct nl_batch *q)
{
	if (q->n > 0)
		q->ent[q->n - 1].may_fail = true;
}

void
nl_attr(struct nl_batch *q, uint16_t type, const void *p, size_t n)
{
	struct nlattr a = {
	    .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type};

	if (n > UINT16_MAX - NLA_HDRLEN)
		q->err = -EMSGSIZE;
	if (q->err < 0)
		return;
	buf_add(&q->b, &a, sizeof(a));
	if (n > 0)
		buf_add(&q->b, p, n);
	pad(q);
	grow(q);
}

void
nl_attr_u8(struct nl_batch *q, uint16_t type, uint8_t v)
{
	nl_attr(q, type, &v, sizeof(v));
}

void
nl_attr_u32(struct nl_batch *q, uint16_t type, uint32_t v)
{
	nl_attr(q, type, &v, sizeof(v));
}

void
nl_attr_str(struct nl_batch *q, uint16_t type, const char *s)
{
	nl_attr(q, type, s, strlen(s) + 1);
}

size_t
nl_nest(struct nl_batch *q, uint16_t type)
{
	size_t at = q->b.len;

	nl_attr(q, type, NULL, 0);
	return at;
}

void
nl_raw(struct nl_batch *q, const void *p, size_t n)
{
	if (q->err < 0)
		return;
	buf_add(&q->b, p, n);
	pad(q);
	grow(q);
}

void
nl_nest_end(struct nl_batch *q, size_t nest)
{
	uint16_t len;

	if (q->err < 0 || buf_err(&q->b) < 0)
		return;
	len = (uint16_t)(q->b.len - nest);
	memcpy(q->b.data + nest + offsetof(struct nlattr, nla_len), &len,
	    sizeof(len));
}

static int
receive(int fd, void *p, size_t n)
{
	ssize_t got;

	do
		got = recv(fd, p, n, MSG_TRUNC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return (size_t)got > n ? -EMSGSIZE : (int)got;
}

/* Takes the acknowledgements of the messages [from, to). */
static int
take_acks(int fd, struct nl_batch *q, unsigned from, unsigned to)
{
	uint8_t b[8192] __attribute__((aligned(8)));
	unsigned left = to - from;

	while (left > 0) {
		int n = receive(fd, b, sizeof(b));
		const struct nlmsghdr *h = (const void *)b;

		if (n < 0)
			return n;
		for (; NLMSG_OK(h, (unsigned)n); h = NLMSG_NEXT(h, n)) {
			const struct nlmsgerr *m = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR ||
			    h->nlmsg_seq <= from || h->nlmsg_seq > to)
				continue;
			q->ent[h->nlmsg_seq - 1].err = m->error;
			left--;
		}
	}
	return 0;
}

int
nl_run(int fd, struct nl_batch *q, const char **ret_what)
{
	size_t off = 0;
	unsigned done = 0;

	if (q->err < 0)
		return q->err;
	if (buf_err(&q->b) < 0)
		return buf_err(&q->b);
	while (done < q->n) {
		size_t end = off;
		unsigned to = done;
		ssize_t w;
		int r;

		for (; to < q->n && to < done + CHUNK_MSGS; to++) {
			struct nlmsghdr h;

			memcpy(&h, q->b.data + end, sizeof(h));
			end += NLMSG_ALIGN(h.nlmsg_len);
		}
		do
			w = send(fd, q->b.data + off, end - off, 0);
		while (w < 0 && errno == EINTR);
		if (w < 0)
			return -errno;
		r = take_acks(fd, q, done, to);
		if (r < 0)
			return r;
		off = end;
		done = to;
	}
	for (unsigned i = 0; i < q->n; i++) {
		if (q->ent[i].err >= 0 || q->ent[i].may_fail)
			continue;
		if (ret_what != NULL)
			*ret_what = q->ent[i].what;
		return q->ent[i].err;
	}
	return 0;
}

int
nl_query(int fd, uint16_t type, uint16_t flags, const void *req, size_t n,
    nl_cb cb, void *arg)
{
	auto_nl_batch struct nl_batch q = {0};
	auto_free uint8_t *b = NULL;
	struct nlmsghdr h;
	ssize_t w;
	int stop = 0;

	b = malloc(RECV_SIZE);
	if (b == NULL)
		return -ENOMEM;
	nl_msg(&q, NULL, type, flags, req, n);
	if (q.err < 0 || buf_err(&q.b) < 0)
		return -ENOMEM;
	/* A dump ends by itself; a second end would stay in the queue. */
	memcpy(&h, q.b.data, sizeof(h));
	if ((flags & NLM_F_DUMP) == NLM_F_DUMP)
		h.nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	memcpy(q.b.data, &h, sizeof(h));
	do
		w = send(fd, q.b.data, q.b.len, 0);
	while (w < 0 && errno == EINTR);
	if (w < 0)
		return -errno;
	for (;;) {
		int got = receive(fd, b, RECV_SIZE);
		const struct nlmsghdr *m = (const void *)b;

		if (got < 0)
			return got;
		for (; NLMSG_OK(m, (unsigned)got); m = NLMSG_NEXT(m, got)) {
			if (m->nlmsg_type == NLMSG_ERROR) {
				const struct nlmsgerr *x = NLMSG_DATA(m);

				return stop < 0 ? stop : x->error;
			}
			if (m->nlmsg_type == NLMSG_DONE) {
				int r = 0;

				if (m->nlmsg_len >= NLMSG_LENGTH(sizeof(r)))
					memcpy(&r, NLMSG_DATA(m), sizeof(r));
				return stop < 0 ? stop : r;
			}
			if (stop >= 0)
				stop = cb(arg, m);
		}
	}
}

void
nl_attrs_in(const void *p, size_t n, const struct nlattr **tb, unsigned max)
{
	const uint8_t *at = p;

	memset(tb, 0, max * sizeof(*tb));
	while (n >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)at;
		unsigned t = a->nla_type & NLA_TYPE_MASK;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > n)
			break;
		if (t < max)
			tb[t] = a;
		if (step >= n)
			break;
		at += step;
		n -= step;
	}
}

void
nl_attrs(const struct nlmsghdr *h, size_t hdr, const struct nlattr **tb,
    unsigned max)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(hdr);

	if (h->nlmsg_len < skip) {
		memset(tb, 0, max * sizeof(*tb));
		return;
	}
	nl_attrs_in((const uint8_t *)h + skip, h->nlmsg_len - skip, tb, max);
}

uint32_t
nl_get_u32(const struct nlattr *a)
{
	uint32_t v;

	if (a == NULL || nl_len(a) < sizeof(v))
		return 0;
	memcpy(&v, nl_data(a), sizeof(v));
	return v;
}
