/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The journal of migrations, on a directory that survives the host: one small
 * file for each migration that isn't settled, DIR/ID/out.OP at the source,
 * DIR/ID/in.OP at the target. What it says decides who may run the instance;
 * vps-migrate(7) has the rules.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

#define JRN_DIR "/var/lib/vps/migrate"

enum jrn_state {
	JRN_COMMITTED, /* source: may be the target's; never resume */
	JRN_MOVED,     /* source: is the target's */
	JRN_RECEIVING, /* target: not ours */
	JRN_READY,     /* target: restored, not ours */
	JRN_OWNED,     /* target: ours, not yet resumed */
	JRN_RUNNING,   /* target: ours; the source may not know */
	JRN_STATE_MAX_,
};

struct jrn {
	char id[65];
	char op[33];
	char peer[256]; /* as the user or ssh named it */
	enum jrn_state state;
	int64_t time; /* seconds since the epoch */
};

const char *jrn_state_name(enum jrn_state s);
static inline int
jrn_is_source(enum jrn_state s)
{
	return s <= JRN_MOVED;
}

/* The lock of all that concerns `id`: a descriptor, -EWOULDBLOCK while another
 * migration or --resolve of it is under way. */
int jrn_lock(const char *dir, const char *id, struct vps_err *e);

/* Durable when it returns 0. After a failure the old or the new state may be
 * on the disk. */
int jrn_write(const char *dir, const struct jrn *j, struct vps_err *e);
/* No file is fine. */
int jrn_remove(const char *dir, const struct jrn *j, struct vps_err *e);
/* Calls fn for each entry of `id`, in no order, until it returns non-zero,
 * which is returned. */
int jrn_each(const char *dir, const char *id,
    int (*fn)(const struct jrn *j, void *arg), void *arg, struct vps_err *e);
/* Entry of this role and operation (op NULL: the newest one); -ENOENT. */
int jrn_find(const char *dir, const char *id, int source, const char *op,
    struct jrn *ret, struct vps_err *e);

/* Whether the instance may run here, as far as migrations are concerned: 0, or
 * -VPS_ESTATE with the words for the user: in doubt, moved away, incoming. */
int jrn_may_run(const char *dir, const char *id, struct vps_err *e);
