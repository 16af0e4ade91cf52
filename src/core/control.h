/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Requests to the keeper of an instance (src/helpers/keeper.c) over its socket
 * /run/vps/ID/control: a packet each. Only the host's root is served.
 */
#pragma once
#include <stdint.h>
#include <sys/ioctl.h>

enum keep_op {
	KEEP_PING = 1, /* answers */
	/* A command is at work as long as the connection lasts. When it ends
	 * with records left in undo/, the keeper does what they say. Answers.
	 */
	KEEP_WORK,
	KEEP_HOLD, /* a copy of pty master `num`; no answer */
	KEEP_DROP, /* of `num`; no answer */
	/* From here on the connection is the console's: struct keep_data both
	 * ways. What the log has last comes first. */
	KEEP_CONSOLE,
	/* The keeper reads no terminal as long as the connection lasts.
	 * Answers. */
	KEEP_PAUSE,
	/* Announce the addresses again, in rounds. No answer. */
	KEEP_ANNOUNCE,
};

struct keep_req {
	uint32_t op, num;
};
struct keep_rep {
	int32_t r;
};

#define KEEP_CHUNK 4096
enum { KEEP_DATA = 'd', KEEP_SIZE = 'w' };
struct keep_data {
	uint32_t type, n; /* KEEP_DATA: bytes; KEEP_SIZE: to the keeper only */
	union {
		char b[KEEP_CHUNK];
		struct winsize ws;
	} u;
};
#define KEEP_DATA_MIN (sizeof(struct keep_data) - KEEP_CHUNK)

/* Bounds of the console's log; the older half goes when it is full. */
#define KEEP_LOG_MAX (256 * 1024)
