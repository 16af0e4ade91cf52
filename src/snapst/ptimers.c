/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/ptimers.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/fdio.h"

/*
 * ID: 0
 * signal: 60/00007fff86e452a8
 * notify: signal/pid.2634
 * ClockID: 0
 */
static int
timers_parse(struct snap *s, const char *text, struct snap_ptimers *t)
{
	const char *p = text;

	while ((p = strstr(p, "ID: ")) != NULL) {
		struct vd_ptimer *v = &t->v[t->n];
		char how[16], what[8];
		int id, sig, pid, clock;
		uint64_t val;

		if (t->n == SNAP_PTIMERS_MAX)
			return -E2BIG;
		if (sscanf(p,
			"ID: %d\nsignal: %d/%" SCNx64
			"\nnotify: %15[a-z]/%7[a-z].%d\nClockID: %d",
			&id, &sig, &val, how, what, &pid, &clock) != 7)
			return -EBADMSG;
		*v = (struct vd_ptimer){.id = (uint32_t)id,
		    .clock = clock,
		    .sig = (uint32_t)sig,
		    .sigval = val};
		v->notify = strcmp(how, "none") == 0     ? SIGEV_NONE
			    : strcmp(how, "thread") == 0 ? SIGEV_THREAD
							 : SIGEV_SIGNAL;
		if (strcmp(what, "tid") == 0) {
			v->notify |= SIGEV_THREAD_ID;
			v->tid = snap_pid_in(s, pid);
			if (v->tid == 0)
				v->tid = pid;
		}
		t->n++;
		p = strstr(p, "ClockID: ") + strlen("ClockID: ");
	}
	return 0;
}

int
snap_ptimers_list(struct snap *s, struct snap_proc *p, struct snap_ptimers *ret)
{
	auto_buf struct buf b = {0};
	char path[32];
	int r;

	*ret = (struct snap_ptimers){0};
	(void)snprintf(path, sizeof(path), "%d/timers", p->pid);
	r = file_read(s->proc, path, &b, 1 << 20);
	if (r == -ENOENT || (r == 0 && b.len == 0))
		return 0; /* no such file: a kernel without POSIX timers */
	if (r < 0)
		return r;
	ret->v = arena_array(&s->arena, SNAP_PTIMERS_MAX, sizeof(*ret->v));
	if (ret->v == NULL)
		return -ENOMEM;
	return timers_parse(s, buf_str(&b), ret);
}

void
snap_ptimers_ask(struct sys_rcalls *c, struct snap_ptimers *t)
{
	for (size_t i = 0; i < t->n; i++) {
		t->spec[i] = sys_rdata(c, NULL, sizeof(struct itimerspec));
		(void)sys_radd(c, SYS_timer_gettime, RA_VAL(t->v[i].id),
		    RA_DATA(t->spec[i]));
		t->overrun[i] =
		    sys_radd(c, SYS_timer_getoverrun, RA_VAL(t->v[i].id));
	}
}

static uint64_t
ts_ns(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * 1000000000u + (uint64_t)ts->tv_nsec;
}

int
snap_ptimers_answer(struct snap *s, struct sys_rcalls *c, struct snap_proc *p,
    const struct snap_ptimers *t)
{
	(void)s;
	for (size_t i = 0; i < t->n; i++) {
		const struct itimerspec *sp = sys_rptr(c, t->spec[i]);

		t->v[i].value_ns = ts_ns(&sp->it_value);
		t->v[i].interval_ns = ts_ns(&sp->it_interval);
		t->v[i].overrun = (uint32_t)c->call[t->overrun[i]].ret;
	}
	p->rec.ptimers = t->v;
	p->rec.n_ptimers = t->n;
	return 0;
}
