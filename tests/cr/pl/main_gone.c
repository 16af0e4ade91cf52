/* SPDX-License-Identifier: BSD-2-Clause
 * A process whose first thread has ended while others go on. */
#include <pthread.h>
#include <sys/syscall.h>

#include "payload.h"

static void *
other(void *arg)
{
	char path[64], buf[512];
	FILE *f;
	bool zombie = false;

	/* Until the first thread is a zombie. */
	while (!zombie) {
		snprintf(
		    path, sizeof(path), "/proc/self/task/%d/stat", getpid());
		f = fopen(path, "re");
		pl_check(f != NULL);
		pl_check(fgets(buf, sizeof(buf), f) != NULL);
		fclose(f);
		zombie = strstr(buf, ") Z") != NULL;
	}
	pl_wait();
	pl_check(syscall(SYS_gettid) != getpid());
	f = fopen(path, "re");
	pl_check(f != NULL);
	pl_check(fgets(buf, sizeof(buf), f) != NULL);
	pl_check(strstr(buf, ") Z") != NULL);
	fclose(f);
	exit(pl_pass());
	return arg;
}

int
main(int argc, char **argv)
{
	pthread_t t;
	sigset_t term;

	pl_init(argc, argv);
	pl_eq(pthread_create(&t, NULL, other, NULL), 0);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	pthread_exit(NULL);
}
