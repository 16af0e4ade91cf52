/* SPDX-License-Identifier: BSD-2-Clause
 * The least that a process can be. */
#include "payload.h"

int
main(int argc, char **argv)
{
	pid_t pid = getpid(), sid = getsid(0);

	pl_init(argc, argv);
	pl_wait();
	pl_eq(getpid(), pid);
	pl_eq(getsid(0), sid);
	pl_eq(getppid(), 1);
	return pl_pass();
}
