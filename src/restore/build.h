/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The builder: rebuilds an instance from inside its namespaces. It is a program
 * of its own (helpers/builder.c); this is what it runs.
 *
 * It talks with the command that started it by a socket (SOCK_SEQPACKET), one
 * struct rst_msg each way:
 *   builder: RST_MSG_READY    all is done, nothing runs; freeze the instance
 *   command: RST_MSG_FROZEN   it is: let the tasks go and exit
 *   builder: RST_MSG_FAILED   `err` says why; everything is to be thrown away
 *   builder: RST_MSG_MASTER   with a descriptor: external pty master `num`
 *   builder: RST_MSG_ENTER    with a descriptor: a skeleton with the number
 *                             `num` is to enter from outside, with it as its 3
 *   command: RST_MSG_ENTERED  it has; or RST_MSG_FAILED
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

enum rst_msg_what {
	RST_MSG_READY = 1,
	RST_MSG_FROZEN,
	RST_MSG_FAILED,
	RST_MSG_MASTER,
	RST_MSG_ENTER,
	RST_MSG_ENTERED,
};

struct rst_msg {
	uint32_t what;
	uint32_t num;
	struct vps_err err;
};

struct vd_reader_state;

/* image: the stream, which stands at `at` (NULL: its beginning); ctl: the
 * socket; console: master of the console's terminal, or -1. 0, or negative
 * errno after the command has been told. */
int
rst_build(int image, int ctl, int console, const struct vd_reader_state *at);
