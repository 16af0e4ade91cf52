/* SPDX-License-Identifier: BSD-2-Clause
 * A process that starts others all the time, by posix_spawn: its threads are
 * often where no stop is possible, and processes come and go. */
#include <spawn.h>

#include "payload.h"

int
main(int argc, char **argv)
{
	char arg[] = "child", *child[] = {argv[0], arg, NULL};
	volatile int *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int before, st;
	pid_t pid, p;

	pl_init(argc, argv);
	if (argc > 1)
		return 0;
	pl_check(n != MAP_FAILED);
	pid = pl_ok(fork());
	if (pid == 0) {
		while (n[1] == 0) {
			pl_eq(posix_spawn(&p, "/proc/self/exe", NULL, NULL,
				  child, NULL),
			    0);
			pl_eq(waitpid(p, &st, 0), p);
			pl_eq(st, 0);
			n[0]++;
		}
		_exit(0);
	}
	pl_wait();
	before = n[0];
	for (int i = 0; i < 500 && n[0] < before + 10; i++)
		usleep(10000);
	pl_check(n[0] >= before + 10);
	n[1] = 1;
	pl_join(pid);
	return pl_pass();
}
