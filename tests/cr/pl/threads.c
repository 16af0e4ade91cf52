/* SPDX-License-Identifier: BSD-2-Clause
 * Threads: numbers, names, thread-local storage, masks, alternate stacks; some
 * blocked in a futex, some busy, one that waits in a condition. */
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "payload.h"

#define N 16

static __thread int mine;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile int go, busy_stop, up;
static int tids[N];

static void *
worker(void *arg)
{
	int i = (int)(intptr_t)arg, tid = (int)syscall(SYS_gettid);
	char name[16], got[16];
	static char stacks[N][32768];
	stack_t ss = {.ss_sp = stacks[i], .ss_size = sizeof(stacks[i])}, was;
	sigset_t set, now;
	volatile double x = i;

	mine = i * 1000;
	tids[i] = tid;
	snprintf(name, sizeof(name), "worker-%d", i);
	pl_ok(prctl(PR_SET_NAME, name));
	pl_ok(sigaltstack(&ss, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + i);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_mutex_lock(&lock);
	up++;
	pthread_mutex_unlock(&lock);
	if (i % 4 == 0) {
		while (!busy_stop)
			x = x * 1.0000001 + 0.1;
	} else {
		pthread_mutex_lock(&lock);
		while (!go)
			pthread_cond_wait(&cond, &lock);
		pthread_mutex_unlock(&lock);
	}
	pl_eq(mine, i * 1000);
	pl_eq(syscall(SYS_gettid), tid);
	pl_ok(prctl(PR_GET_NAME, got));
	pl_check(strcmp(name, got) == 0);
	pl_ok(sigaltstack(NULL, &was));
	pl_check(was.ss_sp == ss.ss_sp && was.ss_size == ss.ss_size);
	pthread_sigmask(SIG_BLOCK, NULL, &now);
	for (int s = 0; s < N; s++)
		pl_eq(sigismember(&now, SIGRTMIN + s), s == i);
	return arg;
}

int
main(int argc, char **argv)
{
	pthread_t t[N];
	void *ret;

	pl_init(argc, argv);
	mine = -1;
	for (int i = 0; i < N; i++)
		pl_eq(pthread_create(&t[i], NULL, worker, (void *)(intptr_t)i),
		    0);
	for (;;) {
		pthread_mutex_lock(&lock);
		if (up == N)
			break;
		pthread_mutex_unlock(&lock);
		sched_yield();
	}
	pthread_mutex_unlock(&lock);
	pl_wait();
	pl_eq(mine, -1);
	for (int i = 0; i < N; i++)
		pl_eq(syscall(SYS_tgkill, getpid(), tids[i], 0), 0);
	busy_stop = 1;
	pthread_mutex_lock(&lock);
	go = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < N; i++) {
		pl_eq(pthread_join(t[i], &ret), 0);
		pl_eq((intptr_t)ret, i);
	}
	return pl_pass();
}
