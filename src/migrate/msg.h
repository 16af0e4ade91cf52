/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What travels between the two ends of a migration, vps-migrate(7): frames, and
 * in those of the control channel, messages made of tagged fields. Input comes
 * from a peer that isn't trusted: every length is checked before it is used,
 * text is plain enough to be printed, and what doesn't fit is -EBADMSG.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "migrate/fsm.h"

#define MIG_VERSION   1
#define MIG_FRAME_HDR 8u
#define MIG_FRAME_MAX 65536u /* payload of a frame */

enum mig_chan {
	MIG_CH_CTL,   /* messages */
	MIG_CH_IMAGE, /* source -> target: the snapshot */
	MIG_CH_RSYNC, /* both ways: what the two rsync say to each other */
	MIG_CH_MAX_,
};

struct mig_frame {
	enum mig_chan chan;
	uint32_t type; /* CTL: enum mig_msg_type; else enum mig_data */
	uint32_t len;  /* of the payload that follows */
};

enum mig_data { MIG_DATA, MIG_DATA_EOF };

/* The header alone. */
void mig_frame_hdr(uint8_t h[MIG_FRAME_HDR], const struct mig_frame *f);
void mig_frame_put(struct buf *b, const struct mig_frame *f, const void *p);
/* Of exactly MIG_FRAME_HDR bytes. */
int mig_frame_get(const uint8_t hdr[MIG_FRAME_HDR], struct mig_frame *ret);

/* MIG_M_x is what makes event MIG_EV_x; KEEPALIVE never leaves xport.c. */
enum mig_msg_type {
	MIG_M_KEEPALIVE,
	MIG_M_HELLO,
	MIG_M_ACCEPT,
	MIG_M_REFUSE,
	MIG_M_PASS,
	MIG_M_PASSED,
	MIG_M_PRECOPY,
	MIG_M_IMAGE,
	MIG_M_READY,
	MIG_M_COMMIT,
	MIG_M_RUNNING,
	MIG_M_STUCK,
	MIG_M_DONE,
	MIG_M_ABORT,
	MIG_M_ASK,
	MIG_M_FORGOTTEN,
	MIG_M_MAX_,
};

#define MIG_OP_LEN   32 /* hexadecimal digits that name one migration */
#define MIG_ID_MAX   64
#define MIG_TEXT_MAX 1023
#define MIG_CONF_MAX 32768

/* What a host is, as far as an instance on it can tell or needs it. */
struct mig_caps {
	char machine[32];   /* uname -m */
	char kernel[65];    /* uname -r: told, not compared */
	char vps[32];       /* version of this software: told */
	char rsync[32];     /* "" = there is none */
	char vdso[65];      /* build id */
	char features[512]; /* words: kernel features that an image relies on */
	char cpu[4000];     /* words: CPU flags as /proc/cpuinfo has them */
	char modules[512];  /* words: parts of this software */
	uint64_t xcr0;      /* XSAVE components in use */
	uint32_t xsave;     /* size of their area */
	uint32_t page;
};

/* All that a message can say; which of it, the table in msg.c tells. */
struct mig_msg {
	enum mig_msg_type type;
	uint32_t version; /* HELLO: the highest spoken; ACCEPT: the one */
	char op[MIG_OP_LEN + 1];
	char id[MIG_ID_MAX + 1];
	uint32_t kind;       /* PASS: enum mig_pass_kind */
	uint32_t status;     /* PASSED: exit status of rsync */
	uint64_t space;      /* HELLO: bytes of files to come */
	uint64_t inodes;     /* HELLO: their number */
	uint64_t memory;     /* HELLO: bytes of memory to come */
	uint32_t timeout_ms; /* HELLO: silence that counts as a cut */
	char text[MIG_TEXT_MAX + 1];
	struct mig_caps caps;
	char conf[MIG_CONF_MAX + 1];
};

enum mig_pass_kind {
	MIG_PASS_FULL = 1, /* everything, with deletions */
	MIG_PASS_LIST,     /* listed paths, compared by content */
	MIG_PASS_MAX_,
};

/* Appends a whole frame. -EMSGSIZE: doesn't fit. */
int mig_msg_put(struct buf *b, const struct mig_msg *m);
/* Of the payload of a control frame of this type. */
int mig_msg_get(uint32_t type, const uint8_t *p, size_t n, struct mig_msg *ret);

/* MIG_EVENT_MAX_ for what is no event of the state machine. */
enum mig_event mig_msg_event(enum mig_msg_type t);
