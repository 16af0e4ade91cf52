/* SPDX-License-Identifier: BSD-2-Clause */
#include "nettest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define NO_DAD                                                 \
	"cd /proc/sys/net/ipv6/conf; echo 0 >all/accept_dad; " \
	"echo 0 >default/accept_dad"

static int host_ns = -1;

static int
own_ns(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	NT_CHECK(fd >= 0);
	return fd;
}

void
nt_begin(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) < 0) {
		fprintf(stderr, "needs root\n");
		exit(77);
	}
	NT_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	host_ns = own_ns();
	nt_sh(host_ns, "ip link set lo up");
}

int
nt_host(void)
{
	return host_ns;
}

void
nt_enter(int ns)
{
	NT_CHECK(setns(ns, CLONE_NEWNET) == 0);
}

int
nt_ns_new(void)
{
	int was = own_ns(), fd;

	NT_CHECK(unshare(CLONE_NEWNET) == 0);
	fd = own_ns();
	nt_enter(was);
	(void)close(was);
	return fd;
}

void
nt_sh(int ns, const char *fmt, ...)
{
	int was = own_ns();
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	nt_enter(ns);
	if (system(cmd) != 0) {
		fprintf(stderr, "failed: %s\n", cmd);
		exit(1);
	}
	nt_enter(was);
	(void)close(was);
}

int
nt_client(int host, const char *out, unsigned n)
{
	int ns = nt_ns_new();

	/* Else nobody could ask for a neighbour in the first second. */
	nt_sh(host, NO_DAD);
	nt_sh(ns, NO_DAD);
	nt_sh(host,
	    "ip link add %s type veth peer name c0 netns /proc/%d/fd/%d", out,
	    getpid(), ns);
	nt_sh(host,
	    "ip link set %s up; ip addr add 10.9.0.1/24 dev %s;"
	    "ip addr add fd09::1/64 dev %s nodad",
	    out, out, out);
	nt_sh(ns,
	    "ip link set lo up; ip link set c0 up; ip addr add 10.9.0.%u/24 "
	    "dev c0; ip addr add fd09::%u/64 dev c0 nodad",
	    n, n);
	return ns;
}

struct nt_addr
nt_addr(const char *text, uint16_t port)
{
	struct nt_addr a = {0};

	if (strchr(text, ':') != NULL) {
		struct sockaddr_in6 *s = (void *)&a.ss;

		s->sin6_family = AF_INET6;
		s->sin6_port = htons(port);
		NT_CHECK(inet_pton(AF_INET6, text, &s->sin6_addr) == 1);
		a.len = sizeof(*s);
	} else {
		struct sockaddr_in *s = (void *)&a.ss;

		s->sin_family = AF_INET;
		s->sin_port = htons(port);
		NT_CHECK(inet_pton(AF_INET, text, &s->sin_addr) == 1);
		a.len = sizeof(*s);
	}
	return a;
}

int
nt_socket(int ns, int family, int type)
{
	int was = own_ns(), fd;

	nt_enter(ns);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	NT_CHECK(fd >= 0);
	nt_enter(was);
	(void)close(was);
	return fd;
}

int
nt_listen(int ns, const char *addr, uint16_t port, int backlog)
{
	struct nt_addr a = nt_addr(addr, port);
	int fd = nt_socket(ns, a.ss.ss_family, SOCK_STREAM), one = 1;

	NT_CHECK(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	NT_CHECK(bind(fd, (struct sockaddr *)&a.ss, a.len) == 0);
	NT_CHECK(listen(fd, backlog) == 0);
	return fd;
}

int
nt_connect(int ns, const char *addr, uint16_t port, int ms)
{
	struct nt_addr a = nt_addr(addr, port);
	int fd = nt_socket(ns, a.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK);
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int err = 0;
	socklen_t n = sizeof(err);

	if (connect(fd, (struct sockaddr *)&a.ss, a.len) < 0 &&
	    errno != EINPROGRESS)
		err = errno;
	else if (poll(&p, 1, ms) == 0)
		err = ETIMEDOUT;
	else
		NT_CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) == 0);
	if (err != 0) {
		(void)close(fd);
		return -err;
	}
	NT_CHECK(fcntl(fd, F_SETFL, 0) == 0);
	return fd;
}

double
nt_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

bool
nt_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

void
nt_tap_open(struct nt_tap *t, int ns, const char *dev)
{
	int was = own_ns();
	struct sockaddr_ll a = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

	*t = (struct nt_tap){0};
	nt_enter(ns);
	t->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    htons(ETH_P_ALL));
	NT_CHECK(t->fd >= 0);
	a.sll_ifindex = (int)if_nametoindex(dev);
	NT_CHECK(bind(t->fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	nt_enter(was);
	(void)close(was);
}

void
nt_tap_drain(struct nt_tap *t, const char *from)
{
	struct nt_addr f = nt_addr(from, 0);
	uint8_t b[65536];

	for (;;) {
		ssize_t n = recv(t->fd, b, sizeof(b), 0);
		const struct tcphdr *tcp = NULL;
		unsigned proto;

		if (n < 0)
			return;
		if (f.ss.ss_family == AF_INET) {
			const struct sockaddr_in *s = (const void *)&f.ss;
			const struct iphdr *ip = (const void *)b;

			if (n < (ssize_t)sizeof(*ip) || ip->version != 4 ||
			    ip->saddr != s->sin_addr.s_addr)
				continue;
			proto = ip->protocol;
			tcp = (const void *)(b + ip->ihl * 4);
		} else {
			const struct sockaddr_in6 *s = (const void *)&f.ss;
			const struct ip6_hdr *ip = (const void *)b;

			if (n < (ssize_t)sizeof(*ip) || b[0] >> 4 != 6 ||
			    memcmp(&ip->ip6_src, &s->sin6_addr, 16) != 0)
				continue;
			proto = ip->ip6_nxt;
			tcp = (const void *)(b + sizeof(*ip));
		}
		t->packets++;
		if (proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
			t->icmp++;
		if (proto == IPPROTO_TCP && tcp->rst)
			t->rst++;
	}
}
