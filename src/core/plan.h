/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A plan: operations in order, each with what takes it back. A failure at any
 * of them takes back those before, in reverse. Each is a fault point
 * "PLAN.NAME", passed when it has been done.
 */
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

struct core_op {
	const char *name;
	/* Nothing to do for this context: it isn't in the plan. NULL: always */
	bool (*skip)(const void *ctx);
	int (*run)(void *ctx, struct vps_err *e);
	void (*undo)(void *ctx); /* copes with a run that failed half way */
	/* One line for people, of what run will do. */
	void (*show)(const void *ctx, struct buf *b);
};

struct core_plan {
	const char *name;
	const struct core_op *op;
	unsigned n;
};

int core_plan_run(const struct core_plan *p, void *ctx, struct vps_err *e);
/* Lines "NAME: text". */
void core_plan_show(const struct core_plan *p, const void *ctx, struct buf *b);
