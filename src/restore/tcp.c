/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TCP sockets.
 *
 *   make    socket, bound; a connection is made in repair: numbers, bind,
 *           connect() that sends nothing, options
 *   link    listen(); contents of the queues; FINs: our own by shutdown() in
 *           repair, the peer's by a segment in its name (restore/inject.c);
 *           window
 *   finish  out of repair, SO_REUSEADDR, filter, owner
 *
 * All binds come before all listens and while connections are in repair, where
 * a bind never conflicts.
 *
 * A new connection has no idea of the round trip and would wait for 3 s before
 * it sends anything again. So, where something waits to be acknowledged, a byte
 * before it is sent in repair and acknowledged in the peer's name at once: the
 * first retransmission then comes after 200 ms.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "restore/inet.h"
#include "sys/tcp.h"

#define CHUNK   32768
#define SMALL   8192 /* a queue that any socket has room for */
#define WAIT_MS 200
#define PIECES  256

/* What came of a socket's queues, under (VD_T_tcpdata, file id). */
struct pieces {
	const struct vd_tcpdata *v[PIECES];
	unsigned n;
};

static int
tcpdata_take(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_tcpdata *d = rec;
	struct pieces *p = rst_slot(r, VD_T_tcpdata, d->id, sizeof(*p));

	if (p == NULL)
		return vps_err_set(e, -ENOMEM, "TCP data");
	if (p->n == PIECES)
		return vps_err_say(
		    e, -EBADMSG, "file %u: too much TCP data", d->id);
	p->v[p->n++] = d;
	return 0;
}

static bool
is_connection(const struct vd_tcp *t)
{
	switch (t->state) {
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return true;
	default:
		return false;
	}
}

static bool
peer_fin(const struct vd_tcp *t)
{
	return t->state == TCP_CLOSE_WAIT || t->state == TCP_LAST_ACK ||
	       t->state == TCP_CLOSING;
}

static bool
own_fin(const struct vd_tcp *t)
{
	return t->state == TCP_FIN_WAIT1 || t->state == TCP_FIN_WAIT2 ||
	       t->state == TCP_CLOSING || t->state == TCP_LAST_ACK;
}

/* Numbers at the front of the queues. */
static uint32_t
rcv_base(const struct vd_tcp *t)
{
	return t->rcv_seq - t->rcv_len - peer_fin(t);
}

static uint32_t
snd_base(const struct vd_tcp *t)
{
	return t->snd_seq - t->snd_len - own_fin(t);
}

/* Something of ours that the peer hasn't acknowledged. */
static bool
unacked(const struct vd_tcp *t)
{
	return t->snd_len > 0 || (own_fin(t) && t->state != TCP_FIN_WAIT2);
}

struct sk {
	const struct vd_tcp *t;
	const struct vd_inetsock *x;
	struct inet_end own, peer;
	int fd; /* borrowed */
};

/* The peer of a connection that is to be dead: nobody. */
static void
nobody(struct sk *k)
{
	const struct sockaddr_in6 *o = (const void *)&k->own.ss;

	if (k->x->family == AF_INET) {
		struct sockaddr_in *s = (void *)&k->peer.ss;
		const struct sockaddr_in *mine = (const void *)&k->own.ss;

		*s = (struct sockaddr_in){
		    .sin_family = AF_INET, .sin_port = htons(9)};
		/* An address reserved for documentation; over lo if that is
		 * where it was. */
		s->sin_addr.s_addr = htonl(
		    k->own.len > 0 && ntohl(mine->sin_addr.s_addr) >> 24 == 127
			? INADDR_LOOPBACK
			: 0xc0000201);
		k->peer.len = sizeof(*s);
		return;
	}
	struct sockaddr_in6 *s = (void *)&k->peer.ss;

	*s = (struct sockaddr_in6){
	    .sin6_family = AF_INET6, .sin6_port = htons(9)};
	if (k->own.len > 0 && IN6_IS_ADDR_LOOPBACK(&o->sin6_addr))
		s->sin6_addr = in6addr_loopback;
	else
		(void)inet_pton(AF_INET6,
		    k->own.len > 0 && IN6_IS_ADDR_V4MAPPED(&o->sin6_addr)
			? "::ffff:192.0.2.1"
			: "2001:db8::1",
		    &s->sin6_addr);
	k->peer.len = sizeof(*s);
}

static int
put_options(const struct sk *k)
{
	const struct vd_tcp *t = k->t;
	struct tcp_repair_opt o[4];
	unsigned n = 0;

	if (t->mss != 0)
		o[n++] = (struct tcp_repair_opt){TCPOPT_MAXSEG, t->mss};
	if ((t->options & TCPI_OPT_WSCALE) != 0)
		o[n++] = (struct tcp_repair_opt){
		    TCPOPT_WINDOW, t->snd_wscale | t->rcv_wscale << 16};
	if ((t->options & TCPI_OPT_SACK) != 0)
		o[n++] = (struct tcp_repair_opt){TCPOPT_SACK_PERMITTED, 0};
	if ((t->options & TCPI_OPT_TIMESTAMPS) != 0)
		o[n++] = (struct tcp_repair_opt){TCPOPT_TIMESTAMP, 0};
	if (n > 0 && setsockopt(k->fd, IPPROTO_TCP, TCP_REPAIR_OPTIONS, o,
			 n * sizeof(o[0])) < 0)
		return -errno;
	if ((t->options & TCPI_OPT_TIMESTAMPS) != 0)
		return sys_opt_put(
		    k->fd, IPPROTO_TCP, TCP_TIMESTAMP, (int)t->timestamp);
	return 0;
}

static int
connect_in_repair(struct sk *k, struct vps_err *e)
{
	const struct vd_tcp *t = k->t;
	int r = sys_tcp_repair_on(k->fd);

	if (r >= 0)
		r = sys_tcp_seq_set(k->fd, SYS_TCP_RECV, rcv_base(t));
	if (r >= 0)
		r = sys_tcp_seq_set(
		    k->fd, SYS_TCP_SEND, snd_base(t) - unacked(t));
	if (r < 0)
		return vps_err_set(e, r, "TCP repair");
	if (k->own.len > 0 &&
	    bind(k->fd, (struct sockaddr *)&k->own.ss, k->own.len) < 0)
		return vps_err_set(e, -errno, "bind");
	if (connect(k->fd, (struct sockaddr *)&k->peer.ss, k->peer.len) < 0)
		return vps_err_set(e, -errno, "connect");
	r = put_options(k);
	return r < 0 ? vps_err_set(e, r, "options of a TCP connection") : 0;
}

/* Bound only, or closed after it was refused, or about to connect: its initial
 * number is the one that the peer may answer to. */
static int
make_unconnected(struct sk *k, struct vps_err *e)
{
	int r = 0;

	if (k->t->state == TCP_SYN_SENT ||
	    (k->t->dead != 0 && k->t->error == ECONNREFUSED)) {
		r = sys_tcp_repair_on(k->fd);
		if (r >= 0)
			r = sys_tcp_seq_set(k->fd, SYS_TCP_SEND,
			    k->t->state == TCP_SYN_SENT ? k->t->snd_seq - 1
							: 1);
		if (r >= 0)
			r = sys_tcp_repair_off(k->fd, 0);
		if (r < 0)
			return vps_err_set(e, r, "TCP repair");
	}
	if (k->own.len > 0 && k->x->lport != 0)
		return inet_bind(k->fd, &k->own, e);
	return 0;
}

static int
sk_of(struct rst_file *f, struct sk *ret, struct vps_err *e)
{
	const struct vd_tcp *t = f->rec;
	int r;

	*ret = (struct sk){.t = t, .x = t->sock, .fd = f->fd};
	if (t->n_sock != 1 || t->state == 0 || t->state > TCP_CLOSING ||
	    (t->n_window != 5 && is_connection(t)))
		return vps_err_say(e, -EBADMSG, "a TCP record makes no sense");
	r = inet_ends(ret->x, &ret->own, &ret->peer, e);
	if (r < 0)
		return r;
	if (t->dead != 0)
		nobody(ret);
	if (ret->peer.len == 0 &&
	    (is_connection(t) || t->state == TCP_SYN_SENT))
		return vps_err_say(
		    e, -EBADMSG, "a TCP connection without a peer");
	return 0;
}

static bool
dead_connection(const struct vd_tcp *t)
{
	return t->dead != 0 && t->error != ECONNREFUSED;
}

#define WMEM "/proc/sys/net/ipv4/tcp_wmem"

/* A socket begins with the send buffer that a setting of the namespace says,
 * and SO_SNDBUF goes only as far as the host allows: so for a long queue the
 * setting is raised for a moment. The old one, or NULL: it will do. */
static char *
room_for(const struct vd_tcp *t)
{
	/* An skb may need as much again as its data. */
	uint64_t need = 4 * (uint64_t)t->snd_len + 65536;
	unsigned long min, def, max;
	char old[64], now[80];

	if (t->snd_len < SMALL || need > INT32_MAX ||
	    file_read_str(-1, WMEM, old, sizeof(old)) < 0 ||
	    sscanf(old, "%lu %lu %lu", &min, &def, &max) != 3 || def >= need)
		return NULL;
	(void)snprintf(now, sizeof(now), "%lu %" PRIu64 " %" PRIu64, min, need,
	    need > max ? need : max);
	return file_write(-1, WMEM, now) < 0 ? NULL : strdup(old);
}

static void
room_back(const char *old)
{
	if (old != NULL)
		(void)file_write(-1, WMEM, old);
}

static int
tcp_make(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	auto_close int fd = -1;
	auto_free char *old = NULL;
	struct sk k;
	int r = sk_of(f, &k, e);

	(void)rst;
	if (r < 0)
		return r;
	old = room_for(k.t);
	fd = inet_socket(k.x, SOCK_STREAM, IPPROTO_TCP, e);
	room_back(old);
	if (fd < 0)
		return fd;
	k.fd = fd;
	if (is_connection(k.t) || dead_connection(k.t))
		r = connect_in_repair(&k, e);
	else
		r = make_unconnected(&k, e);
	if (r < 0)
		return vps_err_wrap(e, r, "TCP socket, port %u", k.x->lport);
	f->fd = take_fd(&fd);
	return 0;
}

static int
fill(const struct sk *k, const struct pieces *p, enum sys_tcp_queue q,
    uint32_t want)
{
	uint32_t had = 0;
	int r = sys_tcp_queue(k->fd, q);

	for (unsigned i = 0; i < p->n && r >= 0; i++) {
		const struct vd_tcpdata *d = p->v[i];

		if (d->queue != (uint32_t)q)
			continue;
		had += (uint32_t)d->data.n;
		for (size_t at = 0; at < d->data.n;) {
			size_t n = d->data.n - at;
			ssize_t w = send(k->fd, d->data.p + at,
			    n < CHUNK ? n : CHUNK, MSG_DONTWAIT);

			if (w < 0)
				return -errno;
			at += (size_t)w;
		}
	}
	return r < 0 ? r : had == want ? 0 : -EBADMSG;
}

/* The kernel takes our segment in the sendto() already, as a rule. */
static int
wait_state(int fd, int state)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	for (int i = 0; sys_tcp_state(fd) != state; i++) {
		if (i == WAIT_MS)
			return -ETIMEDOUT;
		(void)nanosleep(&ms, NULL);
	}
	return 0;
}

/* Sends it to the address that the kernel chose. */
static int
inject(const struct sk *k, struct inet_seg *g)
{
	struct inet_end own = {.len = sizeof(own.ss)};
	int r;

	if (getsockname(k->fd, (struct sockaddr *)&own.ss, &own.len) < 0)
		return -errno;
	g->from = &k->peer;
	g->to = &own;
	r = inet_inject_tcp(g);
	g->to = NULL;
	return r;
}

static int
from_peer(
    const struct sk *k, uint32_t seq, uint32_t ack, uint8_t flags, int state)
{
	struct inet_seg g = {.seq = seq, .ack = ack, .flags = flags};
	int r = inject(k, &g);

	return r < 0 ? r : wait_state(k->fd, state);
}

static int
put_window(const struct sk *k, uint32_t rcv_wup)
{
	const uint32_t *w = k->t->window;
	struct tcp_repair_window v = {w[0], w[1], w[2], w[3], rcv_wup};

	return setsockopt(
		   k->fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &v, sizeof(v)) < 0
		   ? -errno
		   : 0;
}

/* What was sent in repair doesn't count as a sample by itself, the echo of a
 * timestamp does. The peer's own clock isn't known: the segment is made to look
 * as if it came behind an unacknowledged one, whose timestamp isn't kept. */
static int
sample(const struct sk *k)
{
	uint32_t end = rcv_base(k->t) + k->t->rcv_len;
	struct inet_seg g = {.seq = end,
	    .ack = snd_base(k->t),
	    .flags = TH_ACK,
	    .ts = true,
	    .tsecr = k->t->timestamp};
	int r = sys_tcp_queue(k->fd, SYS_TCP_SEND);

	if (r < 0)
		return r;
	if (send(k->fd, "", 1, MSG_DONTWAIT) < 0)
		return -errno;
	if ((k->t->options & TCPI_OPT_TIMESTAMPS) == 0)
		g.ts = false;
	else
		r = put_window(k, end - 1);
	return r < 0 ? r : inject(k, &g);
}

/* In repair with the send queue chosen the FIN counts as sent. */
static int
shut(const struct sk *k, int state)
{
	int r = sys_tcp_queue(k->fd, SYS_TCP_SEND);

	if (r < 0)
		return r;
	if (shutdown(k->fd, SHUT_WR) < 0)
		return -errno;
	return sys_tcp_state(k->fd) == state ? 0 : -EIO;
}

static int
walk_states(const struct sk *k)
{
	const struct vd_tcp *t = k->t;
	uint32_t una = snd_base(t), end = rcv_base(t) + t->rcv_len;
	int r = 0;

	switch (t->state) {
	case TCP_FIN_WAIT1:
		return shut(k, TCP_FIN_WAIT1);
	case TCP_FIN_WAIT2:
		r = shut(k, TCP_FIN_WAIT1);
		return r < 0 ? r
			     : from_peer(
				   k, end, t->snd_seq, TH_ACK, TCP_FIN_WAIT2);
	case TCP_CLOSING:
		r = shut(k, TCP_FIN_WAIT1);
		return r < 0 ? r
			     : from_peer(
				   k, end, una, TH_ACK | TH_FIN, TCP_CLOSING);
	case TCP_CLOSE_WAIT:
		return from_peer(k, end, una, TH_ACK | TH_FIN, TCP_CLOSE_WAIT);
	case TCP_LAST_ACK:
		r = from_peer(k, end, una, TH_ACK | TH_FIN, TCP_CLOSE_WAIT);
		return r < 0 ? r : shut(k, TCP_LAST_ACK);
	default:
		return 0;
	}
}

static int
link_connection(const struct sk *k, const struct pieces *p, struct vps_err *e)
{
	const struct vd_tcp *t = k->t;
	int r = fill(k, p, SYS_TCP_RECV, t->rcv_len);

	if (r < 0)
		return vps_err_set(
		    e, r, "receive queue of %u bytes", t->rcv_len);
	if (unacked(t))
		r = sample(k);
	if (r >= 0)
		r = fill(k, p, SYS_TCP_SEND, t->snd_len);
	if (r < 0)
		return vps_err_set(e, r, "send queue of %u bytes", t->snd_len);
	r = walk_states(k);
	if (r < 0)
		return vps_err_set(e, r, "state %u", t->state);
	r = put_window(k, t->window[4]);
	if (r < 0)
		return vps_err_set(e, r, "window");
	if (t->rdshut != 0 && shutdown(k->fd, SHUT_RD) < 0)
		return vps_err_set(e, -errno, "shut down");
	return 0;
}

/* Closed by a reset; the error that this leaves is taken away unless it was
 * there. */
static int
link_dead(const struct sk *k, const struct pieces *p, struct vps_err *e)
{
	int err, r = fill(k, p, SYS_TCP_RECV, k->t->rcv_len);

	if (r >= 0)
		r = sys_tcp_repair_off(k->fd, 1);
	if (r >= 0)
		r = from_peer(
		    k, rcv_base(k->t) + k->t->rcv_len, 0, TH_RST, TCP_CLOSE);
	if (r >= 0 && k->t->error == 0)
		r = sys_opt_int(k->fd, SOL_SOCKET, SO_ERROR, &err);
	return r < 0 ? vps_err_set(e, r, "closed TCP socket") : 0;
}

static int
start_connect(const struct sk *k)
{
	int fl = fcntl(k->fd, F_GETFL), r = 0;

	if (fl < 0 || fcntl(k->fd, F_SETFL, fl | O_NONBLOCK) < 0)
		return -errno;
	if (connect(k->fd, (const struct sockaddr *)&k->peer.ss, k->peer.len) <
		0 &&
	    errno != EINPROGRESS)
		r = -errno;
	return fcntl(k->fd, F_SETFL, fl) < 0 ? -errno : r;
}

static int
link_other(const struct sk *k, struct vps_err *e)
{
	bool refused = k->t->dead != 0;
	int r = 0;

	if (k->t->state == TCP_LISTEN &&
	    listen(k->fd,
		k->t->backlog > INT32_MAX ? INT32_MAX : (int)k->t->backlog) < 0)
		return vps_err_set(e, -errno, "listen");
	if (k->t->state == TCP_SYN_SENT || refused)
		r = start_connect(k);
	if (r >= 0 && refused)
		r = from_peer(k, 0, 2, TH_RST | TH_ACK, TCP_CLOSE);
	return r < 0 ? vps_err_set(e, r, "connect") : 0;
}

static int
tcp_link(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	struct pieces *p;
	struct sk k;
	int r = sk_of(f, &k, e);

	if (r < 0)
		return r;
	p = rst_slot(rst, VD_T_tcpdata, k.t->id, sizeof(*p));
	if (p == NULL)
		return vps_err_set(e, -ENOMEM, "TCP socket");
	if (is_connection(k.t))
		r = link_connection(&k, p, e);
	else if (dead_connection(k.t))
		r = link_dead(&k, p, e);
	else
		r = link_other(&k, e);
	if (r >= 0)
		r = inet_late(k.fd, k.x, e);
	return r < 0 ? vps_err_wrap(e, r, "TCP socket, port %u", k.x->lport)
		     : 0;
}

static int
tcp_finish(struct rst *rst, struct rst_file *f, struct vps_err *e)
{
	struct sk k;
	int r = sk_of(f, &k, e);

	(void)rst;
	if (r < 0)
		return r;
	if (is_connection(k.t)) {
		r = sys_tcp_repair_off(k.fd, inet_reuse(k.x));
		if (r < 0)
			return vps_err_set(
			    e, r, "TCP socket, port %u", k.x->lport);
	}
	return inet_last(k.fd, k.x, e);
}

const struct rst_kind rst_tcp = {
    .number = VD_T_tcp,
    .make = tcp_make,
    .link = tcp_link,
    .finish = tcp_finish,
};

const struct rst_rec rst_rec_tcpdata = {
    .number = VD_T_tcpdata,
    .take = tcpdata_take,
};
