/* SPDX-License-Identifier: BSD-2-Clause
 * What the kinds of internet sockets share. */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

#include "restore/rst.h"
#include "sys/sockopt.h"

struct inet_end {
	struct sockaddr_storage ss;
	socklen_t len; /* 0: none */
};

/* The record's own address and its peer's; -EBADMSG if it makes no sense. */
int inet_ends(const struct vd_inetsock *x, struct inet_end *own,
    struct inet_end *peer, struct vps_err *e);
/* A new socket with the options that come before bind(), but SO_REUSEADDR:
 * that is for inet_bind() and inet_last() to set. */
int inet_socket(
    const struct vd_inetsock *x, int type, int proto, struct vps_err *e);
/* Whatever else is bound there. */
int inet_bind(int fd, const struct inet_end *own, struct vps_err *e);
/* Options, buffers; then, at the end of all, filter, owner. */
int inet_late(int fd, const struct vd_inetsock *x, struct vps_err *e);
int inet_last(int fd, const struct vd_inetsock *x, struct vps_err *e);
int inet_reuse(const struct vd_inetsock *x); /* SO_REUSEADDR as it was */

/* A segment or datagram that reaches our own socket as if it came from its
 * peer, through the hold of lo. */
struct inet_seg {
	const struct inet_end *from, *to;
	uint32_t seq, ack;
	uint8_t flags; /* TCP header: TH_* */
	bool ts;       /* with a timestamp that echoes `tsecr` */
	uint32_t tsecr;
};
int inet_inject_tcp(const struct inet_seg *g);
int inet_inject_udp(const struct inet_end *from, const struct inet_end *to,
    const void *data, size_t n);
