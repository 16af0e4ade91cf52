/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Suspend and resume: the network held, every process frozen.
 */
#pragma once
#include <stdint.h>

#include "core/inst.h"
#include "core/recover.h"

/* Undoes a record of susp_rest_begin(). */
int susp_undo_rest(struct core_inst *in, const char *arg, struct vps_err *e);

/* A record that wakes an instance whose state is "running" if this command
 * dies; its number, for core_undo_done(). To be made before susp_rest(). */
int susp_rest_begin(struct core_inst *in, struct vps_err *e);
/* Brings a running instance to rest: no new connections, waits until none is
 * half open, holds the network, freezes all processes, and looks again. `in` is
 * locked. Failed: it runs on, and `e` names what could not be brought to rest.
 * Doesn't change the state. *ret_since: CLOCK_MONOTONIC, ns, when the freezing
 * began; NULL allowed. */
int susp_rest(struct core_inst *in, uint64_t *ret_since, struct vps_err *e);
/* The reverse. */
int susp_wake(struct core_inst *in, struct vps_err *e);
uint64_t susp_now_ns(void);

/* susp_rest() and state suspended; susp_wake() and state running. */
int susp_suspend(struct core_inst *in, struct vps_err *e);
int susp_resume(struct core_inst *in, struct vps_err *e);

/* A descriptor of the v2 cgroup that is frozen. */
int susp_cgroup(const struct core_inst *in, struct vps_err *e);
