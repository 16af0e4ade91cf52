/* SPDX-License-Identifier: BSD-2-Clause
 * Pipes that aren't everyday: packets, one description for both ends, full, no
 * reader, FIFOs with and without a name. */
#include "payload.h"

int
main(int argc, char **argv)
{
	int pk[2], both[2], full[2], noread[2], fifo[2], gone;
	char b[65536], path[64];

	pl_init(argc, argv);
	pl_ok(pipe2(pk, O_DIRECT));
	pl_eq(write(pk[1], "one", 3), 3);
	pl_eq(write(pk[1], "three", 5), 5);
	pl_ok(pipe(both));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", both[0]);
	gone = pl_ok(open(path, O_RDWR));
	pl_ok(close(both[0]));
	pl_ok(close(both[1]));
	both[0] = gone;
	pl_eq(write(both[0], "both", 4), 4);
	pl_ok(pipe2(full, O_NONBLOCK));
	pl_fill(b, sizeof(b), 3);
	pl_eq(write(full[1], b, sizeof(b)), sizeof(b));
	pl_eq(write(full[1], b, 1), -1);
	pl_ok(pipe(noread));
	pl_ok(close(noread[0]));
	pl_ok(mkfifo("named", 0600));
	fifo[0] = pl_ok(open("named", O_RDONLY | O_NONBLOCK));
	fifo[1] = pl_ok(open("named", O_WRONLY));
	pl_eq(write(fifo[1], "fifo", 4), 4);
	pl_ok(mkfifo("gone", 0600));
	gone = pl_ok(open("gone", O_RDWR));
	pl_eq(write(gone, "gone", 4), 4);
	pl_ok(unlink("gone"));
	signal(SIGPIPE, SIG_IGN);
	pl_wait();
	pl_check(fcntl(pk[1], F_GETFL) & O_DIRECT);
	pl_eq(read(pk[0], b, 99), 3);
	pl_eq(read(pk[0], b, 99), 5);
	pl_check(memcmp(b, "three", 5) == 0);
	pl_eq(fcntl(both[0], F_GETFL) & O_ACCMODE, O_RDWR);
	pl_eq(read(both[0], b, 99), 4);
	pl_eq(write(both[0], "again", 5), 5);
	pl_eq(read(both[0], b, 99), 5);
	pl_eq(write(full[1], b, 1), -1);
	pl_eq(errno, EAGAIN);
	pl_eq(read(full[0], b, sizeof(b)), sizeof(b));
	pl_check(pl_filled(b, sizeof(b), 3));
	pl_eq(write(noread[1], b, 1), -1);
	pl_eq(errno, EPIPE);
	pl_eq(read(fifo[0], b, 99), 4);
	pl_check(memcmp(b, "fifo", 4) == 0);
	pl_ok(close(fifo[1]));
	pl_eq(read(fifo[0], b, 99), 0);
	fifo[1] = pl_ok(open("named", O_WRONLY | O_NONBLOCK));
	pl_eq(write(fifo[1], "x", 1), 1);
	pl_eq(read(fifo[0], b, 99), 1);
	pl_eq(read(gone, b, 99), 4);
	pl_check(memcmp(b, "gone", 4) == 0);
	pl_eq(access("gone", F_OK), -1);
	return pl_pass();
}
