/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moves bytes over the two descriptors of a link: messages of the control
 * channel, and what local descriptors attached to the other channels yield or
 * take. Doesn't know what any of it means. Buffers are bounded: who isn't read
 * from isn't read for. A peer that is silent for the timeout counts as cut; to
 * be not silent, an end has to be inside mig_link_next() most of the time, so
 * lengthy work belongs into a process of its own.
 */
#pragma once
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "migrate/msg.h"

struct mig_link;

enum mig_link_what {
	MIG_LINK_MSG,     /* msg */
	MIG_LINK_CUT,     /* the link is of no more use; why */
	MIG_LINK_EOF,     /* a local descriptor of chan came to its end */
	MIG_LINK_DRAINED, /* the peer's end of chan: all of it is delivered */
	MIG_LINK_FD,      /* revents of the caller's descriptors */
	MIG_LINK_TICK,    /* tick_ms passed */
};

struct mig_link_ev {
	enum mig_link_what what;
	const struct mig_msg *msg; /* valid until the next call */
	const char *why;
	enum mig_chan chan;
};

/* in and out are borrowed (may be the same) and become non-blocking. The
 * caller ignores SIGPIPE. */
int mig_link_new(int in, int out, uint32_t timeout_ms, struct mig_link **ret);
void mig_link_free(struct mig_link *l);
/* In a forked child: closes its copies of all descriptors. */
void mig_link_abandon(struct mig_link *l);
void mig_link_set_timeout(struct mig_link *l, uint32_t timeout_ms);

/* Queues a message. */
int mig_link_send(struct mig_link *l, const struct mig_msg *m);
/* Waits until all that is queued is written, for at most `ms`. */
int mig_link_flush(struct mig_link *l, int ms);

/* Connects local descriptors (-1: none), which the link owns from here on. What
 * the peer sends on a channel without one is dropped. With auto_eof the local
 * end of file is passed on; else by mig_link_send_eof(). */
int mig_link_attach(
    struct mig_link *l, enum mig_chan ch, int rd, int wr, bool auto_eof);
void mig_link_detach(struct mig_link *l, enum mig_chan ch);
void mig_link_send_eof(struct mig_link *l, enum mig_chan ch);

/* Moves bytes until there is something to tell. `x` are descriptors of the
 * caller, whose revents are set. Errors are out of memory and the like; all
 * that the peer can cause is MIG_LINK_CUT. */
int mig_link_next(struct mig_link *l, struct pollfd *x, unsigned nx,
    int tick_ms, struct mig_link_ev *ev);

/* Payload bytes so far, sent and received. */
void mig_link_bytes(
    const struct mig_link *l, enum mig_chan ch, uint64_t *tx, uint64_t *rx);
