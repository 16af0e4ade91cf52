/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/undo.h"

#include <assert.h>

void
undo_push(struct undo *u, void (*fn)(void *), void *arg)
{
	assert(u->n < UNDO_MAX);
	u->ent[u->n].fn = fn;
	u->ent[u->n].arg = arg;
	u->n++;
}

void
undo_run(struct undo *u)
{
	while (u->n > 0) {
		u->n--;
		u->ent[u->n].fn(u->ent[u->n].arg);
	}
}

void
undo_commit(struct undo *u)
{
	u->n = 0;
}
