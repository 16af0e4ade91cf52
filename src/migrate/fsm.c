/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/fsm.h"

#include <assert.h>
#include <stddef.h>

#include "base/auto.h"

/* What is asked of a state about the events that its rows don't name. */
enum phase {
	PH_FINAL,   /* stays */
	PH_ASK,     /* source, nothing made: anything wrong leaves the doubt */
	PH_BEFORE,  /* source, before the commit point: undo */
	PH_UNDOING, /* source: deaf until the undo has ended */
	PH_COMMIT,  /* source, after COMMIT: anything wrong is doubt */
	PH_AFTER,   /* source, after RUNNING: deaf */
	PH_TIDLE,   /* target, nothing made yet */
	PH_TBEFORE, /* target, before the commit point: forget */
	PH_TDEAF,   /* target: deaf, only the outcome of its work counts */
	PH_TALONE,  /* target runs: anything else means that nobody answers */
};

static const struct {
	const char *name;
	enum phase phase;
} states[MIG_STATE_MAX_] = {
    [MIG_S_IDLE] = {"idle", PH_BEFORE},
    [MIG_S_HELLO] = {"hello", PH_BEFORE},
    [MIG_S_PASS1] = {"pass 1", PH_BEFORE},
    [MIG_S_PRECOPY] = {"pre-copy", PH_BEFORE},
    [MIG_S_SUSPEND] = {"suspend", PH_BEFORE},
    [MIG_S_PASS2] = {"pass 2", PH_BEFORE},
    [MIG_S_IMAGE] = {"image", PH_BEFORE},
    [MIG_S_READY] = {"wait for ready", PH_BEFORE},
    [MIG_S_JOURNAL] = {"journal", PH_BEFORE},
    [MIG_S_COMMIT] = {"commit", PH_COMMIT},
    [MIG_S_DESTROY] = {"destroy", PH_AFTER},
    [MIG_S_UNDO] = {"undo", PH_UNDOING},
    [MIG_S_ASK] = {"ask", PH_ASK},
    [MIG_S_BACK] = {"take back", PH_UNDOING},
    [MIG_S_DONE] = {"moved", PH_FINAL},
    [MIG_S_LEFT] = {"moved, remains left", PH_FINAL},
    [MIG_S_FAILED] = {"not moved", PH_FINAL},
    [MIG_S_BROKEN] = {"not moved, not resumed", PH_FINAL},
    [MIG_S_DOUBT] = {"in doubt", PH_FINAL},
    [MIG_T_IDLE] = {"target idle", PH_TIDLE},
    [MIG_T_CHECK] = {"target check", PH_TBEFORE},
    [MIG_T_WAIT] = {"target wait", PH_TBEFORE},
    [MIG_T_PASS] = {"target pass", PH_TBEFORE},
    [MIG_T_IMAGE] = {"target restore", PH_TBEFORE},
    [MIG_T_JREADY] = {"target journal ready", PH_TBEFORE},
    [MIG_T_READY] = {"target ready", PH_TBEFORE},
    [MIG_T_OWN] = {"target journal owned", PH_TDEAF},
    [MIG_T_RESUME] = {"target resume", PH_TDEAF},
    [MIG_T_RUNNING] = {"target running", PH_TALONE},
    [MIG_T_CLEAR] = {"target clear", PH_TDEAF},
    [MIG_T_FORGET] = {"target forget", PH_TDEAF},
    [MIG_T_ASKED] = {"target asked", PH_TDEAF},
    [MIG_T_FORGETA] = {"target forget and answer", PH_TDEAF},
    [MIG_T_REFUSED] = {"target refused", PH_FINAL},
    [MIG_T_GONE] = {"target forgotten", PH_FINAL},
    [MIG_T_STUCK] = {"target not resumed", PH_FINAL},
    [MIG_T_DONE] = {"target done", PH_FINAL},
    [MIG_T_ALONE] = {"target runs, source silent", PH_FINAL},
};

static const char *const event_names[MIG_EVENT_MAX_] = {
    [MIG_EV_START] = "start",
    [MIG_EV_RESOLVE] = "resolve",
    [MIG_EV_OK] = "ok",
    [MIG_EV_NO] = "no",
    [MIG_EV_FAIL] = "failure",
    [MIG_EV_CUT] = "cut",
    [MIG_EV_CANCEL] = "cancel",
    [MIG_EV_HELLO] = "HELLO",
    [MIG_EV_ACCEPT] = "ACCEPT",
    [MIG_EV_REFUSE] = "REFUSE",
    [MIG_EV_PASS] = "PASS",
    [MIG_EV_PASSED] = "PASSED",
    [MIG_EV_PRECOPY] = "PRECOPY",
    [MIG_EV_IMAGE] = "IMAGE",
    [MIG_EV_READY] = "READY",
    [MIG_EV_COMMIT] = "COMMIT",
    [MIG_EV_RUNNING] = "RUNNING",
    [MIG_EV_STUCK] = "STUCK",
    [MIG_EV_DONE] = "DONE",
    [MIG_EV_ABORT] = "ABORT",
    [MIG_EV_ASK] = "ASK",
    [MIG_EV_FORGOTTEN] = "FORGOTTEN",
};

static const char *const action_names[MIG_ACTION_MAX_] = {
    [MIG_ACT_NONE] = "none",
    [MIG_SEND_HELLO] = "send-hello",
    [MIG_SEND_ACCEPT] = "send-accept",
    [MIG_SEND_REFUSE] = "send-refuse",
    [MIG_SEND_PASSED] = "send-passed",
    [MIG_SEND_IMAGE] = "send-image",
    [MIG_SEND_READY] = "send-ready",
    [MIG_SEND_COMMIT] = "send-commit",
    [MIG_SEND_RUNNING] = "send-running",
    [MIG_SEND_STUCK] = "send-stuck",
    [MIG_SEND_DONE] = "send-done",
    [MIG_SEND_ABORT] = "send-abort",
    [MIG_SEND_ASK] = "send-ask",
    [MIG_SEND_FORGOTTEN] = "send-forgotten",
    [MIG_DO_CHECK] = "check",
    [MIG_DO_PASS1] = "pass1",
    [MIG_DO_PRECOPY] = "precopy",
    [MIG_DO_SUSPEND] = "suspend",
    [MIG_DO_PASS2] = "pass2",
    [MIG_DO_PASS] = "pass",
    [MIG_DO_IMAGE] = "image",
    [MIG_DO_RESTORE] = "restore",
    [MIG_DO_JREADY] = "journal-ready",
    [MIG_DO_JCOMMIT] = "journal-committed",
    [MIG_DO_JOWN] = "journal-owned",
    [MIG_DO_RESUME] = "resume",
    [MIG_DO_DESTROY] = "destroy",
    [MIG_DO_UNDO] = "undo",
    [MIG_DO_BACK] = "take-back",
    [MIG_DO_FORGET] = "forget",
    [MIG_DO_ANSWER] = "answer",
    [MIG_DO_CLEAR] = "clear",
};

#define S(x)  MIG_S_##x
#define T(x)  MIG_T_##x
#define EV(x) MIG_EV_##x

static const struct {
	enum mig_state st;
	enum mig_event ev;
	struct mig_step to;
} table[] = {
    /* source */
    {S(IDLE), EV(START), {S(HELLO), {MIG_SEND_HELLO}}},
    {S(IDLE), EV(RESOLVE), {S(ASK), {MIG_SEND_ASK}}},
    {S(HELLO), EV(ACCEPT), {S(PASS1), {MIG_DO_PASS1}}},
    {S(PASS1), EV(OK), {S(PRECOPY), {MIG_DO_PRECOPY}}},
    {S(PRECOPY), EV(OK), {S(SUSPEND), {MIG_DO_SUSPEND}}},
    {S(SUSPEND), EV(OK), {S(PASS2), {MIG_DO_PASS2}}},
    {S(PASS2), EV(OK), {S(IMAGE), {MIG_SEND_IMAGE, MIG_DO_IMAGE}}},
    {S(IMAGE), EV(OK), {S(READY), {MIG_ACT_NONE}}},
    {S(READY), EV(READY), {S(JOURNAL), {MIG_DO_JCOMMIT}}},
    {S(JOURNAL), EV(OK), {S(COMMIT), {MIG_SEND_COMMIT}}},
    {S(COMMIT), EV(RUNNING), {S(DESTROY), {MIG_DO_DESTROY}}},
    /* Too late to cancel: the answer is on its way, or the link is cut. */
    {S(COMMIT), EV(CANCEL), {S(COMMIT), {MIG_ACT_NONE}}},
    {S(DESTROY), EV(OK), {S(DONE), {MIG_SEND_DONE}}},
    {S(DESTROY), EV(FAIL), {S(LEFT), {MIG_ACT_NONE}}},
    {S(UNDO), EV(OK), {S(FAILED), {MIG_ACT_NONE}}},
    {S(UNDO), EV(FAIL), {S(BROKEN), {MIG_ACT_NONE}}},
    {S(ASK), EV(RUNNING), {S(DESTROY), {MIG_DO_DESTROY}}},
    {S(ASK), EV(FORGOTTEN), {S(BACK), {MIG_DO_BACK}}},
    {S(BACK), EV(OK), {S(FAILED), {MIG_ACT_NONE}}},
    {S(BACK), EV(FAIL), {S(BROKEN), {MIG_ACT_NONE}}},
    /* target */
    {T(IDLE), EV(HELLO), {T(CHECK), {MIG_DO_CHECK}}},
    {T(IDLE), EV(ASK), {T(ASKED), {MIG_DO_ANSWER}}},
    {T(CHECK), EV(OK), {T(WAIT), {MIG_SEND_ACCEPT}}},
    {T(CHECK), EV(FAIL), {T(REFUSED), {MIG_SEND_REFUSE}}},
    {T(WAIT), EV(PASS), {T(PASS), {MIG_DO_PASS}}},
    {T(PASS), EV(OK), {T(WAIT), {MIG_SEND_PASSED}}},
    {T(WAIT), EV(IMAGE), {T(IMAGE), {MIG_DO_RESTORE}}},
    {T(IMAGE), EV(OK), {T(JREADY), {MIG_DO_JREADY}}},
    {T(JREADY), EV(OK), {T(READY), {MIG_SEND_READY}}},
    {T(READY), EV(COMMIT), {T(OWN), {MIG_DO_JOWN}}},
    {T(OWN), EV(OK), {T(RESUME), {MIG_DO_RESUME}}},
    /* The disk decides what it says now, and --resolve reads it. */
    {T(OWN), EV(FAIL), {T(STUCK), {MIG_SEND_STUCK}}},
    {T(RESUME), EV(OK), {T(RUNNING), {MIG_SEND_RUNNING}}},
    {T(RESUME), EV(FAIL), {T(STUCK), {MIG_SEND_STUCK}}},
    {T(RUNNING), EV(DONE), {T(CLEAR), {MIG_DO_CLEAR}}},
    {T(CLEAR), EV(OK), {T(DONE), {MIG_ACT_NONE}}},
    {T(CLEAR), EV(FAIL), {T(DONE), {MIG_ACT_NONE}}},
    {T(FORGET), EV(OK), {T(GONE), {MIG_ACT_NONE}}},
    {T(FORGET), EV(FAIL), {T(GONE), {MIG_ACT_NONE}}},
    {T(ASKED), EV(OK), {T(RESUME), {MIG_DO_RESUME}}},
    {T(ASKED), EV(NO), {T(FORGETA), {MIG_DO_FORGET}}},
    {T(ASKED), EV(FAIL), {T(REFUSED), {MIG_SEND_REFUSE}}},
    {T(FORGETA), EV(OK), {T(GONE), {MIG_SEND_FORGOTTEN}}},
    /* A copy that couldn't be destroyed might run one day. */
    {T(FORGETA), EV(FAIL), {T(REFUSED), {MIG_SEND_REFUSE}}},
};

/* A failure of our own is told to the peer, one that it knows of isn't. */
static enum mig_action
notice(enum mig_event ev)
{
	return ev == MIG_EV_CUT || ev == MIG_EV_ABORT ? MIG_ACT_NONE
						      : MIG_SEND_ABORT;
}

static struct mig_step
otherwise(enum mig_state st, enum mig_event ev)
{
	struct mig_step stay = {st, {MIG_ACT_NONE}};

	switch (states[st].phase) {
	case PH_FINAL:
	case PH_UNDOING:
	case PH_AFTER:
	case PH_TDEAF:
		return stay;
	case PH_ASK:
	case PH_COMMIT:
		return (struct mig_step){MIG_S_DOUBT, {MIG_ACT_NONE}};
	case PH_BEFORE:
		if (ev == MIG_EV_REFUSE)
			ev = MIG_EV_ABORT;
		return (struct mig_step){MIG_S_UNDO, {notice(ev), MIG_DO_UNDO}};
	case PH_TIDLE:
		return (struct mig_step){MIG_T_REFUSED, {notice(ev)}};
	case PH_TBEFORE:
		return (struct mig_step){
		    MIG_T_FORGET, {notice(ev), MIG_DO_FORGET}};
	case PH_TALONE:
		return (struct mig_step){MIG_T_ALONE, {MIG_ACT_NONE}};
	}
	return stay;
}

struct mig_step
mig_fsm_step(enum mig_state st, enum mig_event ev)
{
	assert((unsigned)st < MIG_STATE_MAX_);
	assert((unsigned)ev < MIG_EVENT_MAX_);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].st == st && table[i].ev == ev)
			return table[i].to;
	}
	return otherwise(st, ev);
}

bool
mig_state_is_final(enum mig_state st)
{
	return states[st].phase == PH_FINAL;
}

bool
mig_state_is_committed(enum mig_state st)
{
	return st == MIG_S_COMMIT || st == MIG_S_DESTROY || st == MIG_S_DONE ||
	       st == MIG_S_LEFT || st == MIG_S_DOUBT;
}

const char *
mig_state_name(enum mig_state st)
{
	return states[st].name;
}

const char *
mig_event_name(enum mig_event ev)
{
	return event_names[ev];
}

const char *
mig_action_name(enum mig_action a)
{
	return action_names[a];
}

bool
mig_action_is_work(enum mig_action a)
{
	return a >= MIG_DO_CHECK;
}
