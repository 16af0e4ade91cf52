/* SPDX-License-Identifier: BSD-2-Clause
 * TCP with both ends inside, over IPv4 and IPv6: data in both queues, a half
 * closed connection, a listener that still listens, options. And UDP. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "payload.h"

struct conn {
	int lsn, cli, srv;
};

static struct conn
connection(int family)
{
	struct sockaddr_in6 a6 = {
	    .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in a4 = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *a =
	    family == AF_INET ? (struct sockaddr *)&a4 : (struct sockaddr *)&a6;
	socklen_t len = family == AF_INET ? sizeof(a4) : sizeof(a6);
	struct conn c;

	c.lsn = pl_ok(socket(family, SOCK_STREAM, 0));
	pl_ok(bind(c.lsn, a, len));
	pl_ok(listen(c.lsn, 8));
	pl_ok(getsockname(c.lsn, a, &len));
	c.cli = pl_ok(socket(family, SOCK_STREAM, 0));
	pl_ok(connect(c.cli, a, len));
	c.srv = pl_ok(accept(c.lsn, NULL, NULL));
	return c;
}

static void
read_all(int fd, char *buf, size_t len)
{
	for (size_t n = 0; n < len;) {
		ssize_t r = read(fd, buf + n, len - n);

		pl_check(r > 0);
		n += (size_t)r;
	}
}

static int
get(int fd, int level, int opt)
{
	int v = -1;
	socklen_t len = sizeof(v);

	pl_ok(getsockopt(fd, level, opt, &v, &len));
	return v;
}

int
main(int argc, char **argv)
{
	static char big[300000], got[300000];
	struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct conn c[2], half[2];
	socklen_t len = sizeof(a);
	int one = 1, idle = 77, u1, u2, again;

	pl_init(argc, argv);
	pl_fill(big, sizeof(big), 5);
	for (int i = 0; i < 2; i++) {
		ssize_t n;

		c[i] = connection(i == 0 ? AF_INET : AF_INET6);
		pl_ok(setsockopt(
		    c[i].cli, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
		pl_ok(setsockopt(
		    c[i].cli, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
		pl_ok(setsockopt(
		    c[i].cli, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle)));
		/* More than the receiver takes: in both queues. */
		n = send(c[i].cli, big, sizeof(big), MSG_DONTWAIT);
		pl_check(n > 0);
		c[i].lsn = c[i].lsn << 20 | (int)n;
		pl_eq(write(c[i].srv, "answer", 6), 6);
		half[i] = connection(i == 0 ? AF_INET : AF_INET6);
		pl_eq(write(half[i].cli, "end", 3), 3);
		pl_ok(shutdown(half[i].cli, SHUT_WR));
	}
	u1 = pl_ok(socket(AF_INET, SOCK_DGRAM, 0));
	pl_ok(bind(u1, (struct sockaddr *)&a, sizeof(a)));
	pl_ok(getsockname(u1, (struct sockaddr *)&a, &len));
	u2 = pl_ok(socket(AF_INET, SOCK_DGRAM, 0));
	pl_ok(connect(u2, (struct sockaddr *)&a, len));
	pl_wait();
	for (int i = 0; i < 2; i++) {
		size_t n = (size_t)(c[i].lsn & 0xfffff);
		struct sockaddr_storage ss;

		pl_eq(get(c[i].cli, IPPROTO_TCP, TCP_NODELAY), 1);
		pl_eq(get(c[i].srv, IPPROTO_TCP, TCP_NODELAY), 0);
		pl_eq(get(c[i].cli, SOL_SOCKET, SO_KEEPALIVE), 1);
		pl_eq(get(c[i].cli, IPPROTO_TCP, TCP_KEEPIDLE), 77);
		read_all(c[i].srv, got, n);
		pl_check(memcmp(big, got, n) == 0);
		read_all(c[i].cli, got, 6);
		pl_check(memcmp(got, "answer", 6) == 0);
		pl_eq(write(c[i].cli, "ping", 4), 4);
		read_all(c[i].srv, got, 4);
		pl_eq(write(c[i].srv, "pong", 4), 4);
		read_all(c[i].cli, got, 4);
		pl_eq(read(half[i].srv, got, 10), 3);
		pl_eq(read(half[i].srv, got, 10), 0);
		pl_eq(write(half[i].srv, "still", 5), 5);
		read_all(half[i].cli, got, 5);
		pl_check(memcmp(got, "still", 5) == 0);
		close(half[i].srv);
		pl_eq(read(half[i].cli, got, 10), 0);
		/* The listener still takes connections. */
		len = sizeof(ss);
		pl_ok(
		    getsockname(c[i].lsn >> 20, (struct sockaddr *)&ss, &len));
		again = pl_ok(socket(ss.ss_family, SOCK_STREAM, 0));
		pl_ok(connect(again, (struct sockaddr *)&ss, len));
		pl_ok(accept(c[i].lsn >> 20, NULL, NULL));
	}
	pl_eq(write(u2, "udp", 3), 3);
	pl_eq(read(u1, got, 10), 3);
	return pl_pass();
}
