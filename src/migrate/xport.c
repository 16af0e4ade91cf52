/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/xport.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"

#define RX_SIZE (2 * (MIG_FRAME_HDR + MIG_FRAME_MAX))
#define TX_HIGH (4 * MIG_FRAME_MAX) /* above it, no local data is read */
#define FDS_MAX 24

struct chan {
	int rd, wr; /* owned, -1 = none */
	bool auto_eof;
	bool rd_eof;  /* to be told */
	bool drained; /* to be told */
	uint64_t tx, rx;
};

struct mig_link {
	int in, out; /* borrowed */
	uint32_t timeout_ms;
	int64_t last_rx, last_tx; /* ms: progress, or no wish for any */
	const char *cut;          /* why; NULL = alive */
	uint8_t *rx;              /* owned, RX_SIZE */
	size_t rx_head, rx_tail;
	struct mig_frame cur; /* the frame whose payload is at rx_head */
	uint32_t left;        /* of it */
	bool in_frame;
	bool eof; /* of `in` */
	struct buf tx;
	size_t tx_head;
	struct chan ch[MIG_CH_MAX_];
	struct mig_msg msg;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
set_nonblock(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int
mig_link_new(int in, int out, uint32_t timeout_ms, struct mig_link **ret)
{
	struct mig_link *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	l->in = in;
	l->out = out;
	l->timeout_ms = timeout_ms;
	l->last_rx = l->last_tx = now_ms();
	for (int i = 0; i < MIG_CH_MAX_; i++)
		l->ch[i].rd = l->ch[i].wr = -1;
	l->rx = malloc(RX_SIZE);
	r = l->rx == NULL ? -ENOMEM : set_nonblock(in);
	if (r == 0)
		r = set_nonblock(out);
	if (r < 0) {
		mig_link_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void
mig_link_free(struct mig_link *l)
{
	if (l == NULL)
		return;
	for (int i = 0; i < MIG_CH_MAX_; i++)
		mig_link_detach(l, (enum mig_chan)i);
	buf_fini(&l->tx);
	free(l->rx);
	free(l);
}

void
mig_link_abandon(struct mig_link *l)
{
	for (int i = 0; i < MIG_CH_MAX_; i++)
		mig_link_detach(l, (enum mig_chan)i);
	(void)close(l->in);
	if (l->out != l->in)
		(void)close(l->out);
}

void
mig_link_set_timeout(struct mig_link *l, uint32_t timeout_ms)
{
	l->timeout_ms = timeout_ms;
}

static size_t
tx_pending(const struct mig_link *l)
{
	return l->tx.len - l->tx_head;
}

static void
tx_compact(struct mig_link *l)
{
	if (l->tx_head == l->tx.len) {
		l->tx.len = l->tx_head = 0;
	} else if (l->tx_head > TX_HIGH) {
		memmove(l->tx.data, l->tx.data + l->tx_head, tx_pending(l));
		l->tx.len -= l->tx_head;
		l->tx_head = 0;
	}
}

static void
tx_note(struct mig_link *l)
{
	if (tx_pending(l) == 0)
		l->last_tx = now_ms();
}

int
mig_link_send(struct mig_link *l, const struct mig_msg *m)
{
	tx_note(l);
	return mig_msg_put(&l->tx, m);
}

void
mig_link_send_eof(struct mig_link *l, enum mig_chan ch)
{
	struct mig_frame f = {ch, MIG_DATA_EOF, 0};

	tx_note(l);
	mig_frame_put(&l->tx, &f, NULL);
}

int
mig_link_attach(
    struct mig_link *l, enum mig_chan ch, int rd, int wr, bool auto_eof)
{
	int r = 0;

	mig_link_detach(l, ch);
	l->ch[ch].rd = rd;
	l->ch[ch].wr = wr;
	l->ch[ch].auto_eof = auto_eof;
	l->ch[ch].rd_eof = l->ch[ch].drained = false;
	if (rd >= 0)
		r = set_nonblock(rd);
	if (r == 0 && wr >= 0)
		r = set_nonblock(wr);
	return r;
}

static void
fd_drop(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void
mig_link_detach(struct mig_link *l, enum mig_chan ch)
{
	fd_drop(&l->ch[ch].rd);
	fd_drop(&l->ch[ch].wr);
	l->ch[ch].rd_eof = l->ch[ch].drained = false;
}

static void
link_cut(struct mig_link *l, const char *why)
{
	if (l->cut == NULL)
		l->cut = why;
}

static void
tx_write(struct mig_link *l)
{
	ssize_t n;

	if (tx_pending(l) == 0)
		return;
	n = write(l->out, l->tx.data + l->tx_head, tx_pending(l));
	if (n > 0) {
		l->tx_head += (size_t)n;
		l->last_tx = now_ms();
		tx_compact(l);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		/* What the peer said before it went is still to be read. */
		l->tx_head = l->tx.len;
		tx_compact(l);
		if (l->eof)
			link_cut(l, "the link was closed");
	}
}

int
mig_link_flush(struct mig_link *l, int ms)
{
	int64_t end = now_ms() + ms;

	while (tx_pending(l) > 0 && l->cut == NULL) {
		struct pollfd p = {.fd = l->out, .events = POLLOUT};
		int64_t left = end - now_ms();

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		tx_write(l);
	}
	return 0;
}

/* Local data becomes a frame, read straight into the queue. */
static int
local_read(struct mig_link *l, enum mig_chan ch)
{
	struct chan *c = &l->ch[ch];
	struct mig_frame f = {ch, MIG_DATA, 0};
	size_t at = l->tx.len;
	ssize_t n;

	if (buf_reserve(&l->tx, MIG_FRAME_HDR + MIG_FRAME_MAX) == NULL)
		return -ENOMEM;
	n = read(c->rd, l->tx.data + at + MIG_FRAME_HDR, MIG_FRAME_MAX);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		fd_drop(&c->rd);
		c->rd_eof = true;
		if (c->auto_eof)
			mig_link_send_eof(l, ch);
		return 0;
	}
	tx_note(l);
	f.len = (uint32_t)n;
	mig_frame_hdr(l->tx.data + at, &f);
	l->tx.len = at + MIG_FRAME_HDR + (size_t)n;
	c->tx += (uint64_t)n;
	return 0;
}

static void
rx_read(struct mig_link *l)
{
	ssize_t n;

	if (l->rx_head > 0) {
		memmove(l->rx, l->rx + l->rx_head, l->rx_tail - l->rx_head);
		l->rx_tail -= l->rx_head;
		l->rx_head = 0;
	}
	n = read(l->in, l->rx + l->rx_tail, RX_SIZE - l->rx_tail);
	if (n > 0) {
		l->rx_tail += (size_t)n;
		l->last_rx = now_ms();
	} else if (n == 0) {
		l->eof = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		l->eof = true;
	}
}

/* Delivers what is there of a data frame; false: the local end is full. */
static bool
deliver(struct mig_link *l)
{
	struct chan *c = &l->ch[l->cur.chan];
	size_t n = l->rx_tail - l->rx_head;
	ssize_t w;

	if (n > l->left)
		n = l->left;
	if (n == 0)
		return true;
	if (c->wr >= 0) {
		w = write(c->wr, l->rx + l->rx_head, n);
		if (w < 0 && errno == EAGAIN)
			return false;
		if (w < 0 && errno == EINTR)
			return true;
		if (w < 0) {
			/* The one who reads is gone: his exit tells more. */
			fd_drop(&c->wr);
			w = (ssize_t)n;
		}
		n = (size_t)w;
	}
	c->rx += n;
	l->rx_head += n;
	l->left -= (uint32_t)n;
	return true;
}

/* 1: l->msg or an end of a channel is to be told, 0: more input needed, 2:
 * the local end is full. */
static int
rx_parse(struct mig_link *l)
{
	while (l->cut == NULL) {
		size_t have = l->rx_tail - l->rx_head;

		if (!l->in_frame) {
			if (have < MIG_FRAME_HDR)
				return 0;
			if (mig_frame_get(l->rx + l->rx_head, &l->cur) < 0) {
				link_cut(l, "bad frame");
				return 0;
			}
			l->rx_head += MIG_FRAME_HDR;
			l->left = l->cur.len;
			l->in_frame = true;
			continue;
		}
		if (l->cur.chan == MIG_CH_CTL) {
			if (have < l->left)
				return 0;
			if (mig_msg_get(l->cur.type, l->rx + l->rx_head,
				l->left, &l->msg) < 0) {
				link_cut(l, "bad message");
				return 0;
			}
			l->rx_head += l->left;
			l->in_frame = false;
			if (l->msg.type == MIG_M_KEEPALIVE)
				continue;
			return 1;
		}
		if (l->cur.type == MIG_DATA_EOF) {
			l->in_frame = false;
			if (l->ch[l->cur.chan].wr < 0)
				continue;
			fd_drop(&l->ch[l->cur.chan].wr);
			l->ch[l->cur.chan].drained = true;
			return 1;
		}
		if (!deliver(l))
			return 2;
		if (l->left == 0)
			l->in_frame = false;
		else if (l->rx_tail == l->rx_head)
			return 0;
	}
	return 0;
}

static void
timers(struct mig_link *l, bool want_rx)
{
	int64_t now = now_ms();

	if (!want_rx)
		l->last_rx = now;
	if (tx_pending(l) == 0 && now - l->last_tx >= l->timeout_ms / 4) {
		static const struct mig_msg keep = {.type = MIG_M_KEEPALIVE};

		(void)mig_link_send(l, &keep); /* the next one may fit */
	}
	if (now - l->last_rx >= l->timeout_ms)
		link_cut(l, "the peer is silent");
	else if (tx_pending(l) > 0 && now - l->last_tx >= l->timeout_ms)
		link_cut(l, "the peer takes nothing");
}

struct poller {
	struct pollfd p[FDS_MAX];
	struct chan *c[FDS_MAX];
	unsigned n;
};

static void
poll_add(struct poller *po, int fd, short events, struct chan *c)
{
	po->p[po->n] = (struct pollfd){.fd = fd, .events = events};
	po->c[po->n] = c;
	po->n++;
}

static bool
tell_chan(struct mig_link *l, struct mig_link_ev *ev)
{
	for (int i = 0; i < MIG_CH_MAX_; i++) {
		struct chan *c = &l->ch[i];
		bool *flag = c->rd_eof    ? &c->rd_eof
			     : c->drained ? &c->drained
					  : NULL;

		if (flag == NULL)
			continue;
		ev->what = c->rd_eof ? MIG_LINK_EOF : MIG_LINK_DRAINED;
		ev->chan = (enum mig_chan)i;
		*flag = false;
		return true;
	}
	return false;
}

/* Whether one of the caller's descriptors is ready, without waiting. */
static int
poll_all(struct mig_link *l, struct poller *po, struct pollfd *x, unsigned nx,
    int wait_ms)
{
	unsigned own = po->n;
	int r, hits = 0;

	assert(own + nx <= FDS_MAX);
	for (unsigned i = 0; i < nx; i++)
		poll_add(po, x[i].fd, x[i].events, NULL);
	r = poll(po->p, po->n, wait_ms);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	for (unsigned i = 0; i < nx; i++) {
		x[i].revents = po->p[own + i].revents;
		hits += x[i].revents != 0;
	}
	for (unsigned i = 0; i < own; i++) {
		short re = po->p[i].revents;

		if (re == 0)
			continue;
		if (po->c[i] != NULL) {
			r = local_read(l, (enum mig_chan)(po->c[i] - l->ch));
			if (r < 0)
				return r;
		} else if (po->p[i].events & POLLIN) {
			rx_read(l);
		}
	}
	tx_write(l);
	return hits;
}

int
mig_link_next(struct mig_link *l, struct pollfd *x, unsigned nx, int tick_ms,
    struct mig_link_ev *ev)
{
	int64_t end = now_ms() + tick_ms;

	*ev = (struct mig_link_ev){0};
	for (;;) {
		struct poller po = {0};
		int r, wait_ms, state;
		bool want_rx;

		if (tell_chan(l, ev))
			return 0;
		state = rx_parse(l);
		if (state == 1) {
			if (tell_chan(l, ev))
				return 0;
			ev->what = MIG_LINK_MSG;
			ev->msg = &l->msg;
			return 0;
		}
		if (state == 0 && l->eof)
			link_cut(l, "the link was closed");
		if (l->cut != NULL) {
			ev->what = MIG_LINK_CUT;
			ev->why = l->cut;
			return 0;
		}
		want_rx = state == 0;
		timers(l, want_rx);
		if (l->cut != NULL)
			continue;
		if (want_rx)
			poll_add(&po, l->in, POLLIN, NULL);
		else
			poll_add(&po, l->ch[l->cur.chan].wr, POLLOUT, NULL);
		if (tx_pending(l) > 0)
			poll_add(&po, l->out, POLLOUT, NULL);
		for (int i = 0; i < MIG_CH_MAX_; i++) {
			if (l->ch[i].rd >= 0 && tx_pending(l) < TX_HIGH)
				poll_add(&po, l->ch[i].rd, POLLIN, &l->ch[i]);
		}
		wait_ms = (int)(l->timeout_ms / 8) + 1;
		if (tick_ms >= 0 && end - now_ms() < wait_ms)
			wait_ms = (int)(end - now_ms());
		if (wait_ms < 0)
			wait_ms = 0;
		r = poll_all(l, &po, x, nx, wait_ms);
		if (r < 0)
			return r;
		if (buf_err(&l->tx) < 0)
			return buf_err(&l->tx);
		if (r > 0) {
			ev->what = MIG_LINK_FD;
			return 0;
		}
		if (tick_ms >= 0 && now_ms() >= end) {
			ev->what = MIG_LINK_TICK;
			return 0;
		}
	}
}

void
mig_link_bytes(
    const struct mig_link *l, enum mig_chan ch, uint64_t *tx, uint64_t *rx)
{
	*tx = l->ch[ch].tx;
	*rx = l->ch[ch].rx;
}
