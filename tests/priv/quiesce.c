/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What can't be carried is seen and named, and is gone when it has passed:
 * accept queues, half-open connections, closed sockets with unsent data.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/hold.h"
#include "net/quiesce.h"
#include "nettest.h"

static const struct net_addr addrs[] = {
    {AF_INET, {10, 9, 0, 50}},
    {AF_INET6, {0xfd, 0x09, [15] = 0x50}},
};
static const struct net_if ifs[] = {{.addr = addrs, .naddr = 2}};
static const struct net_cfg cfg = {.id = "q", .ifs = ifs, .nifs = 1};

static void
expect(int diag, const char *text, const char *who)
{
	struct vps_err e = {0};

	NT_CHECK(net_quiet(diag, &e) == -EBUSY);
	if (strstr(e.msg, text) == NULL || strstr(e.msg, who) == NULL)
		fprintf(stderr, "%s\n", e.msg);
	NT_CHECK(strstr(e.msg, text) != NULL && strstr(e.msg, who) != NULL);
}

static void *
accept_later(void *l)
{
	usleep(30000);
	(void)close(accept(*(int *)l, NULL, NULL));
	return NULL;
}

static void
test_queue(int client, int inst, int diag, const char *addr, const char *shown)
{
	struct vps_err e = {0};
	int l = nt_listen(inst, addr, 80, 5), c;
	pthread_t t;
	double t0;

	NT_OK(net_quiet(diag, &e), &e);
	c = nt_connect(client, addr, 80, 1000);
	if (c < 0)
		fprintf(stderr, "connect to %s: %s\n", addr, strerror(-c));
	NT_CHECK(c >= 0);
	expect(diag, "not yet accepted", shown);
	t0 = nt_now();
	NT_CHECK(net_quiesce(diag, 20, &e) == -EBUSY);
	NT_CHECK(nt_now() - t0 < 60);
	NT_CHECK(pthread_create(&t, NULL, accept_later, &l) == 0);
	(void)fcntl(c, F_SETFL, O_NONBLOCK);
	NT_OK(net_quiesce(diag, 2000, &e), &e);
	(void)pthread_join(t, NULL);
	(void)close(c);
	(void)close(l);
	NT_OK(net_quiesce(diag, 2000, &e), &e);
}

static void
test_half_open(int client, int inst, int diag)
{
	struct vps_err e = {0};
	int l = nt_listen(inst, "10.9.0.50", 81, 5);

	/* The answer to the SYN never arrives. */
	nt_sh(nt_host(), "ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:99 "
			 "dev out0 nud permanent");
	NT_CHECK(nt_connect(client, "10.9.0.50", 81, 100) == -ETIMEDOUT);
	expect(diag, "half-open", "10.9.0.50:81 with 10.9.0.2:");
	nt_sh(nt_host(), "ip neigh del 10.9.0.2 dev out0");
	(void)close(l);
	NT_OK(net_quiesce(diag, 3000, &e), &e);
}

static void
test_orphan(int client, int inst, int diag)
{
	struct vps_err e = {0};
	int l = nt_listen(inst, "fd09::50", 82, 5), s;
	int c = nt_connect(client, "fd09::50", 82, 1000);
	static char buf[65536];
	ssize_t n;

	s = accept(l, NULL, NULL);
	NT_CHECK(c >= 0 && s >= 0);
	(void)fcntl(s, F_SETFL, O_NONBLOCK);
	while (write(s, buf, sizeof(buf)) > 0)
		continue;
	(void)close(s);
	expect(diag, "unsent data", "[fd09::50]:82 with [fd09::2]:");
	do
		n = read(c, buf, sizeof(buf));
	while (n > 0);
	NT_CHECK(n == 0);
	NT_OK(net_quiesce(diag, 2000, &e), &e);
	(void)close(c);
	(void)close(l);
}

int
main(void)
{
	struct vps_err e = {0};
	int client, inst, diag;

	nt_begin();
	client = nt_client(nt_host(), "out0", 2);
	inst = nt_ns_new();
	NT_OK(net_setup(&cfg, inst, &e), &e);
	NT_OK(net_claim(&cfg, &e), &e);
	diag = net_diag_open(inst);
	NT_CHECK(diag >= 0);
	test_queue(client, inst, diag, "10.9.0.50", "10.9.0.50:80 with 10.9");
	test_queue(client, inst, diag, "fd09::50", "[fd09::50]:80 with [fd09");
	test_queue(inst, inst, diag, "127.0.0.1", "127.0.0.1:80 with 127");
	test_half_open(client, inst, diag);
	test_orphan(client, inst, diag);
	net_teardown(&cfg);
	return 0;
}
