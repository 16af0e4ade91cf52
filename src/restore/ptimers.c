/* SPDX-License-Identifier: BSD-2-Clause
 *
 * POSIX timers get their numbers by PR_TIMER_CREATE_RESTORE_IDS (Linux 6.16).
 * Before that the kernel counts up per process: timers are made and deleted
 * until the number comes.
 */
#include "restore/ptimers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define PR_TIMER_CREATE_RESTORE_IDS 77

/* The kernel's struct sigevent. */
struct ksigevent {
	uint64_t value;
	int32_t signo, notify, tid;
	int32_t pad[11];
};

static struct timespec
ns_ts(uint64_t ns)
{
	return (struct timespec){
	    (time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
}

static bool
restore_ids_known(void)
{
	return prctl(PR_TIMER_CREATE_RESTORE_IDS, 2 /* GET */, 0, 0, 0) >= 0;
}

static void
add_create(struct sys_rcalls *c, int64_t clock, const struct ksigevent *ev,
    uint32_t id)
{
	size_t o_ev = sys_rdata(c, ev, sizeof(*ev));
	size_t o_id = sys_rdata(c, &id, sizeof(id));

	(void)sys_radd(
	    c, SYS_timer_create, RA_VAL(clock), RA_DATA(o_ev), RA_DATA(o_id));
}

int
rst_ptimers_add(struct sys_rcalls *c, uint64_t data, const struct vd_proc *v)
{
	bool ids = restore_ids_known();
	uint32_t next = 0;

	(void)data;
	if (v->n_ptimers == 0)
		return 0;
	if (ids)
		(void)sys_radd(c, SYS_prctl,
		    RA_VAL(PR_TIMER_CREATE_RESTORE_IDS), RA_VAL(1), RA_VAL(0),
		    RA_VAL(0), RA_VAL(0));
	for (size_t i = 0; i < v->n_ptimers; i++) {
		const struct vd_ptimer *t = &v->ptimers[i];
		const struct ksigevent ev = {.value = t->sigval,
		    .signo = (int32_t)t->sig,
		    .notify = (int32_t)t->notify,
		    .tid = (int32_t)t->tid};
		const struct itimerspec its = {
		    ns_ts(t->interval_ns), ns_ts(t->value_ns)};
		size_t o_its;

		for (; !ids && next < t->id; next++) {
			add_create(c, t->clock, &ev, 0);
			(void)sys_radd(c, SYS_timer_delete, RA_VAL(next));
		}
		next = t->id + 1;
		add_create(c, t->clock, &ev, t->id);
		o_its = sys_rdata(c, &its, sizeof(its));
		(void)sys_radd(c, SYS_timer_settime, RA_VAL(t->id), RA_VAL(0),
		    RA_DATA(o_its), RA_VAL(0));
	}
	if (ids)
		(void)sys_radd(c, SYS_prctl,
		    RA_VAL(PR_TIMER_CREATE_RESTORE_IDS), RA_VAL(0), RA_VAL(0),
		    RA_VAL(0), RA_VAL(0));
	return c->err;
}
