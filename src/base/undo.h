/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stack of undo steps. A change to the world pushes its undo as soon as it
 * has succeeded; leaving the scope without undo_commit() runs them in reverse.
 * Undo functions cannot fail: they log and go on.
 */
#pragma once

#define UNDO_MAX  64
#define auto_undo __attribute__((cleanup(undo_run)))

struct undo {
	struct {
		void (*fn)(void *);
		void *arg; /* borrowed: outlives the stack */
	} ent[UNDO_MAX];
	unsigned n;
};

void undo_push(struct undo *u, void (*fn)(void *), void *arg);
void undo_run(struct undo *u);
void undo_commit(struct undo *u);
