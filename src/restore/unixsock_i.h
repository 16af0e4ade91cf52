/* SPDX-License-Identifier: BSD-2-Clause
 * Private to restore/unix*.c. */
#pragma once
#include <stdbool.h>

#include "restore/agent.h"
#include "restore/unixbind.h"

/* A socket under construction: the slot of its object number. */
struct rst_ux {
	const struct vd_unixsock *s; /* NULL: no record (yet) */
	const struct vd_unixqueue *q;
	uint32_t id;
	struct rst_as_sock sk; /* fd: the builder's, as in struct rst_file */
	bool made;             /* connected or bound, not just held free */
	bool connected;        /* dgram: connect() has been called */
	bool bound;            /* bind.top may have to be dropped */
	int spare;             /* stands for the peer that is gone; 0: none */
	struct rst_bind bind;
	struct rst_ux *next;
};

/* All sockets, the one bound last first. */
struct rst_ux_all {
	struct rst_ux *first;
	bool linked, finished;
	unsigned left; /* finish calls to come */
	/* A listener made for connections, kept for the next one. */
	struct {
		int fd; /* 0: none */
		struct vd_bytes name;
		const struct vd_unixsock *cred;
		struct rst_bind bind;
	} door;
};

struct rst_ux *rst_ux_of(struct rst *r, uint64_t object);
struct rst_ux_all *rst_ux_all(struct rst *r);

/* Both ends of a connection, or one whose peer is gone. */
int rst_ux_pair(
    struct rst *r, struct rst_ux *a, struct rst_ux *b, struct vps_err *e);
int rst_ux_half(struct rst *r, struct rst_ux *a, struct vps_err *e);
void rst_ux_door_close(struct rst *r);

/* Writes what waits in `u` to it. */
int rst_ux_fill(struct rst *r, struct rst_ux *u, struct vps_err *e);
