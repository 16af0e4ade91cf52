/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Namespaces, links and sockets for the tests of the network parts. A test
 * process begins with nt_begin(): it is then in a network namespace of its
 * own, "the host", with a private /sys and nothing to disturb.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>

#define NT_CHECK(x)                                                            \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, \
			    #x);                                               \
			exit(1);                                               \
		}                                                              \
	} while (0)
#define NT_OK(call, e)                                                  \
	do {                                                            \
		int r_ = (call);                                        \
		if (r_ < 0) {                                           \
			fprintf(stderr, "%s:%d: %s: %d %s\n", __FILE__, \
			    __LINE__, #call, r_, (e)->msg);             \
			exit(1);                                        \
		}                                                       \
	} while (0)

void nt_begin(void); /* exits 77 without the rights */
int nt_ns_new(void); /* a fresh network namespace; its descriptor */
void nt_enter(int ns);
int nt_host(void); /* the test's own namespace */
/* Runs a shell command in a namespace; must succeed. */
void nt_sh(int ns, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A namespace with a link to `host`: `out`/24 and fd09:: there. 10.9.0.N,
 * fd09::N in the new one. */
int nt_client(int host, const char *out, unsigned n);

struct nt_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};
struct nt_addr nt_addr(const char *text, uint16_t port);
/* A socket made in a namespace. */
int nt_socket(int ns, int family, int type);
int nt_listen(int ns, const char *addr, uint16_t port, int backlog);
/* -errno on failure; waits at most `ms`. */
int nt_connect(int ns, const char *addr, uint16_t port, int ms);
double nt_now(void); /* ms */
bool nt_readable(int fd, int ms);

/* Counts what passes a device, from outside of TCP. */
struct nt_tap {
	int fd;
	unsigned packets, rst, icmp;
};
void nt_tap_open(struct nt_tap *t, int ns, const char *dev);
/* Packets whose source is `from` (text) are counted. */
void nt_tap_drain(struct nt_tap *t, const char *from);
