/* SPDX-License-Identifier: BSD-2-Clause */
#include "net/quiesce.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "sys/netlink.h"
#include "sys/sockdiag.h"

#define LINES_MAX 8
#define LOOK_MS   1

struct look {
	struct buf b;
	unsigned n;
};

int
net_diag_open(int netns)
{
	return nl_open_at(NETLINK_SOCK_DIAG, netns);
}

static void
note(struct look *l, const struct sys_sock *s, const char *what)
{
	char src[SYS_SOCK_STR], dst[SYS_SOCK_STR];

	if (l->n++ >= LINES_MAX)
		return;
	sys_sock_src(s, src);
	sys_sock_dst(s, dst);
	buf_addf(&l->b, "%s%s of %s with %s", l->b.len > 0 ? "\n" : "", what,
	    src, dst);
}

static int
look_cb(void *arg, const struct sys_sock *s)
{
	struct look *l = arg;

	switch (s->state) {
	case TCP_SYN_RECV:
	case SYS_TCP_NEW_SYN_RECV:
		note(l, s, "half-open connection");
		break;
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		if (s->inode == 0)
			note(l, s, "closed connection with unsent data");
		break;
	default:
		break;
	}
	return 0;
}

/* Names who waits in the accept queue: established, without a descriptor. */
static int
waiting_cb(void *arg, const struct sys_sock *s)
{
	if (s->inode == 0)
		note(arg, s, "connection not yet accepted");
	return 0;
}

static int
queue_cb(void *arg, const struct sys_sock *s)
{
	*(bool *)arg |= s->rqueue > 0;
	return 0;
}

static int
look(int diag, struct look *l)
{
	bool queued = false;
	int r;

	r = sys_socks(diag, IPPROTO_TCP,
	    SYS_TCPS(TCP_SYN_RECV) | SYS_TCPS(SYS_TCP_NEW_SYN_RECV) |
		SYS_TCPS(TCP_FIN_WAIT1) | SYS_TCPS(TCP_LAST_ACK) |
		SYS_TCPS(TCP_CLOSING),
	    look_cb, l);
	if (r >= 0)
		r = sys_socks(
		    diag, IPPROTO_TCP, SYS_TCPS(TCP_LISTEN), queue_cb, &queued);
	/* The long list of established ones only if it matters. */
	if (r >= 0 && queued)
		r = sys_socks(diag, IPPROTO_TCP,
		    SYS_TCPS(TCP_ESTABLISHED) | SYS_TCPS(TCP_CLOSE_WAIT),
		    waiting_cb, l);
	return r;
}

int
net_quiet(int diag, struct vps_err *e)
{
	struct look l = {0};
	int r = look(diag, &l);

	if (r < 0)
		r = vps_err_set(e, r, "list of TCP sockets");
	else if (l.n > LINES_MAX)
		r = vps_err_say(e, -EBUSY, "%s\nand %u more", buf_str(&l.b),
		    l.n - LINES_MAX);
	else if (l.n > 0)
		r = vps_err_say(e, -EBUSY, "%s", buf_str(&l.b));
	buf_fini(&l.b);
	return r;
}

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int
net_quiesce(int diag, int ms, struct vps_err *e)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
	int64_t end = now_ms() + ms;
	int r;

	/* There is no event to wait for: the states change in the kernel. */
	for (;;) {
		r = net_quiet(diag, e);
		if (r != -EBUSY || now_ms() >= end)
			return r;
		(void)nanosleep(&pause, NULL);
	}
}
