/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a command that was killed left half done is finished or undone by the
 * next one, or by the keeper.
 *
 * Before a step that must not outlast its command (network held, tasks frozen,
 * a stub mapped, a socket in repair) the command writes a record undo/NUMBER
 * with the kind of the step and an argument, and removes it afterwards.
 * Records are undone in reverse. The kinds belong to the layers above: programs
 * pass the table of those that they know.
 */
#pragma once
#include "core/inst.h"

struct core_undo_kind {
	const char *name;
	/* Idempotent; the step may not have been done yet. */
	int (*undo)(struct core_inst *in, const char *arg, struct vps_err *e);
};

/* Opens an instance as most commands do: what a dead command left is put right
 * first, and a keeper is there (or being started). `kinds` ends with name
 * NULL; NULL: none are known. */
int core_open(const char *id, enum core_mode mode,
    const struct core_undo_kind *kinds, struct core_inst **ret,
    struct vps_err *e);

/* Puts right what the state and the records say; `in` is locked. The instance
 * may be gone afterwards: 1. */
int core_recover(struct core_inst *in, const struct core_undo_kind *kinds,
    struct vps_err *e);
/* Only the records, as the keeper does it. The number of those undone. */
int core_undo_all(struct core_inst *in, const struct core_undo_kind *kinds,
    struct vps_err *e);

/* Writes a record; its number. The keeper is told that a command is at work
 * when this is the first. `in` is locked. */
int core_undo_add(
    struct core_inst *in, const char *kind, const char *arg, struct vps_err *e);
/* The step was taken back, or is to stay. */
void core_undo_done(struct core_inst *in, int number);
