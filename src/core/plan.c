/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/plan.h"

#include <stdio.h>

#include "core/fault.h"

#define LOG_SUBSYS "core"
#include "base/log.h"

static bool
wanted(const struct core_op *op, const void *ctx)
{
	return op->skip == NULL || !op->skip(ctx);
}

int
core_plan_run(const struct core_plan *p, void *ctx, struct vps_err *e)
{
	char point[64];
	unsigned i;
	int r = 0;

	for (i = 0; i < p->n; i++) {
		if (!wanted(&p->op[i], ctx))
			continue;
		log_dbg("%s: %s", p->name, p->op[i].name);
		r = p->op[i].run(ctx, e);
		if (r == 0) {
			(void)snprintf(point, sizeof(point), "%s.%s", p->name,
			    p->op[i].name);
			r = core_fault(point, e);
		}
		if (r < 0)
			break;
	}
	if (i == p->n)
		return 0;
	/* The one that failed too: it may have done a part. */
	do {
		if (wanted(&p->op[i], ctx) && p->op[i].undo != NULL) {
			log_dbg("%s: undo %s", p->name, p->op[i].name);
			p->op[i].undo(ctx);
		}
	} while (i-- > 0);
	return r;
}

void
core_plan_show(const struct core_plan *p, const void *ctx, struct buf *b)
{
	unsigned i;

	for (i = 0; i < p->n; i++) {
		if (!wanted(&p->op[i], ctx))
			continue;
		buf_addf(b, "%s: ", p->op[i].name);
		if (p->op[i].show != NULL)
			p->op[i].show(ctx, b);
		buf_adds(b, "\n");
	}
}
