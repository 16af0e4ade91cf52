/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instances made from images, as commands ask for it: the part that runs on the
 * host as root. It never looks into the image beyond its head, and that through
 * a child without rights; the rest is the builder's (restore/build.h).
 */
#pragma once
#include "base/buf.h"
#include "core/inst.h"
#include "restore/head.h"

struct rst_opt {
	const char *id; /* NULL: as in the image */
	/* The addresses stay unclaimed: they are still someone else's. See
	 * rst_claim(). */
	bool no_claim;
	/* ID_BASE, USERNS and the commands that run on the host are its
	 * business: taken from here, never from the image. NULL: defaults, and
	 * no commands. */
	const struct vps_spec *local;
};

/* Reads an image from `fd` and makes a suspended instance of it; open and
 * locked, for the caller to close. Failed: nothing is left behind. */
int rst_restore(int fd, const struct rst_opt *opt, struct core_inst **ret,
    struct vps_err *e);
/* The same in two steps: the head has been read from `fd` already. */
int rst_restore_headed(int fd, const struct rst_head *h,
    const struct rst_opt *opt, struct core_inst **ret, struct vps_err *e);

/* What it would do, a line each, to descriptor `out`; checks what can be
 * checked. */
int rst_show(const struct rst_head *h, const struct rst_opt *opt, int out,
    struct vps_err *e);

/* Claims the addresses of an instance restored with no_claim, and announces. */
int rst_claim(struct core_inst *in, struct vps_err *e);
/* Checks an image's head against this host: 0, or -EOPNOTSUPP. */
int rst_compatible(const struct rst_head *h, struct vps_err *e);
