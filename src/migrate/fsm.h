/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The state machine of a migration, vps-migrate(7): events in, actions out. It
 * does no input or output and keeps nothing but the state, so that every cut
 * and every death can be tried in a unit test.
 *
 * Both ends and `migrate --resolve` run the same table. The end that acts is
 * the driver's business (source.c, target.c): it performs the actions of a step
 * in their order and comes back with their outcome as the next event.
 *
 * What must hold, whatever happens: at most one side can run the instance, and
 * as long as none can, the source says that it is in doubt.
 *   - The source may resume until its journal says "committed", never after
 *     that unless the target answered that it has forgotten.
 *   - The target may resume once its journal says "owned", which it writes on
 *     COMMIT only; until then it forgets by itself whatever goes wrong.
 */
#pragma once
#include <stdbool.h>

enum mig_state {
	/* source */
	MIG_S_IDLE,
	MIG_S_HELLO,   /* HELLO sent */
	MIG_S_PASS1,   /* first filesystem pass, the instance runs */
	MIG_S_PRECOPY, /* memory rounds, the instance runs */
	MIG_S_SUSPEND,
	MIG_S_PASS2, /* second filesystem pass, suspended from here on */
	MIG_S_IMAGE,
	MIG_S_READY,   /* image sent, waiting for READY */
	MIG_S_JOURNAL, /* writing "committed" */
	MIG_S_COMMIT,  /* COMMIT sent, waiting for RUNNING */
	MIG_S_DESTROY,
	MIG_S_UNDO, /* resuming here after a failure */
	MIG_S_ASK,  /* --resolve: ASK sent */
	MIG_S_BACK, /* --resolve: taking the instance back */
	/* source, final */
	MIG_S_DONE,   /* moved */
	MIG_S_LEFT,   /* moved, but what is left here couldn't be destroyed */
	MIG_S_FAILED, /* not moved, the instance is as it was */
	MIG_S_BROKEN, /* not moved, and it couldn't be resumed */
	MIG_S_DOUBT,  /* committed, and no answer */
	/* target */
	MIG_T_IDLE,
	MIG_T_CHECK, /* HELLO came: can it be taken? */
	MIG_T_WAIT,  /* for PASS, PRECOPY or IMAGE */
	MIG_T_PASS,
	MIG_T_IMAGE,  /* restoring */
	MIG_T_JREADY, /* writing "ready" */
	MIG_T_READY,  /* READY sent, waiting for COMMIT */
	MIG_T_OWN,    /* writing "owned" */
	MIG_T_RESUME,
	MIG_T_RUNNING, /* RUNNING sent, waiting for DONE */
	MIG_T_CLEAR,   /* removing the journal */
	MIG_T_FORGET,  /* undoing everything */
	MIG_T_ASKED,   /* ASK came: what does the journal say? */
	MIG_T_FORGETA, /* forgetting, because of ASK */
	/* target, final */
	MIG_T_REFUSED, /* nothing was made */
	MIG_T_GONE,    /* forgotten */
	MIG_T_STUCK,   /* owned (or about to be) but not resumed */
	MIG_T_DONE,    /* runs here, the source knows */
	MIG_T_ALONE,   /* runs here, nobody said that the source knows */
	MIG_STATE_MAX_,
};

enum mig_event {
	MIG_EV_START,   /* source: the user asked for a migration */
	MIG_EV_RESOLVE, /* source: the user asked to settle one in doubt */
	MIG_EV_OK,      /* the DO action of the last step has succeeded */
	MIG_EV_NO,      /* MIG_DO_ANSWER: the target doesn't own it */
	MIG_EV_FAIL,    /* the DO action of the last step has failed */
	MIG_EV_CUT, /* link closed, silent for too long, or talking rubbish */
	MIG_EV_CANCEL, /* signal */
	/* messages, in the order of enum mig_msg_type */
	MIG_EV_HELLO,
	MIG_EV_ACCEPT,
	MIG_EV_REFUSE,
	MIG_EV_PASS,
	MIG_EV_PASSED,
	MIG_EV_PRECOPY,
	MIG_EV_IMAGE,
	MIG_EV_READY,
	MIG_EV_COMMIT,
	MIG_EV_RUNNING,
	MIG_EV_STUCK,
	MIG_EV_DONE,
	MIG_EV_ABORT,
	MIG_EV_ASK,
	MIG_EV_FORGOTTEN,
	MIG_EVENT_MAX_,
};

enum mig_action {
	MIG_ACT_NONE,
	/* Sending never fails: what becomes of it shows as MIG_EV_CUT. */
	MIG_SEND_HELLO,
	MIG_SEND_ACCEPT,
	MIG_SEND_REFUSE,
	MIG_SEND_PASSED,
	MIG_SEND_IMAGE,
	MIG_SEND_READY,
	MIG_SEND_COMMIT,
	MIG_SEND_RUNNING,
	MIG_SEND_STUCK,
	MIG_SEND_DONE,
	MIG_SEND_ABORT,
	MIG_SEND_ASK,
	MIG_SEND_FORGOTTEN,
	/* Work: the last action of its step; ends in OK or FAIL. */
	MIG_DO_CHECK,   /* T: objections? else begin the journal */
	MIG_DO_PASS1,   /* S: PASS ... PASSED, or nothing to do */
	MIG_DO_PRECOPY, /* S: nothing to do in this version */
	MIG_DO_SUSPEND, /* S */
	MIG_DO_PASS2,   /* S: as PASS1, any number of passes */
	MIG_DO_PASS,    /* T: the far end of one pass */
	MIG_DO_IMAGE,   /* S: write the image to its channel */
	MIG_DO_RESTORE, /* T: suspended instance from the channel */
	MIG_DO_JREADY,  /* T: journal "ready" */
	MIG_DO_JCOMMIT, /* S: journal "committed" */
	MIG_DO_JOWN,    /* T: journal "owned" */
	MIG_DO_RESUME,  /* T: resume, announce; journal "running" */
	MIG_DO_DESTROY, /* S: journal "moved", then destroy */
	MIG_DO_UNDO,    /* S: stop work under way, resume; no journal */
	MIG_DO_BACK,    /* S: the same, after FORGOTTEN */
	MIG_DO_FORGET,  /* T: stop work under way, destroy; no journal */
	MIG_DO_ANSWER,  /* T: OK the journal says owned, NO it doesn't */
	MIG_DO_CLEAR,   /* T: remove the journal */
	MIG_ACTION_MAX_,
};

#define MIG_STEP_ACTIONS 2

struct mig_step {
	enum mig_state next;
	enum mig_action act[MIG_STEP_ACTIONS];
};

/* Every pair of state and event has a step: what doesn't belong into a state
 * leads to where a failure leads. Final states stay. */
struct mig_step mig_fsm_step(enum mig_state st, enum mig_event ev);

bool mig_state_is_final(enum mig_state st);
/* The instance at the source can't be touched by a plain failure any more. */
bool mig_state_is_committed(enum mig_state st);
const char *mig_state_name(enum mig_state st);
const char *mig_event_name(enum mig_event ev);
const char *mig_action_name(enum mig_action a);
bool mig_action_is_work(enum mig_action a);
