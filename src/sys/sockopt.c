/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/auto.h"

/* Newer than the headers of Debian 12, or not for users there. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO      11
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef TCP_TX_DELAY
#define TCP_TX_DELAY 37
#endif

enum kind {
	K_INT,    /* int; some are bytes inside the kernel */
	K_U64,    /* pacing rate: a long */
	K_LINGER, /* struct linger */
	K_TIME,   /* struct timeval */
	K_STR,    /* a name */
	K_PAIR,   /* two ints, so_timestamping; older kernels: one */
	K_BYTES,  /* up to SYS_OPT_VAL */
};

#define R(level, name, kind, when)             \
	{                                      \
		level, name, kind, when, #name \
	}

static const struct row {
	int level, name;
	enum kind kind;
	enum sys_opt_when when;
	const char *text;
} rows[] = {
    R(SOL_SOCKET, SO_REUSEADDR, K_INT, SYS_OPT_EARLY),
    R(SOL_SOCKET, SO_REUSEPORT, K_INT, SYS_OPT_EARLY),
    R(SOL_SOCKET, SO_BINDTODEVICE, K_STR, SYS_OPT_EARLY),
    R(SOL_SOCKET, SO_MARK, K_INT, SYS_OPT_EARLY),
    R(SOL_SOCKET, SO_KEEPALIVE, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_BROADCAST, K_INT, SYS_OPT_EARLY),
    R(SOL_SOCKET, SO_OOBINLINE, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_LINGER, K_LINGER, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_RCVLOWAT, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_RCVTIMEO, K_TIME, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_SNDTIMEO, K_TIME, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_DONTROUTE, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_NO_CHECK, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_TIMESTAMP, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_TIMESTAMPNS, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_TIMESTAMPING, K_PAIR, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_RXQ_OVFL, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_PEEK_OFF, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_SELECT_ERR_QUEUE, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_BUSY_POLL, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_PREFER_BUSY_POLL, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_MAX_PACING_RATE, K_U64, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_ZEROCOPY, K_INT, SYS_OPT_EARLY),
    R(SOL_SOCKET, SO_RCVMARK, K_INT, SYS_OPT_LATE),

    R(IPPROTO_IP, IP_TOS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_TTL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_MINTTL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_OPTIONS, K_BYTES, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_PKTINFO, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RECVTTL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RECVTOS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RECVOPTS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RETOPTS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RECVERR, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RECVORIGDSTADDR, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_RECVFRAGSIZE, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_CHECKSUM, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_PASSSEC, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_MTU_DISCOVER, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_FREEBIND, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IP, IP_TRANSPARENT, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IP, IP_LOCAL_PORT_RANGE, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IP, IP_MULTICAST_TTL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_MULTICAST_LOOP, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_MULTICAST_ALL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_MULTICAST_IF, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_UNICAST_IF, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_NODEFRAG, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IP, IP_HDRINCL, K_INT, SYS_OPT_LATE),

    R(IPPROTO_IPV6, IPV6_V6ONLY, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IPV6, IPV6_FREEBIND, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IPV6, IPV6_TRANSPARENT, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_IPV6, IPV6_UNICAST_HOPS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_MINHOPCOUNT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_TCLASS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_MTU_DISCOVER, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_DONTFRAG, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_FLOWINFO, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVERR, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVPKTINFO, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVRTHDR, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVHOPOPTS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVDSTOPTS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVTCLASS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVPATHMTU, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_MULTICAST_IF, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_MULTICAST_ALL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_IPV6, IPV6_UNICAST_IF, K_INT, SYS_OPT_LATE),

    R(IPPROTO_TCP, TCP_CONGESTION, K_STR, SYS_OPT_EARLY),
    R(IPPROTO_TCP, TCP_MAXSEG, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_TCP, TCP_WINDOW_CLAMP, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_TCP, TCP_NODELAY, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_CORK, K_INT, SYS_OPT_LAST),
    R(IPPROTO_TCP, TCP_KEEPIDLE, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_KEEPINTVL, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_KEEPCNT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_SYNCNT, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_TCP, TCP_LINGER2, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_DEFER_ACCEPT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_USER_TIMEOUT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_NOTSENT_LOWAT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_INQ, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_TX_DELAY, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_SAVE_SYN, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_TCP, TCP_FASTOPEN, K_INT, SYS_OPT_LATE),
    R(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, K_INT, SYS_OPT_EARLY),
    R(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, K_INT, SYS_OPT_EARLY),

    R(IPPROTO_UDP, UDP_NO_CHECK6_TX, K_INT, SYS_OPT_LATE),
    R(IPPROTO_UDP, UDP_NO_CHECK6_RX, K_INT, SYS_OPT_LATE),
    R(IPPROTO_UDP, UDP_SEGMENT, K_INT, SYS_OPT_LATE),
    R(IPPROTO_UDP, UDP_GRO, K_INT, SYS_OPT_LATE),

    /* IP_TOS changes it. */
    R(SOL_SOCKET, SO_PRIORITY, K_INT, SYS_OPT_LATE),
    R(SOL_SOCKET, SO_LOCK_FILTER, K_INT, SYS_OPT_LAST),
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= SYS_OPTS, "SYS_OPTS");

static size_t
size_of(enum kind k)
{
	switch (k) {
	case K_INT:
		return sizeof(int);
	case K_U64:
		return sizeof(uint64_t);
	case K_LINGER:
		return sizeof(struct linger);
	case K_TIME:
		return sizeof(struct timeval);
	case K_PAIR:
		return 2 * sizeof(int);
	case K_STR:
	case K_BYTES:
		break;
	}
	return SYS_OPT_VAL;
}

struct self {
	int family, type, proto;
};

/* Saves the calls that can only fail; a v6 socket has IPv4 options too when it
 * is bound to or connected with a mapped address. */
static bool
may_have(const struct self *s, const struct row *o)
{
	if (s->type == SOCK_STREAM && strstr(o->text, "MULTICAST") != NULL)
		return false; /* an accepted socket has other values */
	switch (o->level) {
	case IPPROTO_IPV6:
		return s->family == AF_INET6;
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		return s->proto == o->level;
	default:
		return true;
	}
}

unsigned
sys_opts_read(int fd, struct sys_optval v[SYS_OPTS])
{
	struct self s = {0};

	(void)sys_opt_int(fd, SOL_SOCKET, SO_DOMAIN, &s.family);
	(void)sys_opt_int(fd, SOL_SOCKET, SO_TYPE, &s.type);
	(void)sys_opt_int(fd, SOL_SOCKET, SO_PROTOCOL, &s.proto);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *o = &rows[i];
		socklen_t n = (socklen_t)size_of(o->kind);

		v[i] = (struct sys_optval){.level = -1, .name = o->name};
		if (!may_have(&s, o) ||
		    getsockopt(fd, o->level, o->name, v[i].val, &n) < 0 ||
		    n > SYS_OPT_VAL)
			continue;
		if (o->kind == K_STR)
			n = (socklen_t)strnlen((char *)v[i].val, n);
		v[i].level = o->level;
		v[i].len = n;
	}
	return ARRAY_LEN(rows);
}

bool
sys_optval_equal(const struct sys_optval *a, const struct sys_optval *b)
{
	return a->level == b->level && a->len == b->len &&
	       memcmp(a->val, b->val, a->len) == 0;
}

static const struct row *
find(int level, int name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].level == level && rows[i].name == name)
			return &rows[i];
	return NULL;
}

int
sys_opt_set(int fd, int level, int name, const void *val, size_t len)
{
	const struct row *o = find(level, name);
	size_t n;

	if (o == NULL)
		return -EBADMSG;
	n = size_of(o->kind);
	if (len > n || (o->kind != K_STR && o->kind != K_BYTES && len != n &&
			   !(o->kind == K_PAIR && len == n / 2)))
		return -EBADMSG;
	if (setsockopt(fd, level, name, val, (socklen_t)len) < 0)
		return -errno;
	return 0;
}

int
sys_opt_when(int level, int name, enum sys_opt_when *ret)
{
	const struct row *o = find(level, name);

	if (o == NULL)
		return -EBADMSG;
	*ret = o->when;
	return 0;
}

const char *
sys_opt_name(int level, int name)
{
	const struct row *o = find(level, name);

	return o == NULL ? "?" : o->text;
}

int
sys_opt_int(int fd, int level, int name, int *ret)
{
	socklen_t n = sizeof(*ret);
	int v;

	if (getsockopt(fd, level, name, &v, &n) < 0)
		return -errno;
	*ret = v;
	return 0;
}

int
sys_opt_put(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v)) < 0 ? -errno : 0;
}
