/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Drives the state machine (fsm.h) of one end: performs its actions and turns
 * messages, ends of processes and signals into events.
 */
#pragma once
#include "core/journal.h"
#include "migrate/engine.h"
#include "migrate/fsm.h"

enum mig_mode { MIG_NORSYNC, MIG_ONERSYNC, MIG_TWORSYNC };

struct mig_progress {
	enum mig_state state;
	uint64_t fs_bytes, image_bytes;
};

struct mig_opt {
	const struct mig_engine *engine;
	void *ctx;           /* of the engine */
	const char *jrn_dir; /* NULL: JRN_DIR */
	const char *helper;  /* path of vps-rsh; source */
	const char *peer;    /* name for messages and the journal */
	enum mig_mode mode;  /* source */
	uint32_t timeout_ms;
	int signals; /* signalfd that means CANCEL, or -1 */
	void (*progress)(void *arg, const struct mig_progress *p);
	void *progress_arg;
};

#define MIG_TIMEOUT_MS 30000

/* Each returns the final state of its end, or a negative error when not even
 * that could be reached. `e` holds what went wrong unless the end is
 * MIG_S_DONE or MIG_T_DONE. SIGPIPE must be ignored. */

/* Migrates `id` over the link. */
int mig_source_run(const struct mig_opt *o, const char *id, int in, int out,
    struct vps_err *e);
/* Settles a migration in doubt. -ENOENT: there is none. */
int mig_source_resolve(const struct mig_opt *o, const char *id, int in, int out,
    struct vps_err *e);
/* The far end, whatever it is asked. */
int mig_target_run(const struct mig_opt *o, int in, int out, struct vps_err *e);
