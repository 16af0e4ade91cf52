/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TCP sockets. Each is put into repair for the 20 us in which its queues and
 * numbers are read. The hold is on (net/hold.h), so that what arrived meanwhile
 * is at most what was under way when it was switched on: numbers are read
 * before and after the contents and have to agree.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "snapst/inet.h"
#include "snapst/sockwas.h"
#include "sys/tcp.h"

#define PIECE     (1u << 20)
#define TRIES     5
#define QUEUE_MAX (64u << 20)

struct numbers {
	uint32_t rcv, snd; /* behind all that is queued and FINs */
	int inq, outq;
};

static bool
tcp_match(const struct snap_fd *f)
{
	struct inet_kind k;

	return inet_kind_of(f, &k) && k.type == SOCK_STREAM &&
	       k.proto == IPPROTO_TCP &&
	       (k.family == AF_INET || k.family == AF_INET6);
}

static int
tcp_check(struct snap *s, const struct snap_fd *f)
{
	auto_close int fd = inet_dup(f);
	struct pollfd p = {.fd = fd, .events = POLLPRI};
	char ulp[16] = "";
	socklen_t n = sizeof(ulp);
	socklen_t flt = 0;

	if (fd < 0)
		return 0; /* closed meanwhile */
	if (getsockopt(fd, IPPROTO_TCP, TCP_ULP, ulp, &n) == 0 && n > 0 &&
	    ulp[0] != '\0')
		snap_object(s, f,
		    "TCP socket with %.*s in the kernel can't be carried; "
		    "switch kernel TLS off in the program",
		    (int)n, ulp);
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLPRI) != 0)
		snap_object(s, f, "TCP socket with unread urgent data");
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &flt) < 0 &&
	    errno == EACCES)
		snap_object(s, f, "TCP socket with an eBPF filter");
	return 0;
}

static bool
peer_has_closed(uint32_t state)
{
	return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK ||
	       state == TCP_CLOSING;
}

static bool
have_closed(uint32_t state)
{
	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 ||
	       state == TCP_CLOSING || state == TCP_LAST_ACK;
}

static int
read_numbers(int fd, struct numbers *ret)
{
	struct numbers x = {0};
	int r = sys_tcp_seq_get(fd, SYS_TCP_RECV, &x.rcv);

	if (r >= 0)
		r = sys_tcp_seq_get(fd, SYS_TCP_SEND, &x.snd);
	if (r < 0)
		return r;
	if (ioctl(fd, SIOCINQ, &x.inq) < 0 || ioctl(fd, SIOCOUTQ, &x.outq) < 0)
		return -errno;
	*ret = x;
	return 0;
}

/* One call: a second MSG_PEEK would begin at the front again. */
static int
peek(int fd, enum sys_tcp_queue q, size_t n, struct buf *b)
{
	uint8_t *p;
	ssize_t got;
	int r;

	buf_reset(b);
	if (n == 0)
		return 0;
	if (n > QUEUE_MAX)
		return -EFBIG;
	p = buf_reserve(b, n);
	r = p == NULL ? -ENOMEM : sys_tcp_queue(fd, q);
	if (r < 0)
		return r;
	got = recv(fd, p, n, MSG_PEEK | MSG_DONTWAIT);
	if (got < 0)
		return -errno;
	if ((size_t)got != n)
		return -EAGAIN;
	b->len = n;
	return 0;
}

struct queues {
	struct numbers num;
	struct buf in, out; /* owned */
};

static int
read_queues_once(int fd, uint32_t state, struct queues *q)
{
	bool fin_acked = state == TCP_FIN_WAIT2;
	struct numbers after;
	int r = read_numbers(fd, &q->num);

	if (r < 0)
		return r;
	/* A FIN of ours that isn't acknowledged counts as a byte. */
	if (have_closed(state) && !fin_acked)
		q->num.outq--;
	if (q->num.inq < 0 || q->num.outq < 0)
		return -EAGAIN;
	r = peek(fd, SYS_TCP_RECV, (size_t)q->num.inq, &q->in);
	if (r >= 0)
		r = peek(fd, SYS_TCP_SEND, (size_t)q->num.outq, &q->out);
	if (r >= 0)
		r = read_numbers(fd, &after);
	if (r < 0)
		return r;
	if (have_closed(state) && !fin_acked)
		after.outq--;
	if (memcmp(&after, &q->num, sizeof(after)) != 0 ||
	    sys_tcp_state(fd) != (int)state)
		return -EAGAIN;
	return 0;
}

static int
read_connection(int fd, struct vd_tcp *t, uint32_t *window, struct queues *q)
{
	struct tcp_repair_window w;
	struct tcp_info i;
	socklen_t n = sizeof(i);
	int v, r = -EAGAIN;

	for (int k = 0; r == -EAGAIN && k < TRIES; k++) {
		v = sys_tcp_state(fd);
		if (v < 0)
			return v;
		t->state = (uint32_t)v;
		r = read_queues_once(fd, t->state, q);
	}
	if (r < 0)
		return r;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n) < 0)
		return -errno;
	t->options = i.tcpi_options &
		     (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE);
	t->snd_wscale = i.tcpi_snd_wscale;
	t->rcv_wscale = i.tcpi_rcv_wscale;
	if (sys_opt_int(fd, IPPROTO_TCP, TCP_MAXSEG, &v) >= 0)
		t->mss = (uint32_t)v;
	if (sys_opt_int(fd, IPPROTO_TCP, TCP_TIMESTAMP, &v) >= 0)
		t->timestamp = (uint32_t)v;
	t->rcv_seq = q->num.rcv;
	t->snd_seq = q->num.snd;
	t->rcv_len = (uint32_t)q->in.len;
	t->snd_len = (uint32_t)q->out.len;
	n = sizeof(w);
	if (getsockopt(fd, IPPROTO_TCP, TCP_REPAIR_WINDOW, &w, &n) < 0)
		return -errno;
	window[0] = w.snd_wl1;
	window[1] = w.snd_wnd;
	window[2] = w.max_window;
	window[3] = w.rcv_wnd;
	window[4] = w.rcv_wup;
	t->window = window;
	t->n_window = 5;
	return 0;
}

/* The peer's SYN-ACK may be under way: it has to fit to our number. */
static int
read_syn_sent(int fd, struct vd_tcp *t)
{
	int v, r = sys_tcp_seq_get(fd, SYS_TCP_SEND, &t->snd_seq);

	if (r >= 0)
		r = sys_opt_int(fd, IPPROTO_TCP, TCP_TIMESTAMP, &v);
	if (r >= 0)
		t->timestamp = (uint32_t)v;
	return r;
}

/* A closed socket was connected if it is shut down. Its error can't be read
 * without taking it away: one that never had an answer was refused. */
static int
read_closed(int fd, struct vd_tcp *t, struct queues *q)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLRDHUP};
	struct tcp_info i;
	socklen_t n = sizeof(i);
	int inq = 0;
	uint8_t *b;
	ssize_t got;

	if (poll(&p, 1, 0) < 0)
		return -errno;
	if ((p.revents & POLLRDHUP) == 0)
		return 0;
	t->dead = 1;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n) < 0)
		return -errno;
	if ((p.revents & POLLERR) != 0)
		t->error = i.tcpi_rtt == 0 ? ECONNREFUSED : ECONNRESET;
	if (ioctl(fd, SIOCINQ, &inq) < 0 || inq <= 0 || inq > (int)QUEUE_MAX)
		return 0;
	b = buf_reserve(&q->in, (size_t)inq);
	if (b == NULL)
		return -ENOMEM;
	got = recv(fd, b, (size_t)inq, MSG_PEEK | MSG_DONTWAIT);
	if (got > 0)
		q->in.len = (size_t)got;
	t->rcv_len = (uint32_t)q->in.len;
	return 0;
}

static int
read_state(int fd, struct vd_tcp *t, uint32_t *window, struct queues *q)
{
	int reuse = 0, r, off;
	struct tcp_info i;
	socklen_t n = sizeof(i);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n) < 0)
		return -errno;
	t->state = i.tcpi_state;
	switch (t->state) {
	case TCP_LISTEN:
		t->backlog = i.tcpi_sacked;
		return i.tcpi_unacked > 0 ? -EBUSY : 0;
	case TCP_CLOSE:
		return read_closed(fd, t, q);
	case TCP_SYN_RECV:
	case TCP_TIME_WAIT:
		return -EBUSY;
	default:
		break;
	}
	(void)sys_opt_int(fd, SOL_SOCKET, SO_REUSEADDR, &reuse);
	r = sys_tcp_repair_on(fd);
	if (r < 0)
		return r;
	r = t->state == TCP_SYN_SENT ? read_syn_sent(fd, t)
				     : read_connection(fd, t, window, q);
	off = sys_tcp_repair_off(fd, reuse);
	return r < 0 ? r : off;
}

static int
put_queue(
    struct vd_writer *w, uint32_t id, enum sys_tcp_queue q, const struct buf *b)
{
	int r = 0;

	for (size_t at = 0; at < b->len && r >= 0; at += PIECE) {
		struct vd_tcpdata d = {.id = id, .queue = (uint32_t)q};

		d.data.p = b->data + at;
		d.data.n = b->len - at < PIECE ? b->len - at : PIECE;
		r = vd_put(w, &vd_type_tcpdata, &d);
	}
	return r;
}

/* What says something else on a connected socket than it does on a new one. */
static void
drop_unfit(struct inet_facts *x, uint32_t state)
{
	if (state == TCP_LISTEN || state == TCP_CLOSE)
		return;
	inet_facts_drop(x, IPPROTO_TCP, TCP_MAXSEG);
	inet_facts_drop(x, IPPROTO_TCP, TCP_WINDOW_CLAMP);
	inet_facts_drop(x, IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
}

static int
dump_with(struct snap *s, const struct snap_fd *f, uint32_t id,
    struct inet_facts *x, struct queues *q, struct vps_err *e)
{
	struct vd_tcp t = {.id = id, .sock = &x->rec, .n_sock = 1};
	struct pollfd p = {.fd = f->fd, .events = POLLRDHUP};
	uint32_t window[5];
	int r = read_state(f->fd, &t, window, q);

	if (r == -EBUSY)
		return vps_err_say(e, r,
		    "TCP port %u: a connection that isn't accepted yet",
		    x->rec.lport);
	if (r < 0)
		return vps_err_set(e, r, "TCP socket, port %u", x->rec.lport);
	if (t.state != TCP_LISTEN && t.state != TCP_CLOSE &&
	    !peer_has_closed(t.state) && poll(&p, 1, 0) == 1 &&
	    (p.revents & POLLRDHUP) != 0)
		t.rdshut = 1;
	if (t.state == TCP_SYN_SENT) {
		r = inet_peer_asked(s, f, x);
		if (r < 0)
			return vps_err_set(
			    e, r, "TCP port %u: its peer", x->rec.lport);
	}
	drop_unfit(x, t.state);
	r = vd_put(snap_writer(s), &vd_type_tcp, &t);
	if (r >= 0)
		r = put_queue(snap_writer(s), id, SYS_TCP_RECV, &q->in);
	if (r >= 0)
		r = put_queue(snap_writer(s), id, SYS_TCP_SEND, &q->out);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

static int
tcp_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	auto_free struct inet_facts *x = calloc(1, sizeof(*x));
	struct inet_kind k = {0};
	struct queues q = {0};
	struct snap_opt was[2] = {
	    {SOL_SOCKET, SO_REUSEADDR, 0}, {SOL_SOCKET, SO_PEEK_OFF, -1}};
	int peek_off = -1, r;

	if (x == NULL)
		return vps_err_set(e, -ENOMEM, "TCP socket");
	(void)inet_kind_of(f, &k);
	r = inet_facts(s, f, &k, x, e);
	if (r < 0)
		return r;
	/* It would make every look begin further behind. */
	(void)sys_opt_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, &peek_off);
	was[1].val = peek_off;
	(void)sys_opt_int(f->fd, SOL_SOCKET, SO_REUSEADDR, &was[0].val);
	snap_sock_note(s, f->fd, was, 2);
	if (peek_off >= 0)
		(void)sys_opt_put(f->fd, SOL_SOCKET, SO_PEEK_OFF, -1);
	r = dump_with(s, f, id, x, &q, e);
	if (peek_off >= 0)
		(void)sys_opt_put(f->fd, SOL_SOCKET, SO_PEEK_OFF, peek_off);
	buf_fini(&q.in);
	buf_fini(&q.out);
	inet_facts_fini(x);
	return r;
}

const struct snap_kind snap_tcp = {
    .name = "TCP socket",
    .number = VD_T_tcp,
    .match = tcp_match,
    .check = tcp_check,
    .dump = tcp_dump,
};
