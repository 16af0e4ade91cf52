/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The state machine of a migration: its tables are complete, and a model of
 * two hosts is walked through every order of deliveries, failures, cuts and
 * deaths that there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/fsm.h"

static void
names_are_complete(void **state)
{
	(void)state;
	for (int i = 0; i < MIG_STATE_MAX_; i++)
		assert_non_null(mig_state_name((enum mig_state)i));
	for (int i = 0; i < MIG_EVENT_MAX_; i++)
		assert_non_null(mig_event_name((enum mig_event)i));
	for (int i = 0; i < MIG_ACTION_MAX_; i++)
		assert_non_null(mig_action_name((enum mig_action)i));
}

static void
work_ends_a_step(void **state)
{
	(void)state;
	for (int s = 0; s < MIG_STATE_MAX_; s++) {
		for (int e = 0; e < MIG_EVENT_MAX_; e++) {
			struct mig_step t =
			    mig_fsm_step((enum mig_state)s, (enum mig_event)e);

			if (mig_action_is_work(t.act[0]))
				assert_int_equal(t.act[1], MIG_ACT_NONE);
			if (mig_state_is_final((enum mig_state)s))
				assert_int_equal(t.next, s);
		}
	}
}

/*
 * The model. A message is an event at the receiver. Work is under way between
 * its action and its outcome; its effects on disk and instance may have
 * happened or not when it fails or its process dies.
 */
enum { J_NONE, J_COMMITTED, J_MOVED }; /* source */
enum { K_NONE, K_RECEIVING, K_READY, K_OWNED, K_RUNNING, K_CLEARED };
enum { I_GONE, I_FROZEN, I_RUNNING };

#define QLEN 6

struct side {
	uint8_t st, work; /* work: the action under way */
	uint8_t alive, cut;
	uint8_t q[QLEN], nq; /* to this side, not yet received */
	uint8_t journal, inst;
};

struct world {
	struct side s, t;
	uint8_t passes, cancels;
	uint8_t resolving; /* the second act: --resolve */
	uint8_t ran_at_t;  /* the target has let it run */
};

#define SEEN_BITS 22
static struct world *seen;
static size_t nseen;

static int
seen_add(const struct world *w)
{
	const uint8_t *p = (const uint8_t *)w;
	uint64_t h = 1469598103934665603u;
	size_t i;

	for (i = 0; i < sizeof(*w); i++)
		h = (h ^ p[i]) * 1099511628211u;
	h ^= h >> 29;
	for (i = h & ((1u << SEEN_BITS) - 1);;
	     i = (i + 1) & ((1u << SEEN_BITS) - 1)) {
		/* A used slot is never all zero: see walk(). */
		if (seen[i].passes == 0)
			break;
		if (memcmp(&seen[i], w, sizeof(*w)) == 0)
			return 0;
	}
	assert_true(++nseen < (1u << SEEN_BITS) / 2);
	seen[i] = *w;
	return 1;
}

static void
check(const struct world *w)
{
	const struct side *s = &w->s, *t = &w->t;

	assert_false(s->inst == I_RUNNING && t->inst == I_RUNNING);
	/* What has run over there is never taken back. */
	if (w->ran_at_t)
		assert_int_not_equal(s->inst, I_RUNNING);
	/* The state never vanishes from both. */
	assert_false(s->inst == I_GONE && t->inst == I_GONE);
	/* Undecided: it says so. */
	if (s->inst != I_RUNNING && t->journal < K_OWNED &&
	    mig_state_is_final(s->st) && s->st != MIG_S_BROKEN)
		assert_int_equal(s->journal, J_COMMITTED);
}

static void walk(const struct world *w);

static const uint8_t sends[MIG_ACTION_MAX_] = {
    [MIG_SEND_HELLO] = MIG_EV_HELLO,
    [MIG_SEND_ACCEPT] = MIG_EV_ACCEPT,
    [MIG_SEND_REFUSE] = MIG_EV_REFUSE,
    [MIG_SEND_PASSED] = MIG_EV_PASSED,
    [MIG_SEND_IMAGE] = MIG_EV_IMAGE,
    [MIG_SEND_READY] = MIG_EV_READY,
    [MIG_SEND_COMMIT] = MIG_EV_COMMIT,
    [MIG_SEND_RUNNING] = MIG_EV_RUNNING,
    [MIG_SEND_STUCK] = MIG_EV_STUCK,
    [MIG_SEND_DONE] = MIG_EV_DONE,
    [MIG_SEND_ABORT] = MIG_EV_ABORT,
    [MIG_SEND_ASK] = MIG_EV_ASK,
    [MIG_SEND_FORGOTTEN] = MIG_EV_FORGOTTEN,
};

static void
send(struct side *to, uint8_t ev)
{
	assert_true(to->nq < QLEN);
	if (to->alive && !to->cut)
		to->q[to->nq++] = ev;
}

static void
step(struct side *me, struct side *peer, enum mig_event ev)
{
	struct mig_step t = mig_fsm_step(me->st, ev);

	if (t.next != me->st && ev != MIG_EV_OK && ev != MIG_EV_NO &&
	    ev != MIG_EV_FAIL)
		me->work = MIG_ACT_NONE; /* work under way is stopped */
	me->st = (uint8_t)t.next;
	for (int i = 0; i < MIG_STEP_ACTIONS; i++) {
		if (t.act[i] == MIG_ACT_NONE)
			continue;
		if (mig_action_is_work(t.act[i]))
			me->work = (uint8_t)t.act[i];
		else
			send(peer, sends[t.act[i]]);
	}
}

/* The effect of work; how: 0 nothing happened, 1 half of it, 2 all of it. */
static void
effect(struct world *w, struct side *me, uint8_t work, int how)
{
	switch (work) {
	case MIG_DO_SUSPEND:
		if (how > 0)
			me->inst = I_FROZEN;
		break;
	case MIG_DO_JCOMMIT:
		if (how > 0)
			me->journal = J_COMMITTED;
		break;
	case MIG_DO_DESTROY:
		if (how > 0)
			me->journal = J_MOVED;
		if (how > 1)
			me->inst = I_GONE;
		break;
	case MIG_DO_UNDO:
	case MIG_DO_BACK:
		if (how > 0)
			me->journal = J_NONE;
		if (how > 1)
			me->inst = I_RUNNING;
		break;
	case MIG_DO_CHECK:
		if (how > 0)
			me->journal = K_RECEIVING;
		break;
	case MIG_DO_RESTORE:
		if (how > 0)
			me->inst = I_FROZEN;
		break;
	case MIG_DO_JREADY:
		if (how > 0)
			me->journal = K_READY;
		break;
	case MIG_DO_JOWN:
		if (how > 0)
			me->journal = K_OWNED;
		break;
	case MIG_DO_RESUME:
		if (how > 0) {
			me->inst = I_RUNNING;
			w->ran_at_t = 1;
		}
		if (how > 1)
			me->journal = K_RUNNING;
		break;
	case MIG_DO_FORGET:
		/* Destroyed before the journal goes. */
		if (how > 0)
			me->inst = I_GONE;
		if (how > 1)
			me->journal = K_NONE;
		break;
	case MIG_DO_CLEAR:
		if (how > 1)
			me->journal = K_CLEARED;
		break;
	default:
		break;
	}
}

static void
outcomes(const struct world *w, int at_source)
{
	const struct side *o = at_source ? &w->s : &w->t;
	struct world n;
	struct side *me = at_source ? &n.s : &n.t;
	struct side *peer = at_source ? &n.t : &n.s;
	uint8_t work = o->work;

	if (work == MIG_ACT_NONE)
		return;
	if (work == MIG_DO_ANSWER) {
		n = *w;
		me->work = MIG_ACT_NONE;
		step(me, peer,
		    o->journal == K_OWNED || o->journal == K_RUNNING
			? MIG_EV_OK
			: MIG_EV_NO);
		walk(&n);
		n = *w;
		me->work = MIG_ACT_NONE;
		step(me, peer, MIG_EV_FAIL);
		walk(&n);
		return;
	}
	for (int how = 0; how <= 2; how++) {
		int ok;

		for (ok = 0; ok <= (how == 2); ok++) {
			n = *w;
			me->work = MIG_ACT_NONE;
			effect(&n, me, work, how);
			step(me, peer, ok ? MIG_EV_OK : MIG_EV_FAIL);
			walk(&n);
		}
		n = *w;
		effect(&n, me, work, how);
		me->work = MIG_ACT_NONE;
		me->alive = 0;
		me->nq = 0;
		memset(me->q, 0, QLEN);
		walk(&n);
	}
}

static void
receive(const struct world *w, int at_source)
{
	const struct side *o = at_source ? &w->s : &w->t;
	struct world n = *w;
	struct side *me = at_source ? &n.s : &n.t;
	struct side *peer = at_source ? &n.t : &n.s;
	uint8_t ev;

	if (!o->alive || o->nq == 0)
		return;
	/* Work of the target blocks its driver; ABORT waits as all else. */
	if (!at_source && o->work != MIG_ACT_NONE)
		return;
	ev = me->q[0];
	me->nq--;
	memmove(me->q, me->q + 1, me->nq);
	memset(me->q + me->nq, 0, QLEN - me->nq);
	step(me, peer, ev);
	walk(&n);
}

static void
cuts(const struct world *w, int at_source)
{
	const struct side *o = at_source ? &w->s : &w->t;
	struct world n = *w;
	struct side *me = at_source ? &n.s : &n.t;
	struct side *peer = at_source ? &n.t : &n.s;

	if (!o->alive || o->cut)
		return;
	/* With what is on its way received or lost, as it comes. */
	me->cut = 1;
	memset(me->q, 0, QLEN);
	me->nq = 0;
	step(me, peer, MIG_EV_CUT);
	walk(&n);
}

/* What the next command does about what a dead one left. */
static void
recover(struct world *w)
{
	if (w->s.journal == J_NONE && w->s.inst == I_FROZEN)
		w->s.inst = I_RUNNING;
	if (w->s.journal == J_MOVED)
		w->s.inst = I_GONE;
	if (w->t.journal < K_OWNED) {
		w->t.inst = I_GONE;
		w->t.journal = K_NONE;
	}
}

static void
settle(const struct world *w)
{
	struct world n = *w;
	int here, there;

	recover(&n);
	check(&n);
	here = n.s.inst != I_GONE && n.s.journal == J_NONE;
	there = n.t.inst != I_GONE && n.t.journal >= K_OWNED;
	assert_false(here && there);
	assert_true(here || there || n.s.journal == J_COMMITTED);
	if (n.s.journal != J_COMMITTED)
		return;
	if (w->resolving >= 2)
		return; /* asked, and cut again: still in doubt, and says so */
	n.resolving++;
	n.s = (struct side){.st = MIG_S_IDLE,
	    .alive = 1,
	    .journal = n.s.journal,
	    .inst = n.s.inst};
	n.t = (struct side){.st = MIG_T_IDLE,
	    .alive = 1,
	    .journal = n.t.journal,
	    .inst = n.t.inst};
	step(&n.s, &n.t, MIG_EV_RESOLVE);
	walk(&n);
}

static bool
ended(const struct side *s)
{
	return !s->alive || mig_state_is_final(s->st);
}

static unsigned ends[MIG_STATE_MAX_];

static void
walk(const struct world *w)
{
	struct world n;

	if (!seen_add(w))
		return;
	check(w);
	if (ended(&w->s))
		ends[w->s.st]++;
	if (ended(&w->t))
		ends[w->t.st]++;
	if (ended(&w->s) && ended(&w->t)) {
		settle(w);
		return;
	}
	if (!ended(&w->s)) {
		outcomes(w, 1);
		receive(w, 1);
		cuts(w, 1);
		n = *w;
		n.s.alive = 0;
		n.s.work = MIG_ACT_NONE;
		n.s.nq = 0;
		memset(n.s.q, 0, QLEN);
		walk(&n);
		if (w->cancels == 0) {
			n = *w;
			n.cancels++;
			step(&n.s, &n.t, MIG_EV_CANCEL);
			walk(&n);
		}
	}
	if (!ended(&w->t)) {
		outcomes(w, 0);
		receive(w, 0);
		if (w->t.work == MIG_ACT_NONE)
			cuts(w, 0);
		n = *w;
		n.t.alive = 0;
		n.t.work = MIG_ACT_NONE;
		n.t.nq = 0;
		memset(n.t.q, 0, QLEN);
		walk(&n);
	}
}

static void
never_both_never_neither(void **state)
{
	struct world w = {
	    .s = {.st = MIG_S_IDLE, .alive = 1, .inst = I_RUNNING},
	    .t = {.st = MIG_T_IDLE, .alive = 1},
	    .passes = 1,
	};
	static const enum mig_state reached[] = {MIG_S_DONE, MIG_S_LEFT,
	    MIG_S_FAILED, MIG_S_BROKEN, MIG_S_DOUBT, MIG_T_REFUSED, MIG_T_GONE,
	    MIG_T_STUCK, MIG_T_DONE, MIG_T_ALONE};

	(void)state;
	seen = calloc((size_t)1 << SEEN_BITS, sizeof(*seen));
	assert_non_null(seen);
	memset(ends, 0, sizeof(ends));
	step(&w.s, &w.t, MIG_EV_START);
	walk(&w);
	for (size_t i = 0; i < sizeof(reached) / sizeof(reached[0]); i++)
		assert_true(ends[reached[i]] > 0);
	print_message("%zu states of the two hosts\n", nseen);
	free(seen);
}

/* Nothing fails: the steps and messages in their order. */
static void
straight_through(void **state)
{
	static const struct {
		enum mig_event ev;
		enum mig_state st;
	} src[] =
	    {
		{MIG_EV_START, MIG_S_HELLO},
		{MIG_EV_ACCEPT, MIG_S_PASS1},
		{MIG_EV_OK, MIG_S_PRECOPY},
		{MIG_EV_OK, MIG_S_SUSPEND},
		{MIG_EV_OK, MIG_S_PASS2},
		{MIG_EV_OK, MIG_S_IMAGE},
		{MIG_EV_OK, MIG_S_READY},
		{MIG_EV_READY, MIG_S_JOURNAL},
		{MIG_EV_OK, MIG_S_COMMIT},
		{MIG_EV_RUNNING, MIG_S_DESTROY},
		{MIG_EV_OK, MIG_S_DONE},
	    },
	  tgt[] = {
	      {MIG_EV_HELLO, MIG_T_CHECK},
	      {MIG_EV_OK, MIG_T_WAIT},
	      {MIG_EV_PASS, MIG_T_PASS},
	      {MIG_EV_OK, MIG_T_WAIT},
	      {MIG_EV_PASS, MIG_T_PASS},
	      {MIG_EV_OK, MIG_T_WAIT},
	      {MIG_EV_IMAGE, MIG_T_IMAGE},
	      {MIG_EV_OK, MIG_T_JREADY},
	      {MIG_EV_OK, MIG_T_READY},
	      {MIG_EV_COMMIT, MIG_T_OWN},
	      {MIG_EV_OK, MIG_T_RESUME},
	      {MIG_EV_OK, MIG_T_RUNNING},
	      {MIG_EV_DONE, MIG_T_CLEAR},
	      {MIG_EV_OK, MIG_T_DONE},
	  };
	enum mig_state st = MIG_S_IDLE;

	(void)state;
	for (size_t i = 0; i < sizeof(src) / sizeof(src[0]); i++) {
		st = mig_fsm_step(st, src[i].ev).next;
		assert_int_equal(st, src[i].st);
	}
	st = MIG_T_IDLE;
	for (size_t i = 0; i < sizeof(tgt) / sizeof(tgt[0]); i++) {
		st = mig_fsm_step(st, tgt[i].ev).next;
		assert_int_equal(st, tgt[i].st);
	}
	/* Pre-copy has its place, and no peer of this version takes it. */
	assert_int_equal(
	    mig_fsm_step(MIG_T_WAIT, MIG_EV_PRECOPY).next, MIG_T_FORGET);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_complete),
	    cmocka_unit_test(work_ends_a_step),
	    cmocka_unit_test(straight_through),
	    cmocka_unit_test(never_both_never_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
