/* SPDX-License-Identifier: BSD-2-Clause
 *
 * UDP, ping and raw sockets. Datagrams that waited are sent again in their
 * senders' names over lo, before the socket is connected; each has to arrive.
 */
#include <errno.h>
#include <linux/icmp.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#include "base/auto.h"
#include "restore/inet.h"

#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

/* What waited, under (VD_T_dgrammsg, file id). */
struct waiting {
	const struct vd_dgrammsg **v; /* owned by the process: it is short */
	size_t n, cap;
};

static int
dgrammsg_take(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_dgrammsg *m = rec;
	struct waiting *w = rst_slot(r, VD_T_dgrammsg, m->id, sizeof(*w));

	if (w != NULL && w->n == w->cap) {
		size_t cap = w->cap == 0 ? 16 : w->cap * 2;
		void *p = reallocarray(w->v, cap, sizeof(w->v[0]));

		if (p == NULL)
			return vps_err_set(e, -ENOMEM, "datagrams");
		w->v = p;
		w->cap = cap;
	}
	if (w == NULL)
		return vps_err_set(e, -ENOMEM, "datagrams");
	w->v[w->n++] = m;
	return 0;
}

static int
check(const struct vd_dgram *d, struct vps_err *e)
{
	if (d->n_sock != 1 || (d->type != SOCK_DGRAM && d->type != SOCK_RAW) ||
	    d->proto > UINT8_MAX)
		return vps_err_say(
		    e, -EBADMSG, "a datagram socket's record makes no sense");
	return 0;
}

/* A socket that was bound to any address shows one since it was connected, and
 * may hold what came to another before. */
static void
widen(struct rst *rst, const struct vd_dgram *d, struct inet_end *own)
{
	const struct waiting *w =
	    rst_slot(rst, VD_T_dgrammsg, d->id, sizeof(*w));
	const struct vd_bytes *l = &d->sock->laddr;

	for (size_t i = 0; w != NULL && i < w->n; i++) {
		const struct vd_bytes *to = &w->v[i]->to;

		if (to->n != l->n || memcmp(to->p, l->p, l->n) == 0)
			continue;
		if (own->ss.ss_family == AF_INET)
			((struct sockaddr_in *)&own->ss)->sin_addr.s_addr = 0;
		else
			((struct sockaddr_in6 *)&own->ss)->sin6_addr =
			    in6addr_any;
	}
}

static int
dgram_make(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	const struct vd_dgram *d = f->rec;
	struct inet_end own, peer;
	auto_close int fd = -1;
	int r = check(d, e);

	if (r >= 0)
		r = inet_ends(d->sock, &own, &peer, e);
	if (r < 0)
		return r;
	if (peer.len > 0)
		widen(rst, d, &own);
	fd = inet_socket(d->sock, (int)d->type, (int)d->proto, e);
	if (fd < 0)
		return fd;
	/* A port of 0 with an address is a bound raw socket's. */
	if (own.len > 0 && (d->type == SOCK_RAW || d->sock->lport != 0)) {
		r = inet_bind(fd, &own, e);
		if (r < 0)
			return vps_err_wrap(
			    e, r, "datagram socket, port %u", d->sock->lport);
	}
	f->fd = take_fd(&fd);
	return 0;
}

static uint32_t
taken(int fd)
{
	uint32_t m[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof(m);

	(void)getsockopt(fd, SOL_SOCKET, SO_MEMINFO, m, &n);
	return m[SK_MEMINFO_RMEM_ALLOC];
}

static void
set_end(struct inet_end *x, int family, const struct vd_bytes *a, uint32_t port)
{
	*x = (struct inet_end){0};
	if (family == AF_INET) {
		struct sockaddr_in *s = (void *)&x->ss;

		s->sin_family = AF_INET;
		s->sin_port = htons((uint16_t)port);
		memcpy(&s->sin_addr, a->p, 4);
		x->len = sizeof(*s);
	} else {
		struct sockaddr_in6 *s = (void *)&x->ss;

		s->sin6_family = AF_INET6;
		s->sin6_port = htons((uint16_t)port);
		memcpy(&s->sin6_addr, a->p, 16);
		x->len = sizeof(*s);
	}
}

static int
put_back(int fd, const struct vd_inetsock *x, const struct vd_dgrammsg *m)
{
	size_t n = x->family == AF_INET ? 4 : 16;
	uint32_t before = taken(fd);
	struct inet_end from, to;
	int r;

	if (m->from.n != n || m->to.n != n || m->port > UINT16_MAX)
		return -EBADMSG;
	set_end(&from, (int)x->family, &m->from, m->port);
	set_end(&to, (int)x->family, &m->to, x->lport);
	r = inet_inject_udp(&from, &to, m->data.p, m->data.n);
	if (r >= 0 && taken(fd) <= before)
		r = -EIO;
	return r;
}

static int
join(int fd, const struct vd_dgram *d)
{
	for (size_t i = 0; i < d->n_groups; i++) {
		const struct vd_mcast *g = &d->groups[i];
		struct group_req q = {.gr_interface = g->ifindex};
		struct inet_end x;

		if (g->group.n != 4 && g->group.n != 16)
			return -EBADMSG;
		set_end(&x, g->group.n == 4 ? AF_INET : AF_INET6, &g->group, 0);
		memcpy(&q.gr_group, &x.ss, sizeof(q.gr_group));
		if (setsockopt(fd, g->group.n == 4 ? IPPROTO_IP : IPPROTO_IPV6,
			MCAST_JOIN_GROUP, &q, sizeof(q)) < 0)
			return -errno;
	}
	return 0;
}

static int
dgram_link(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	const struct vd_dgram *d = f->rec;
	struct inet_end own, peer;
	struct waiting *w;
	int r = inet_ends(d->sock, &own, &peer, e);

	if (r < 0)
		return r;
	w = rst_slot(rst, VD_T_dgrammsg, d->id, sizeof(*w));
	if (w == NULL)
		return vps_err_set(e, -ENOMEM, "datagrams");
	for (size_t i = 0; i < w->n && r >= 0; i++)
		r = put_back(f->fd, d->sock, w->v[i]);
	free(w->v);
	*w = (struct waiting){0};
	if (r < 0)
		return vps_err_set(
		    e, r, "UDP port %u: datagrams that waited", d->sock->lport);
	if (peer.len > 0 &&
	    connect(f->fd, (struct sockaddr *)&peer.ss, peer.len) < 0)
		return vps_err_set(
		    e, -errno, "UDP port %u: connect", d->sock->lport);
	r = join(f->fd, d);
	if (r < 0)
		return vps_err_set(
		    e, r, "UDP port %u: multicast", d->sock->lport);
	if (d->icmp_filter.n == sizeof(struct icmp_filter) &&
	    setsockopt(f->fd, SOL_RAW, ICMP_FILTER, d->icmp_filter.p,
		(socklen_t)d->icmp_filter.n) < 0)
		return vps_err_set(e, -errno, "filter of a raw socket");
	return inet_late(f->fd, d->sock, e);
}

static int
dgram_finish(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	const struct vd_dgram *d = f->rec;

	(void)rst;
	return inet_last(f->fd, d->sock, e);
}

const struct rst_kind rst_dgram = {
    .number = VD_T_dgram,
    .make = dgram_make,
    .link = dgram_link,
    .finish = dgram_finish,
};

const struct rst_rec rst_rec_dgrammsg = {
    .number = VD_T_dgrammsg,
    .take = dgrammsg_take,
};
