/* SPDX-License-Identifier: BSD-2-Clause
 * A lease can't be carried: refused by name, and still there.
 * @cr refused=lease */
#include "payload.h"

int
main(int argc, char **argv)
{
	int fd;

	pl_init(argc, argv);
	fd = pl_ok(open("f", O_WRONLY | O_CREAT, 0600));
	pl_ok(close(fd));
	fd = pl_ok(open("f", O_RDONLY));
	pl_ok(fcntl(fd, F_SETLEASE, F_RDLCK));
	pl_wait();
	pl_eq(fcntl(fd, F_GETLEASE), F_RDLCK);
	return pl_pass();
}
