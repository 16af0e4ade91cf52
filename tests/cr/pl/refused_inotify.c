/* SPDX-License-Identifier: BSD-2-Clause
 * Events of inotify that are never read can't be made again.
 * @cr refused=events that the program doesn't read */
#include <sys/inotify.h>

#include "payload.h"

int
main(int argc, char **argv)
{
	char b[300] __attribute__((aligned(8)));
	int fd;

	pl_init(argc, argv);
	fd = pl_ok(inotify_init1(IN_NONBLOCK));
	pl_ok(inotify_add_watch(fd, ".", IN_CREATE));
	pl_ok(mkdir("sub", 0700));
	pl_wait();
	pl_check(read(fd, b, sizeof(b)) > 0);
	pl_check(read(fd, b, sizeof(b)) < 0);
	return pl_pass();
}
