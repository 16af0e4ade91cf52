/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TCP connections of a process move to another network namespace, in every
 * state that a descriptor can see: the client, a process elsewhere, sees no
 * reset and every byte in order. With the real hold, interfaces and routes.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kindtest.h"
#include "net/hold.h"
#include "nettest.h"
#include "sys/sockopt.h"
#include "sys/tcp.h"

#define LFD 5 /* listener in the child */
#define CFD 6 /* connection in the child */
#define DFD 7 /* other end of one over lo */

static const struct net_addr addrs[] = {
    {AF_INET, {10, 9, 0, 50}},
    {AF_INET6, {0xfd, 0x09, [15] = 0x50}},
};
static const struct net_if ifs[] = {{.addr = addrs, .naddr = 2}};
static const struct net_cfg cfg = {.id = "tcp", .ifs = ifs, .nifs = 1};

struct shared {
	char addr[64]; /* where the child listens */
	char peer[64]; /* whom it connects to */
	uint16_t port;
	bool any;      /* listen on :: */
	size_t filled; /* bytes that the child could write */
	int want;      /* state that the child has to see */
};

static struct {
	int client, inst, hold;
	struct kt *kt;
	pid_t pid;
	struct shared *sh;
	struct nt_tap tap;
} T;

static uint16_t next_port = 2000;

static uint8_t
pattern(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13 + (i >> 16));
}

static size_t
write_pattern(int fd, size_t max)
{
	static uint8_t b[16384];
	size_t at = 0;

	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	while (at < max) {
		size_t n = max - at < sizeof(b) ? max - at : sizeof(b);
		ssize_t w;

		for (size_t i = 0; i < n; i++)
			b[i] = pattern(at + i);
		w = write(fd, b, n);
		if (w < 0)
			break;
		at += (size_t)w;
	}
	(void)fcntl(fd, F_SETFL, 0);
	return at;
}

/* Reads and compares n bytes; then, if `eof`, the end. */
static int
read_pattern(int fd, size_t n, bool eof)
{
	static uint8_t b[65536];
	size_t at = 0;

	while (at < n) {
		ssize_t g;

		if (!nt_readable(fd, 5000)) {
			fprintf(stderr, "stuck at %zu of %zu\n", at, n);
			return -1;
		}
		g = read(fd, b, n - at < sizeof(b) ? n - at : sizeof(b));
		if (g <= 0) {
			fprintf(stderr, "end at %zu of %zu: %m\n", at, n);
			return -1;
		}
		for (ssize_t i = 0; i < g; i++) {
			if (b[i] == pattern(at + (size_t)i))
				continue;
			fprintf(stderr, "wrong byte at %zu\n", at + (size_t)i);
			return -1;
		}
		at += (size_t)g;
	}
	if (!eof)
		return 0;
	if (!nt_readable(fd, 5000) || read(fd, b, 1) != 0) {
		fprintf(stderr, "no end: %m\n");
		return -1;
	}
	return 0;
}

/* In the child. */

static int
k_listen(void *p)
{
	struct shared *sh = p;
	struct nt_addr a = nt_addr(sh->any ? "::" : sh->addr, sh->port);
	int fd = socket(a.ss.ss_family, SOCK_STREAM, 0);

	KT_ASSERT(fd >= 0 && dup2(fd, LFD) == LFD);
	(void)close(fd);
	KT_ASSERT(bind(LFD, (struct sockaddr *)&a.ss, a.len) == 0);
	KT_ASSERT(listen(LFD, 17) == 0);
	return 0;
}

static int
k_accept(void *p)
{
	int fd;

	(void)p;
	KT_ASSERT(nt_readable(LFD, 3000));
	fd = accept(LFD, NULL, NULL);
	KT_ASSERT(fd >= 0);
	if (fd != CFD) {
		KT_ASSERT(dup2(fd, CFD) == CFD);
		(void)close(fd);
	}
	return 0;
}

static int
k_opts(void *p)
{
	struct timeval tv = {7, 500000};
	int v = 1;

	(void)p;
	KT_ASSERT(
	    setsockopt(CFD, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	KT_ASSERT(sys_opt_put(CFD, SOL_SOCKET, SO_KEEPALIVE, 1) == 0);
	KT_ASSERT(sys_opt_put(CFD, IPPROTO_TCP, TCP_KEEPIDLE, 77) == 0);
	KT_ASSERT(sys_opt_put(CFD, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
	KT_ASSERT(sys_opt_put(CFD, IPPROTO_TCP, TCP_USER_TIMEOUT, 90000) == 0);
	KT_ASSERT(sys_opt_put(CFD, SOL_SOCKET, SO_REUSEADDR, 1) == 0);
	KT_ASSERT(setsockopt(CFD, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
	KT_ASSERT(sys_opt_put(CFD, SOL_SOCKET, SO_RCVBUF, 50000) == 0);
	(void)v;
	return 0;
}

static int
k_opts_same(void *p)
{
	struct timeval tv = {0};
	socklen_t n = sizeof(tv);
	char cc[16] = "";
	int v;

	(void)p;
	KT_ASSERT(getsockopt(CFD, SOL_SOCKET, SO_RCVTIMEO, &tv, &n) == 0 &&
		  tv.tv_sec == 7 && tv.tv_usec == 500000);
#define SAME(l, o, want) \
	KT_ASSERT(sys_opt_int(CFD, l, o, &v) == 0 && v == (want))
	SAME(SOL_SOCKET, SO_KEEPALIVE, 1);
	SAME(IPPROTO_TCP, TCP_KEEPIDLE, 77);
	SAME(IPPROTO_TCP, TCP_NODELAY, 1);
	SAME(IPPROTO_TCP, TCP_USER_TIMEOUT, 90000);
	SAME(SOL_SOCKET, SO_REUSEADDR, 1);
	SAME(SOL_SOCKET, SO_RCVBUF, 100000);
	n = sizeof(cc);
	KT_ASSERT(getsockopt(CFD, IPPROTO_TCP, TCP_CONGESTION, cc, &n) == 0 &&
		  strcmp(cc, "reno") == 0);
	KT_ASSERT(
	    sys_opt_int(LFD, SOL_SOCKET, SO_REUSEADDR, &v) == 0 && v == 0);
	return 0;
}

static int
k_fill(void *p)
{
	struct shared *sh = p;

	sh->filled = write_pattern(CFD, sh->filled);
	return 0;
}

static int
k_shut(void *p)
{
	(void)p;
	KT_ASSERT(shutdown(CFD, SHUT_WR) == 0);
	return 0;
}

static int
k_state(void *p)
{
	const struct shared *sh = p;

	for (int i = 0; sys_tcp_state(CFD) != sh->want; i++) {
		if (i == 1000) {
			fprintf(stderr, "state %d, not %d\n",
			    sys_tcp_state(CFD), sh->want);
			return -1;
		}
		usleep(1000);
	}
	return 0;
}

static int
k_read(void *p)
{
	const struct shared *sh = p;

	return read_pattern(CFD, sh->filled, false);
}

static int
k_read_eof(void *p)
{
	const struct shared *sh = p;

	return read_pattern(CFD, sh->filled, true);
}

static int
k_close(void *p)
{
	(void)p;
	(void)close(CFD);
	(void)close(LFD);
	(void)close(DFD);
	return 0;
}

static int
run(int (*fn)(void *))
{
	return kt_run(T.kt, T.pid, fn);
}

/* The instance. */

static void
instance_new(enum net_hold v)
{
	struct vps_err e = {0};
	uint32_t id;

	T.inst = nt_ns_new();
	NT_OK(net_setup(&cfg, T.inst, &e), &e);
	NT_OK(net_hold_setup(&cfg, T.inst, v, &id, &e), &e);
	T.hold = net_hold_open(cfg.id, id, &e);
	NT_OK(T.hold, &e);
}

static void
begin(void)
{
	struct vps_err e = {0};

	instance_new(NET_HOLD_PASS);
	NT_OK(net_claim(&cfg, &e), &e);
	nt_tap_open(&T.tap, T.client, "c0");
	nt_enter(T.inst);
	T.kt = kt_new();
	T.pid = kt_spawn(T.kt);
	nt_enter(nt_host());
	T.sh = kt_shared(T.kt);
}

/* To another namespace, by way of an image. */
static int
move(void)
{
	struct vps_err e = {0};
	double t0;

	NT_CHECK(net_hold_set(T.hold, NET_HOLD_ALL) == 0);
	t0 = nt_now();
	usleep(1000);
	nt_enter(T.inst);
	KT_ASSERT(kt_dump(T.kt) == 0);
	kt_kill(T.kt);
	nt_enter(nt_host());
	NT_OK(net_silence(&cfg, &e), &e);
	(void)close(T.inst);
	(void)close(T.hold);
	instance_new(NET_HOLD_ALL);
	nt_enter(T.inst);
	KT_ASSERT(kt_restore_procs(T.kt) == 0);
	KT_ASSERT(kt_restore_files(T.kt) == 0);
	nt_enter(nt_host());
	NT_OK(net_claim(&cfg, &e), &e);
	NT_CHECK(net_hold_set(T.hold, NET_HOLD_PASS) == 0);
	printf("# held for %.1f ms\n", nt_now() - t0);
	return 0;
}

static int
end(int r, int c)
{
	(void)run(k_close);
	if (c >= 0)
		(void)close(c);
	usleep(1000);
	nt_tap_drain(&T.tap, "10.9.0.50");
	nt_tap_drain(&T.tap, "fd09::50");
	if (r == 0 && T.tap.rst != 0) {
		fprintf(stderr, "%u resets\n", T.tap.rst);
		r = -1;
	}
	kt_free(T.kt);
	net_teardown(&cfg);
	(void)close(T.inst);
	(void)close(T.hold);
	(void)close(T.tap.fd);
	return r;
}

static int
connected(const char *addr, bool any)
{
	int c;

	(void)snprintf(T.sh->addr, sizeof(T.sh->addr), "%s", addr);
	T.sh->any = any;
	T.sh->port = next_port++;
	if (run(k_listen) < 0)
		return -1;
	c = nt_connect(T.client, addr, T.sh->port, 2000);
	NT_CHECK(c >= 0);
	return run(k_accept) < 0 ? -1 : c;
}

static int
state(int want)
{
	T.sh->want = want;
	return run(k_state);
}

static const char *const both[] = {"10.9.0.50", "fd09::50"};

/* Both queues full, options, the listener; a new connection afterwards. */
static int
established(const char *addr, bool any)
{
	size_t up, down;
	int c, c2;

	begin();
	c = connected(addr, any);
	KT_ASSERT(c >= 0 && run(k_opts) == 0);
	up = write_pattern(c, 30000);
	T.sh->filled = 3 << 20;
	KT_ASSERT(run(k_fill) == 0);
	down = T.sh->filled;
	printf("# %zu bytes up, %zu down\n", up, down);
	KT_ASSERT(move() == 0);
	KT_ASSERT(run(k_opts_same) == 0);
	T.sh->filled = up;
	KT_ASSERT(run(k_read) == 0);
	KT_ASSERT(read_pattern(c, down, false) == 0);
	/* It goes on, both ways. */
	KT_ASSERT(write_pattern(c, 1000) == 1000);
	T.sh->filled = 1000;
	KT_ASSERT(run(k_read) == 0 && run(k_fill) == 0);
	KT_ASSERT(read_pattern(c, 1000, false) == 0);
	c2 = nt_connect(T.client, addr, T.sh->port, 2000);
	KT_ASSERT(c2 >= 0);
	(void)close(c);
	KT_ASSERT(run(k_accept) == 0);
	return end(0, c2);
}

static int
test_established(void)
{
	return established("10.9.0.50", false) < 0 ||
		       established("fd09::50", false) < 0 ||
		       established("10.9.0.50", true) < 0
		   ? -1
		   : 0;
}

/* Idle: nothing in the queues. Ping-pong there and back. */
static int
test_idle(void)
{
	for (int i = 0; i < 2; i++) {
		double t0;
		int c;

		begin();
		c = connected(both[i], false);
		KT_ASSERT(c >= 0);
		for (int k = 0; k < 3; k++) {
			KT_ASSERT(move() == 0);
			t0 = nt_now();
			T.sh->filled = 100;
			KT_ASSERT(write_pattern(c, 100) == 100);
			KT_ASSERT(run(k_read) == 0 && run(k_fill) == 0);
			KT_ASSERT(read_pattern(c, 100, false) == 0);
			printf("# answer after %.1f ms\n", nt_now() - t0);
		}
		KT_ASSERT(end(0, c) == 0);
	}
	return 0;
}

/* The server has closed first: with unsent data (FIN_WAIT1), acknowledged
 * (FIN_WAIT2). */
static int
server_first(const char *addr, bool full)
{
	size_t down;
	int c;

	begin();
	c = connected(addr, false);
	KT_ASSERT(c >= 0);
	T.sh->filled = full ? 8 << 20 : 500;
	KT_ASSERT(run(k_fill) == 0);
	down = T.sh->filled;
	KT_ASSERT(run(k_shut) == 0);
	KT_ASSERT(state(full ? TCP_FIN_WAIT1 : TCP_FIN_WAIT2) == 0);
	KT_ASSERT(move() == 0);
	KT_ASSERT(state(full ? TCP_FIN_WAIT1 : TCP_FIN_WAIT2) == 0);
	KT_ASSERT(read_pattern(c, down, true) == 0);
	KT_ASSERT(write_pattern(c, 700) == 700);
	KT_ASSERT(shutdown(c, SHUT_WR) == 0);
	T.sh->filled = 700;
	KT_ASSERT(run(k_read_eof) == 0);
	return end(0, c);
}

static int
test_fin_wait(void)
{
	for (int i = 0; i < 4; i++)
		KT_ASSERT(server_first(both[i & 1], i < 2) == 0);
	return 0;
}

/* The client has closed first: CLOSE_WAIT, or LAST_ACK when the server has too
 * with data that the client doesn't read yet. */
static int
client_first(const char *addr, bool last)
{
	int want = last ? TCP_LAST_ACK : TCP_CLOSE_WAIT;
	size_t down;
	int c;

	begin();
	c = connected(addr, false);
	KT_ASSERT(c >= 0);
	KT_ASSERT(write_pattern(c, 900) == 900);
	KT_ASSERT(shutdown(c, SHUT_WR) == 0);
	KT_ASSERT(state(TCP_CLOSE_WAIT) == 0);
	T.sh->filled = last ? 8 << 20 : 300;
	KT_ASSERT(run(k_fill) == 0);
	down = T.sh->filled;
	if (last)
		KT_ASSERT(run(k_shut) == 0);
	KT_ASSERT(state(want) == 0);
	KT_ASSERT(move() == 0);
	KT_ASSERT(state(want) == 0);
	T.sh->filled = 900;
	KT_ASSERT(run(k_read_eof) == 0);
	if (!last)
		KT_ASSERT(run(k_shut) == 0);
	KT_ASSERT(read_pattern(c, down, true) == 0);
	return end(0, c);
}

static int
test_close_wait(void)
{
	for (int i = 0; i < 4; i++)
		KT_ASSERT(client_first(both[i & 1], i < 2) == 0);
	return 0;
}

static int
test_closing(void)
{
	for (int i = 0; i < 2; i++) {
		size_t down;
		int c;

		begin();
		c = connected(both[i], false);
		KT_ASSERT(c >= 0);
		T.sh->filled = 8 << 20;
		KT_ASSERT(run(k_fill) == 0);
		down = T.sh->filled;
		KT_ASSERT(run(k_shut) == 0 && state(TCP_FIN_WAIT1) == 0);
		KT_ASSERT(write_pattern(c, 900) == 900);
		KT_ASSERT(shutdown(c, SHUT_WR) == 0);
		KT_ASSERT(state(TCP_CLOSING) == 0);
		KT_ASSERT(move() == 0);
		KT_ASSERT(state(TCP_CLOSING) == 0);
		KT_ASSERT(read_pattern(c, down, true) == 0);
		T.sh->filled = 900;
		KT_ASSERT(run(k_read_eof) == 0);
		KT_ASSERT(end(0, c) == 0);
	}
	return 0;
}

static int
k_connect(void *p)
{
	const struct shared *sh = p;
	struct nt_addr a = nt_addr(sh->peer, sh->port);
	int fd = socket(a.ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	KT_ASSERT(fd >= 0 && dup2(fd, CFD) == CFD);
	(void)close(fd);
	KT_ASSERT(connect(CFD, (struct sockaddr *)&a.ss, a.len) < 0 &&
		  errno == EINPROGRESS);
	return 0;
}

static int
k_connected(void *p)
{
	struct pollfd q = {.fd = CFD, .events = POLLOUT};
	int err = -1;

	(void)p;
	KT_ASSERT(poll(&q, 1, 5000) == 1);
	KT_ASSERT(
	    sys_opt_int(CFD, SOL_SOCKET, SO_ERROR, &err) == 0 && err == 0);
	return 0;
}

static int
test_syn_sent(void)
{
	static const char *const peer[] = {"10.9.0.2", "fd09::2"};

	for (int i = 0; i < 2; i++) {
		int l, c;

		begin();
		T.sh->port = next_port++;
		(void)snprintf(T.sh->peer, sizeof(T.sh->peer), "%s", peer[i]);
		l = nt_listen(T.client, peer[i], T.sh->port, 5);
		NT_CHECK(net_hold_set(T.hold, NET_HOLD_ALL) == 0);
		KT_ASSERT(run(k_connect) == 0 && state(TCP_SYN_SENT) == 0);
		KT_ASSERT(move() == 0);
		KT_ASSERT(run(k_connected) == 0);
		KT_ASSERT(nt_readable(l, 1000));
		c = accept(l, NULL, NULL);
		T.sh->filled = 2000;
		KT_ASSERT(run(k_fill) == 0);
		KT_ASSERT(read_pattern(c, 2000, false) == 0);
		(void)close(l);
		KT_ASSERT(end(0, c) == 0);
	}
	return 0;
}

/* Reset by the client with something unread; refused. */
static int
k_dead(void *p)
{
	const struct shared *sh = p;
	int err = 0;

	KT_ASSERT(sys_tcp_state(CFD) == TCP_CLOSE);
	KT_ASSERT(sys_opt_int(CFD, SOL_SOCKET, SO_ERROR, &err) == 0);
	if (err != sh->want)
		fprintf(stderr, "error %d, not %d\n", err, sh->want);
	KT_ASSERT(err == sh->want);
	KT_ASSERT(read_pattern(CFD, sh->filled, true) == 0);
	KT_ASSERT(send(CFD, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
	return 0;
}

static int
test_dead(void)
{
	struct linger l = {1, 0};
	int c;

	for (int i = 0; i < 2; i++) {
		begin();
		c = connected(both[i], false);
		KT_ASSERT(c >= 0);
		KT_ASSERT(write_pattern(c, 600) == 600);
		NT_CHECK(
		    setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
		(void)close(c);
		KT_ASSERT(state(TCP_CLOSE) == 0);
		KT_ASSERT(move() == 0);
		T.sh->want = ECONNRESET;
		T.sh->filled = 600;
		KT_ASSERT(run(k_dead) == 0);
		KT_ASSERT(end(0, -1) == 0);
	}
	begin();
	(void)snprintf(T.sh->peer, sizeof(T.sh->peer), "10.9.0.2");
	T.sh->port = next_port++; /* nobody there */
	KT_ASSERT(run(k_connect) == 0 && state(TCP_CLOSE) == 0);
	KT_ASSERT(move() == 0);
	T.sh->want = ECONNREFUSED;
	T.sh->filled = 0;
	KT_ASSERT(run(k_dead) == 0);
	return end(0, -1);
}

/* Both ends inside. */
static int
k_pair(void *p)
{
	const struct shared *sh = p;
	struct nt_addr a = nt_addr(sh->addr, sh->port);
	int fd = socket(a.ss.ss_family, SOCK_STREAM, 0);

	KT_ASSERT(k_listen(p) == 0);
	KT_ASSERT(fd >= 0 && dup2(fd, DFD) == DFD);
	if (fd != DFD)
		(void)close(fd);
	KT_ASSERT(connect(DFD, (struct sockaddr *)&a.ss, a.len) == 0);
	KT_ASSERT(k_accept(p) == 0);
	KT_ASSERT(write_pattern(CFD, 200000) == 200000);
	KT_ASSERT(write_pattern(DFD, 100) == 100);
	return 0;
}

static int
k_pair_lost(void *p)
{
	(void)p; /* dropped by the hold */
	KT_ASSERT(write(DFD, "!", 1) == 1);
	return 0;
}

static int
k_pair_same(void *p)
{
	char b;

	(void)p;
	KT_ASSERT(read_pattern(CFD, 100, false) == 0);
	KT_ASSERT(nt_readable(CFD, 3000) && read(CFD, &b, 1) == 1 && b == '!');
	KT_ASSERT(read_pattern(DFD, 200000, false) == 0);
	KT_ASSERT(write_pattern(DFD, 1000) == 1000);
	KT_ASSERT(read_pattern(CFD, 1000, false) == 0);
	KT_ASSERT(shutdown(CFD, SHUT_WR) == 0);
	KT_ASSERT(read_pattern(DFD, 0, true) == 0);
	return 0;
}

static int
test_inside(void)
{
	static const char *const on[] = {
	    "127.0.0.1", "::1", "10.9.0.50", "fd09::50"};

	for (size_t i = 0; i < 4; i++) {
		double t0;

		begin();
		T.sh->port = next_port++;
		(void)snprintf(T.sh->addr, sizeof(T.sh->addr), "%s", on[i]);
		KT_ASSERT(run(k_pair) == 0);
		NT_CHECK(net_hold_set(T.hold, NET_HOLD_ALL) == 0);
		KT_ASSERT(run(k_pair_lost) == 0);
		KT_ASSERT(move() == 0);
		t0 = nt_now();
		KT_ASSERT(run(k_pair_same) == 0);
		printf("# %s: went on after %.1f ms\n", on[i], nt_now() - t0);
		KT_ASSERT(end(0, -1) == 0);
	}
	return 0;
}

/* A dump leaves no trace: the connection goes on where it is, and what a dead
 * command leaves in repair is put right. */
static int
test_stay(void)
{
	int c, fd;

	begin();
	c = connected("10.9.0.50", false);
	KT_ASSERT(c >= 0 && run(k_opts) == 0);
	KT_ASSERT(write_pattern(c, 5000) == 5000);
	nt_enter(T.inst);
	KT_ASSERT(kt_check(T.kt) == 0);
	KT_ASSERT(kt_dump(T.kt) == 0);
	nt_enter(nt_host());
	KT_ASSERT(run(k_opts_same) == 0);
	T.sh->filled = 5000;
	KT_ASSERT(run(k_read) == 0);
	KT_ASSERT(sys_tcp_unrepair(T.pid) == 0);
	fd = (int)syscall(438, (int)syscall(434, T.pid, 0), CFD, 0);
	KT_ASSERT(fd >= 0 && sys_tcp_repair_on(fd) == 0);
	(void)close(fd);
	KT_ASSERT(sys_tcp_unrepair(T.pid) == 1);
	KT_ASSERT(run(k_fill) == 0);
	KT_ASSERT(read_pattern(c, 5000, false) == 0);
	return end(0, c);
}

static const struct kt_test tests[] = {
    {"stay", test_stay},
    {"idle", test_idle},
    {"established", test_established},
    {"fin_wait", test_fin_wait},
    {"close_wait", test_close_wait},
    {"closing", test_closing},
    {"syn_sent", test_syn_sent},
    {"dead", test_dead},
    {"inside", test_inside},
};

int
main(int argc, char **argv)
{
	nt_begin();
	(void)signal(SIGPIPE, SIG_IGN);
	T.client = nt_client(nt_host(), "out0", 2);
	return kt_main(
	    tests, sizeof(tests) / sizeof(tests[0]), argc > 1 ? argv[1] : NULL);
}
