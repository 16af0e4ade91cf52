/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hold, seen from a client: with `all` no packet leaves the instance and
 * none gets in, over lo neither, whatever happens to its sockets; with `new`
 * established connections go on and new ones wait.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/hold.h"
#include "nettest.h"

static const struct net_addr addrs[] = {
    {AF_INET, {10, 9, 0, 50}},
    {AF_INET6, {0xfd, 0x09, [15] = 0x50}},
};
static const struct net_if ifs[] = {{.n = 3, .addr = addrs, .naddr = 2}};
static const struct net_cfg cfg = {.id = "a-long-name", .ifs = ifs, .nifs = 1};

struct conn {
	int c, s;
};

static struct conn
connection(int from, int to, const char *addr, uint16_t port)
{
	int l = nt_listen(to, addr, port, 5);
	struct conn k;

	k.c = nt_connect(from, addr, port, 2000);
	NT_CHECK(k.c >= 0);
	k.s = accept(l, NULL, NULL);
	NT_CHECK(k.s >= 0);
	(void)close(l);
	return k;
}

static void
test_all(int client, int inst, int hold, const char *addr, const char *dev)
{
	struct conn k = connection(client, inst, addr, 90), d, i;
	struct nt_tap t;
	enum net_hold v;
	uint64_t before, after;
	char b[8];

	d = connection(client, inst, addr, 91);
	i = connection(client, inst, addr, 92);
	NT_CHECK(net_hold_get(hold, &v, &before) == 0 && v == NET_HOLD_PASS);
	NT_CHECK(net_hold_set(hold, NET_HOLD_ALL) == 0);
	usleep(20000); /* acknowledgements that were under way */
	nt_tap_open(&t, client, dev);
	/* Into a socket, into none, from one, a close with unread data (would
	 * reset), a silent close's reset. */
	NT_CHECK(write(k.c, "in", 2) == 2);
	NT_CHECK(write(k.s, "out", 3) == 3);
	NT_CHECK(write(d.c, "x", 1) == 1);
	(void)close(d.s);
	(void)close(d.c);
	{
		struct linger l = {1, 0};

		NT_CHECK(
		    setsockopt(i.s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
		(void)close(i.s);
	}
	NT_CHECK(nt_connect(client, addr, 93, 300) == -ETIMEDOUT);
	NT_CHECK(!nt_readable(k.s, 0) && !nt_readable(k.c, 0));
	NT_CHECK(!nt_readable(i.c, 0));
	if (client != inst) {
		nt_tap_drain(&t, addr);
		NT_CHECK(t.packets == 0);
	}
	NT_CHECK(net_hold_get(hold, &v, &after) == 0 && v == NET_HOLD_ALL);
	NT_CHECK(after > before);
	NT_CHECK(net_hold_set(hold, NET_HOLD_PASS) == 0);
	/* TCP has lost nothing. */
	NT_CHECK(nt_readable(k.s, 3000) && nt_readable(k.c, 3000));
	NT_CHECK(read(k.s, b, sizeof(b)) == 2 && memcmp(b, "in", 2) == 0);
	NT_CHECK(read(k.c, b, sizeof(b)) == 3 && memcmp(b, "out", 3) == 0);
	/* The tap does see resets: of a port where nobody listens. */
	NT_CHECK(nt_connect(client, addr, 94, 2000) == -ECONNREFUSED);
	nt_tap_drain(&t, addr);
	NT_CHECK(t.rst > 0);
	(void)close(t.fd);
	(void)close(k.c);
	(void)close(k.s);
	(void)close(i.c);
}

static void
test_new(int client, int inst, int hold, const char *addr)
{
	struct conn k = connection(client, inst, addr, 95);
	int l = nt_listen(inst, addr, 96, 5), c;
	int back = nt_listen(client, client == inst ? addr : "10.9.0.2", 97, 5);
	char b[8];

	NT_CHECK(net_hold_set(hold, NET_HOLD_NEW) == 0);
	NT_CHECK(write(k.c, "in", 2) == 2 && read(k.s, b, 8) == 2);
	NT_CHECK(write(k.s, "out", 3) == 3 && read(k.c, b, 8) == 3);
	NT_CHECK(nt_connect(client, addr, 96, 300) == -ETIMEDOUT);
	NT_CHECK(!nt_readable(l, 0));
	if (client != inst) { /* what the instance begins may go on */
		c = nt_connect(inst, "10.9.0.2", 97, 500);
		NT_CHECK(c >= 0);
		(void)close(c);
	}
	NT_CHECK(net_hold_set(hold, NET_HOLD_PASS) == 0);
	c = nt_connect(client, addr, 96, 3000);
	NT_CHECK(c >= 0 && nt_readable(l, 1000));
	(void)close(c);
	(void)close(l);
	(void)close(back);
	(void)close(k.c);
	(void)close(k.s);
}

static void
measure(int inst, uint32_t id)
{
	struct vps_err e = {0};
	double t0, t1, best = 1e9;
	int hold = net_hold_open(cfg.id, id, &e);

	NT_CHECK(hold >= 0);
	t0 = nt_now();
	for (int i = 0; i < 1000; i++)
		NT_CHECK(net_hold_set(hold, NET_HOLD_PASS) == 0);
	t1 = nt_now();
	(void)close(hold);
	for (int i = 0; i < 15; i++) {
		int ns = nt_ns_new();
		double a;

		net_teardown(&cfg);
		(void)close(inst);
		inst = ns;
		NT_OK(net_setup(&cfg, inst, &e), &e);
		a = nt_now();
		NT_OK(net_hold_setup(&cfg, inst, NET_HOLD_PASS, &id, &e), &e);
		if (nt_now() - a < best)
			best = nt_now() - a;
	}
	printf("hold: set up %.2f ms, flip %.1f us\n", best, t1 - t0);
	net_teardown(&cfg);
}

int
main(void)
{
	struct vps_err e = {0};
	int client, inst, hold;
	uint32_t id = 0;

	nt_begin();
	(void)signal(SIGPIPE, SIG_IGN);
	client = nt_client(nt_host(), "out0", 2);
	inst = nt_ns_new();
	NT_OK(net_setup(&cfg, inst, &e), &e);
	NT_OK(net_hold_setup(&cfg, inst, NET_HOLD_PASS, &id, &e), &e);
	NT_OK(net_claim(&cfg, &e), &e);
	hold = net_hold_open(cfg.id, id, &e);
	NT_OK(hold, &e);
	NT_CHECK(net_hold_open("other", id, &e) == -ENOENT);
	NT_CHECK(net_hold_open(cfg.id, 0, &e) == -ENOENT);
	test_all(client, inst, hold, "10.9.0.50", "c0");
	test_all(client, inst, hold, "fd09::50", "c0");
	test_all(inst, inst, hold, "127.0.0.1", "lo");
	test_all(inst, inst, hold, "10.9.0.50", "lo");
	test_new(client, inst, hold, "10.9.0.50");
	test_new(client, inst, hold, "fd09::50");
	test_new(inst, inst, hold, "127.0.0.1");
	test_new(inst, inst, hold, "::1");
	/* Root inside may take it off its own lo, not off the host's end. */
	NT_OK(net_hold_check(&cfg, inst, hold, &e), &e);
	nt_sh(inst, "tc qdisc del dev lo clsact");
	NT_OK(net_hold_check(&cfg, inst, hold, &e), &e);
	nt_sh(inst,
	    "test $(tc filter show dev lo ingress | grep -c vps_hold) = 1");
	test_all(inst, inst, hold, "127.0.0.1", "lo");
	(void)close(hold);
	measure(inst, id);
	return 0;
}
