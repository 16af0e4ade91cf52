/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a migration does to the instance, as functions: those of core, suspend,
 * snapst and restore in the programs, a toy in tests. All but fs(),
 * mapped(), arrive() and describe() are called in a process of their own, which
 * may be killed at any moment; resume() and forget() then put right whatever it
 * left.
 */
#pragma once
#include "base/err.h"
#include "migrate/msg.h"
#include "migrate/pass.h"

struct mig_engine {
	/* Source: fills id, conf, space, inodes, memory. Fails if it can't
	 * travel. */
	int (*describe)(void *ctx, struct mig_msg *hello, struct vps_err *e);
	int (*suspend)(void *ctx, struct vps_err *e);
	/* Suspended: the paths, relative to the root, of all files that are
	 * mapped shared, each with a NUL behind it, to `fd`. NULL: none. */
	int (*mapped)(void *ctx, int fd, struct vps_err *e);
	int (*snapshot)(void *ctx, int fd, struct vps_err *e);
	/* The suspended instance goes, without a sign to any peer. */
	int (*destroy)(void *ctx, struct vps_err *e);
	/* Source, "committed": from here on no command but `--resolve` resumes
	 * it; NULL takes that back. */
	int (*mark)(void *ctx, const char *mark, struct vps_err *e);

	/* Target: what is to come or asked about (HELLO or ASK; of ASK only id
	 * and op); to be noted. */
	int (*arrive)(void *ctx, const struct mig_msg *m, struct vps_err *e);
	/* Target: can it be taken (name, addresses, paths)? Makes what the
	 * passes need. */
	int (*check)(void *ctx, const struct mig_msg *hello, struct vps_err *e);
	int (*restore)(void *ctx, int fd, struct vps_err *e);
	int (*forget)(void *ctx, struct vps_err *e);

	/* Both: its filesystem, for one pass. */
	int (*fs)(void *ctx, struct mig_fs *ret, struct vps_err *e);
	/* Both; at the target also announces. Nothing to do: 0. */
	int (*resume)(void *ctx, struct vps_err *e);
};
