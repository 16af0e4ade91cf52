/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include <poll.h>
#include <stdbool.h>

#include "migrate/drive.h"
#include "migrate/work.h"
#include "migrate/xport.h"

#define MIG_PLAN_MAX 3

struct mig_drive {
	struct mig_opt o;
	bool source;
	enum mig_state st;
	struct mig_link *link; /* owned */
	bool cut;              /* nothing comes or goes any more */
	struct mig_msg *hello; /* owned; ours at the source, else the peer's */
	struct mig_msg *tmp;   /* owned; message under construction */
	struct jrn jrn;
	bool touched;  /* source: suspend may have begun; target: journal may
			* exist */
	bool jbegun;   /* source: "committed" may be on the disk */
	bool mine;     /* target: the journal entry is of this link */
	int lock;      /* journal; owned */
	uint32_t said; /* status of the peer's rsync */

	struct mig_work work;
	int (*fn)(void *arg, struct vps_err *e); /* what it does */
	enum mig_action doing;
	int work_fd;           /* a pipe's end for the child; owned */
	bool work_ok, drained; /* target, restoring */

	struct mig_pass pass;
	enum mig_pass_kind plan[MIG_PLAN_MAX];
	int list;           /* source: paths of a list pass, owned, -1: none */
	unsigned nplan, at; /* source: passes to do, the one under way */
	bool syncing;       /* syncfs before or after a pass */
	bool passed, exited, ended; /* source: PASSED came, rsync and channel
				     * ended */
	int pass_status;
	bool pass2;

	/* Outcome of a synchronous action: an event to be taken next. */
	enum mig_event next;
	bool has_next;
	struct vps_err err; /* the first cause */
};

/* source.c, target.c: begin an action; outcome by mig_drive_done(). */
void mig_source_do(struct mig_drive *d, enum mig_action a);
void mig_target_do(struct mig_drive *d, enum mig_action a);
/* The work process of `a` has ended. */
void mig_source_worked(struct mig_drive *d, enum mig_action a, int r);
void mig_target_worked(struct mig_drive *d, enum mig_action a, int r);
/* rsync has ended with this status. */
void mig_source_pass_end(struct mig_drive *d, int status);
void mig_target_pass_end(struct mig_drive *d, int status);
/* Events of the link other than messages of the state machine. */
void mig_source_chan(struct mig_drive *d, const struct mig_link_ev *ev);
void mig_target_chan(struct mig_drive *d, const struct mig_link_ev *ev);
/* The rsync helper has its descriptors for us. */
void mig_source_helper(struct mig_drive *d);
/* Source: a message that isn't the state machine's business now: true. */
bool mig_source_message(struct mig_drive *d, const struct mig_msg *m);

/* drive.c, for those two */
void mig_drive_done(struct mig_drive *d, int r); /* OK or FAIL next */
void mig_drive_work(struct mig_drive *d,
    int (*fn)(void *arg, struct vps_err *e)); /* of d->doing; arg is d */
void mig_drive_stop(struct mig_drive *d);     /* all that is under way */
int mig_drive_jrn(struct mig_drive *d, enum jrn_state s, struct vps_err *e);
const char *mig_drive_jrndir(const struct mig_drive *d);
int mig_drive_syncfs(void *drive, struct vps_err *e);
