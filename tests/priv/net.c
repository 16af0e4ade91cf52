/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The interfaces of an instance against a real host, instance and client
 * namespace: reachable both ways over both protocols without any global
 * setting, addresses in use are refused, a silenced instance is silent, and
 * nothing stays behind.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net.h"
#include "nettest.h"

static const struct net_addr addrs[] = {
    {AF_INET, {10, 9, 0, 50}},
    {AF_INET6, {0xfd, 0x09, [15] = 0x50}},
};
static const struct net_if ifs[] = {{.n = 0, .addr = addrs, .naddr = 2}};
static const struct net_cfg cfg = {.id = "t1", .ifs = ifs, .nifs = 1};

static void
expect_talk(int from, int to, const char *addr)
{
	int l = nt_listen(to, addr, 80, 5);
	int c = nt_connect(from, addr, 80, 2000), s;
	char b[4] = "";

	if (c < 0)
		fprintf(stderr, "connect to %s: %s\n", addr, strerror(-c));
	NT_CHECK(c >= 0);
	s = accept(l, NULL, NULL);
	NT_CHECK(s >= 0);
	NT_CHECK(write(c, "abc", 3) == 3);
	NT_CHECK(read(s, b, 3) == 3 && strcmp(b, "abc") == 0);
	(void)close(s);
	(void)close(c);
	(void)close(l);
}

static void
test_refusals(void)
{
	static const struct net_addr own[] = {{AF_INET, {10, 9, 0, 1}}};
	static const struct net_if oif[] = {{.addr = own, .naddr = 1}};
	struct net_cfg bad = {.id = "t2", .ifs = oif, .nifs = 1};
	struct vps_err e = {0};

	NT_CHECK(net_check(&bad, &e) == -EADDRINUSE);
	NT_CHECK(strcmp(e.msg, "address 10.9.0.1 belongs to this host") == 0);
	bad.ifs = ifs;
	NT_CHECK(net_check(&bad, &e) == -EADDRINUSE);
	NT_CHECK(strstr(e.msg, "another instance") != NULL);
	NT_OK(net_check(&cfg, &e), &e); /* its own aren't in its way */
}

static void
test_silence(int client, int inst)
{
	struct vps_err e = {0};
	struct nt_tap t;
	int l = nt_listen(inst, "10.9.0.50", 81, 5);
	int c = nt_connect(client, "10.9.0.50", 81, 2000);

	NT_CHECK(c >= 0);
	nt_tap_open(&t, client, "c0");
	NT_OK(net_silence(&cfg, &e), &e);
	(void)close(l); /* would reset the connection in the backlog */
	NT_CHECK(write(c, "x", 1) == 1);
	NT_CHECK(nt_connect(client, "10.9.0.50", 81, 400) == -ETIMEDOUT);
	NT_CHECK(nt_connect(client, "fd09::50", 81, 400) == -ETIMEDOUT);
	nt_tap_drain(&t, "10.9.0.50");
	NT_CHECK(t.packets == 0);
	/* ... nor does the host say anything in its own name, except ARP. */
	nt_tap_drain(&t, "10.9.0.1");
	NT_CHECK(t.icmp == 0);
	(void)close(c);
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
measure(void)
{
	enum { N = 21 };
	double up[N], claim[N], down[N];
	struct vps_err e = {0};

	for (int i = 0; i < N; i++) {
		int ns = nt_ns_new();
		double t0 = nt_now(), t1, t2, t3;

		NT_OK(net_setup(&cfg, ns, &e), &e);
		t1 = nt_now();
		NT_OK(net_claim(&cfg, &e), &e);
		t2 = nt_now();
		net_teardown(&cfg);
		t3 = nt_now();
		up[i] = t1 - t0;
		claim[i] = t2 - t1;
		down[i] = t3 - t2;
		(void)close(ns);
	}
	qsort(up, N, sizeof(*up), by_size);
	qsort(claim, N, sizeof(*claim), by_size);
	qsort(down, N, sizeof(*down), by_size);
	printf("setup %.2f ms, claim %.2f ms, teardown %.2f ms\n", up[N / 2],
	    claim[N / 2], down[N / 2]);
}

static void
test_hook(void)
{
	struct vps_err e = {0};
	pid_t pid;
	int st;

	NT_OK(net_hook(&cfg,
		  "test \"$VPS_ID $VPS_ADDRESSES $VPS_INTERFACES\" = "
		  "'t1 10.9.0.50 fd09::50 vps.t1.0'",
		  &pid, &e),
	    &e);
	NT_CHECK(waitpid(pid, &st, 0) == pid);
	NT_CHECK(st == 0);
}

int
main(void)
{
	struct vps_err e = {0};
	int client, inst;

	nt_begin();
	(void)signal(SIGPIPE, SIG_IGN);
	client = nt_client(nt_host(), "out0", 2);
	inst = nt_ns_new();
	NT_OK(net_check(&cfg, &e), &e);
	NT_OK(net_setup(&cfg, inst, &e), &e);
	NT_CHECK(net_setup(&cfg, inst, &e) == -EEXIST);
	NT_OK(net_claim(&cfg, &e), &e);
	NT_OK(net_claim(&cfg, &e), &e);
	NT_OK(net_announce(&cfg, &e), &e);
	nt_sh(client, "ip neigh show | grep -q '^10.9.0.50 ' || exit 0");
	expect_talk(client, inst, "10.9.0.50");
	expect_talk(client, inst, "fd09::50");
	expect_talk(inst, client, "10.9.0.2");
	expect_talk(inst, client, "fd09::2");
	expect_talk(inst, inst, "127.0.0.1");
	expect_talk(inst, inst, "10.9.0.50");
	expect_talk(nt_host(), inst, "10.9.0.50");
	test_refusals();
	test_hook();
	test_silence(client, inst);
	/* It comes back, in another namespace. */
	(void)close(inst);
	inst = nt_ns_new();
	NT_OK(net_setup(&cfg, inst, &e), &e);
	NT_OK(net_claim(&cfg, &e), &e);
	expect_talk(client, inst, "10.9.0.50");
	expect_talk(client, inst, "fd09::50");
	net_teardown(&cfg);
	nt_sh(nt_host(), "! ip link show vps.t1.0 2>/dev/null");
	nt_sh(nt_host(), "! ip route show | grep 10.9.0.50");
	nt_sh(nt_host(), "! ip -6 route show | grep fd09::50");
	nt_sh(nt_host(), "! ip neigh show proxy | grep .");
	nt_sh(nt_host(), "! ip -6 neigh show proxy | grep .");
	measure();
	return 0;
}
