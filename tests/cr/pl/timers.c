/* SPDX-License-Identifier: BSD-2-Clause
 * Timers: the three of setitimer, POSIX ones with their numbers and intervals,
 * one that has not been started. None runs out early or is forgotten. */
#include <sys/time.h>

#include "payload.h"

static volatile int alarms, rts;
static volatile int rt_value;

static void
on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void
on_rt(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	rts++;
	rt_value = si->si_value.sival_int;
}

int
main(int argc, char **argv)
{
	struct itimerval far = {.it_value = {1000, 0},
			     .it_interval = {7, 8000}},
			 virt = {.it_value = {500, 0}}, got;
	struct itimerspec ts = {.it_value = {2000, 0}, .it_interval = {3, 4}},
			  soon = {.it_value = {0, 50000000},
			      .it_interval = {0, 50000000}},
			  now;
	struct sigevent ev = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 3};
	struct sigaction sa = {
	    .sa_sigaction = on_rt, .sa_flags = SA_SIGINFO | SA_RESTART};
	timer_t t[3];
	int before;

	pl_init(argc, argv);
	signal(SIGALRM, on_alarm);
	pl_ok(sigaction(SIGRTMIN + 3, &sa, NULL));
	pl_ok(setitimer(ITIMER_REAL, &far, NULL));
	pl_ok(setitimer(ITIMER_VIRTUAL, &virt, NULL));
	ev.sigev_value.sival_int = 11;
	pl_ok(timer_create(CLOCK_MONOTONIC, &ev, &t[0]));
	ev.sigev_value.sival_int = 22;
	pl_ok(timer_create(CLOCK_MONOTONIC, &ev, &t[1]));
	ev.sigev_value.sival_int = 33;
	pl_ok(timer_create(CLOCK_REALTIME, &ev, &t[2]));
	/* A gap in the numbers. */
	pl_ok(timer_delete(t[0]));
	pl_ok(timer_settime(t[1], 0, &ts, NULL));
	ev.sigev_notify = SIGEV_SIGNAL;
	pl_ok(timer_create(CLOCK_MONOTONIC, &ev, &t[0]));
	pl_ok(timer_settime(t[0], 0, &soon, NULL));
	pl_wait();
	pl_ok(getitimer(ITIMER_REAL, &got));
	pl_check(got.it_value.tv_sec > 900 && got.it_value.tv_sec <= 1000);
	pl_eq(got.it_interval.tv_sec, 7);
	pl_eq(got.it_interval.tv_usec, 8000);
	pl_ok(getitimer(ITIMER_VIRTUAL, &got));
	pl_check(got.it_value.tv_sec > 490 && got.it_value.tv_sec <= 500);
	pl_ok(timer_gettime(t[1], &now));
	pl_check(now.it_value.tv_sec > 1900 && now.it_value.tv_sec <= 2000);
	pl_eq(now.it_interval.tv_sec, 3);
	pl_eq(now.it_interval.tv_nsec, 4);
	pl_ok(timer_gettime(t[2], &now));
	pl_eq(now.it_value.tv_sec, 0);
	pl_eq(now.it_value.tv_nsec, 0);
	pl_eq(alarms, 0);
	/* The periodic one goes on. */
	before = rts;
	for (int i = 0; i < 50 && rts < before + 3; i++)
		usleep(20000);
	pl_check(rts >= before + 3);
	pl_eq(rt_value, 33);
	pl_ok(timer_delete(t[0]));
	pl_ok(timer_delete(t[1]));
	pl_ok(timer_delete(t[2]));
	return pl_pass();
}
