/* SPDX-License-Identifier: BSD-2-Clause
 *
 * UDP sockets with what waits in them, raw and netlink sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "kindtest.h"
#include "nettest.h"
#include "sys/sockopt.h"

#define A 5
#define B 6
#define C 7

static int
udp_at(int num, const char *addr, uint16_t port)
{
	struct nt_addr a = nt_addr(addr, port);
	int fd = socket(a.ss.ss_family, SOCK_DGRAM, 0);

	KT_ASSERT(fd >= 0);
	if (fd != num) {
		KT_ASSERT(dup2(fd, num) == num);
		(void)close(fd);
	}
	KT_ASSERT(bind(num, (struct sockaddr *)&a.ss, a.len) == 0);
	return 0;
}

static int
send_to(int fd, const char *addr, uint16_t port, const void *p, size_t n)
{
	struct nt_addr a = nt_addr(addr, port);

	KT_ASSERT(
	    sendto(fd, p, n, 0, (struct sockaddr *)&a.ss, a.len) == (ssize_t)n);
	return 0;
}

static int
expect_from(int fd, const char *addr, uint16_t port, const void *p, size_t n)
{
	struct nt_addr want = nt_addr(addr, port);
	struct sockaddr_storage from = {0};
	socklen_t fl = sizeof(from);
	static uint8_t b[70000];

	KT_ASSERT(recvfrom(fd, b, sizeof(b), MSG_DONTWAIT,
		      (struct sockaddr *)&from, &fl) == (ssize_t)n);
	KT_ASSERT(memcmp(b, p, n) == 0);
	KT_ASSERT(fl == want.len && memcmp(&from, &want.ss, fl) == 0);
	return 0;
}

static uint8_t big[20000];

static int
queue_setup(void *p)
{
	(void)p;
	memset(big, 0x5a, sizeof(big));
	KT_ASSERT(udp_at(A, "127.0.0.1", 700) == 0);
	KT_ASSERT(udp_at(B, "127.0.0.1", 701) == 0);
	KT_ASSERT(send_to(B, "127.0.0.1", 700, "one", 3) == 0);
	KT_ASSERT(send_to(B, "127.0.0.1", 700, "", 0) == 0);
	KT_ASSERT(send_to(B, "127.0.0.1", 700, big, sizeof(big)) == 0);
	KT_ASSERT(send_to(A, "127.0.0.1", 700, "self", 4) == 0);
	KT_ASSERT(sys_opt_put(A, IPPROTO_IP, IP_TOS, 0x10) == 0);
	KT_ASSERT(sys_opt_put(A, SOL_SOCKET, SO_BROADCAST, 1) == 0);
	KT_ASSERT(sys_opt_put(A, SOL_SOCKET, SO_RCVBUF, 150000) == 0);
	return 0;
}

static int
queue_verify(void *p)
{
	char b;
	int v;

	(void)p;
	memset(big, 0x5a, sizeof(big));
	KT_ASSERT(expect_from(A, "127.0.0.1", 701, "one", 3) == 0);
	KT_ASSERT(expect_from(A, "127.0.0.1", 701, "", 0) == 0);
	KT_ASSERT(expect_from(A, "127.0.0.1", 701, big, sizeof(big)) == 0);
	KT_ASSERT(expect_from(A, "127.0.0.1", 700, "self", 4) == 0);
	KT_ASSERT(recv(A, &b, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	KT_ASSERT(sys_opt_int(A, IPPROTO_IP, IP_TOS, &v) == 0 && v == 0x10);
	KT_ASSERT(sys_opt_int(A, SOL_SOCKET, SO_BROADCAST, &v) == 0 && v == 1);
	KT_ASSERT(
	    sys_opt_int(A, SOL_SOCKET, SO_RCVBUF, &v) == 0 && v == 300000);
	KT_ASSERT(sys_opt_int(A, IPPROTO_IP, IP_PKTINFO, &v) == 0 && v == 0);
	KT_ASSERT(sys_opt_int(A, SOL_SOCKET, SO_PEEK_OFF, &v) == 0 && v == -1);
	KT_ASSERT(send_to(B, "127.0.0.1", 700, "more", 4) == 0);
	KT_ASSERT(expect_from(A, "127.0.0.1", 701, "more", 4) == 0);
	return 0;
}

/* Over IPv6, to a socket bound to any address; a mapped one; one connected. */
static int
six_setup(void *p)
{
	struct nt_addr peer = nt_addr("::1", 711);

	(void)p;
	KT_ASSERT(udp_at(A, "::", 710) == 0);
	KT_ASSERT(udp_at(B, "::1", 711) == 0);
	KT_ASSERT(udp_at(C, "127.0.0.1", 712) == 0);
	KT_ASSERT(send_to(B, "::1", 710, "six", 3) == 0);
	KT_ASSERT(send_to(C, "127.0.0.1", 710, "four", 4) == 0);
	KT_ASSERT(connect(A, (struct sockaddr *)&peer.ss, peer.len) == 0);
	return 0;
}

static int
six_verify(void *p)
{
	(void)p;
	KT_ASSERT(expect_from(A, "::1", 711, "six", 3) == 0);
	KT_ASSERT(expect_from(A, "::ffff:127.0.0.1", 712, "four", 4) == 0);
	KT_ASSERT(send(A, "out", 3, 0) == 3);
	KT_ASSERT(expect_from(B, "::1", 710, "out", 3) == 0);
	return 0;
}

static int
mcast_setup(void *p)
{
	struct ip_mreqn m = {.imr_ifindex = 1};
	struct ipv6_mreq m6 = {.ipv6mr_interface = 1};

	(void)p;
	KT_ASSERT(udp_at(A, "0.0.0.0", 720) == 0 && udp_at(B, "::", 721) == 0);
	(void)inet_pton(AF_INET, "239.1.2.3", &m.imr_multiaddr);
	(void)inet_pton(AF_INET6, "ff02::1234", &m6.ipv6mr_multiaddr);
	KT_ASSERT(
	    setsockopt(A, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) == 0);
	KT_ASSERT(setsockopt(B, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m6,
		      sizeof(m6)) == 0);
	return 0;
}

static int
mcast_verify(void *p)
{
	struct ip_mreqn m = {.imr_ifindex = 1};
	struct ipv6_mreq m6 = {.ipv6mr_interface = 1};

	(void)p;
	(void)inet_pton(AF_INET, "239.1.2.3", &m.imr_multiaddr);
	(void)inet_pton(AF_INET6, "ff02::1234", &m6.ipv6mr_multiaddr);
	KT_ASSERT(
	    setsockopt(A, IPPROTO_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)) == 0);
	KT_ASSERT(setsockopt(B, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP, &m6,
		      sizeof(m6)) == 0);
	return 0;
}

static int
raw_setup(void *p)
{
	(void)p;
	KT_ASSERT(socket(AF_INET, SOCK_RAW, 253) >= 0);
	KT_ASSERT(sys_opt_put(3, IPPROTO_IP, IP_HDRINCL, 1) == 0);
	return 0;
}

static int
raw_verify(void *p)
{
	int v;

	(void)p;
	KT_ASSERT(sys_opt_int(3, IPPROTO_IP, IP_HDRINCL, &v) == 0 && v == 1);
	KT_ASSERT(sys_opt_int(3, SOL_SOCKET, SO_PROTOCOL, &v) == 0 && v == 253);
	return 0;
}

static int
raw_full(void *p)
{
	(void)p;
	KT_ASSERT(raw_setup(p) == 0 && sys_opt_put(3, 0, IP_HDRINCL, 0) == 0);
	return send_to(3, "127.0.0.1", 0, "x", 1);
}

static int
nl_setup(void *p)
{
	struct sockaddr_nl a = {
	    .nl_family = AF_NETLINK, .nl_pid = 4711, .nl_groups = RTMGRP_LINK};

	(void)p;
	KT_ASSERT(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) == 3);
	KT_ASSERT(bind(3, (struct sockaddr *)&a, sizeof(a)) == 0);
	KT_ASSERT(sys_opt_put(3, SOL_NETLINK, NETLINK_EXT_ACK, 1) == 0);
	return 0;
}

static int
nl_verify(void *p)
{
	struct sockaddr_nl a = {0};
	socklen_t n = sizeof(a);
	int v;

	(void)p;
	KT_ASSERT(getsockname(3, (struct sockaddr *)&a, &n) == 0);
	KT_ASSERT(a.nl_pid == 4711 && a.nl_groups == RTMGRP_LINK);
	KT_ASSERT(
	    sys_opt_int(3, SOL_NETLINK, NETLINK_EXT_ACK, &v) == 0 && v == 1);
	return 0;
}

static int
nl_full(void *p)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} q = {.h = {.nlmsg_len = sizeof(q),
		   .nlmsg_type = RTM_GETLINK,
		   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};

	(void)p;
	KT_ASSERT(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) == 3);
	KT_ASSERT(send(3, &q, sizeof(q), 0) == sizeof(q));
	return 0;
}

static int
test_queue(void)
{
	return kt_simple(queue_setup, queue_verify);
}

static int
test_six(void)
{
	return kt_simple(six_setup, six_verify);
}

static int
test_mcast(void)
{
	return kt_simple(mcast_setup, mcast_verify);
}

static int
test_raw(void)
{
	return kt_simple(raw_setup, raw_verify) < 0
		   ? -1
		   : kt_refused(raw_full, "unread packets");
}

static int
test_netlink(void)
{
	return kt_simple(nl_setup, nl_verify) < 0
		   ? -1
		   : kt_refused(nl_full, "unread messages");
}

static const struct kt_test tests[] = {
    {"queue", test_queue},
    {"six", test_six},
    {"multicast", test_mcast},
    {"raw", test_raw},
    {"netlink", test_netlink},
};

int
main(int argc, char **argv)
{
	nt_begin();
	return kt_main(
	    tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
