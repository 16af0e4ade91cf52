/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The engine of a migration (engine.h) for real instances.
 */
#pragma once
#include "core/inst.h"
#include "core/recover.h"
#include "migrate/engine.h"

struct mig_inst {
	struct core_inst *in; /* source: open and locked, or NULL when there is
			       * none any more (--resolve); borrowed */
	char id[MIG_ID_MAX + 1];
	int undo;   /* source: number of the record, 0: none */
	char *conf; /* target: what the source sent; owned */
	struct vps_spec spec;
	/* The target's own vps_ID.conf, if it has one: its commands, ids and
	 * namespaces count there. */
	bool have_spec;
	struct vps_spec local;
};

extern const struct mig_engine mig_source_engine, mig_target_engine;

void mig_inst_init(struct mig_inst *m);
void mig_inst_fini(struct mig_inst *m);

/* Undo records of this layer and those below, for core_open(): an instance
 * whose migration died before the commit point is resumed. */
extern const struct core_undo_kind mig_undo_kinds[];
