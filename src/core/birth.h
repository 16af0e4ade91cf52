/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The two processes that an instance begins with: the holder, forked by the
 * command, and init, forked by what becomes the holder, whose child it stays.
 */
#pragma once
#include "core/box.h"
#include "core/cgroup.h"
#include "core/inst.h"

struct core_birth {
	pid_t holder, init;
	int init_fd; /* pidfd of init */
	int chan;    /* to the box; see core/box.h */
	int hchan;   /* from the fork that becomes the holder */
	int cmd;     /* a connection to the holder */
};

/* b->chan of the box is set here. */
int core_birth_begin(struct core_birth *b, const struct core_inst *in,
    const struct core_cg *cg, struct core_box *box, struct vps_err *e);
/* Both have executed what they are for; call after the box was told to. */
int core_birth_end(struct core_birth *b, struct vps_err *e);
/* Kills both if they aren't handed over yet, and waits. */
void core_birth_kill(struct core_birth *b);
void core_birth_fini(struct core_birth *b);

/* A new holder for an instance whose holder was killed: init isn't its child,
 * so how that ends isn't known. `in` is locked. A connection to it. */
int core_holder_revive(struct core_inst *in, struct vps_err *e);
