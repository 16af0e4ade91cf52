/* SPDX-License-Identifier: BSD-2-Clause
 * Pipes with data in them, one shared by two processes, one non-blocking, one
 * whose writer is gone, and a blocked reader. */
#include "payload.h"

int
main(int argc, char **argv)
{
	char buf[9000], got[9000];
	int a[2], b[2], c[2], d[2], sz;
	pid_t reader, sharer;

	pl_init(argc, argv);
	pl_fill(buf, sizeof(buf), 1);
	pl_ok(pipe2(a, O_NONBLOCK));
	pl_eq(write(a[1], buf, sizeof(buf)), sizeof(buf));
	sz = pl_ok(fcntl(a[1], F_SETPIPE_SZ, 128 * 1024));
	pl_ok(pipe(b));
	pl_eq(write(b[1], buf, 100), 100);
	close(b[1]);
	pl_ok(pipe(c));
	pl_ok(pipe(d));
	reader = pl_ok(fork());
	if (reader == 0) {
		close(c[1]);
		pl_eq(read(c[0], got, 10), 3);
		pl_check(memcmp(got, "abc", 3) == 0);
		pl_eq(read(c[0], got, 10), 0);
		_exit(0);
	}
	close(c[0]);
	sharer = pl_ok(fork());
	if (sharer == 0) {
		close(c[1]);
		for (;;)
			pause();
	}
	pl_wait();
	pl_eq(fcntl(a[1], F_GETPIPE_SZ), sz);
	pl_check((fcntl(a[0], F_GETFL) & O_NONBLOCK) != 0);
	pl_eq(read(a[0], got, sizeof(got)), sizeof(got));
	pl_check(memcmp(buf, got, sizeof(got)) == 0);
	pl_eq(read(a[0], got, 1), -1);
	pl_eq(errno, EAGAIN);
	pl_eq(read(b[0], got, sizeof(got)), 100);
	pl_check(memcmp(buf, got, 100) == 0);
	pl_eq(read(b[0], got, 1), 0);
	pl_eq(write(c[1], "abc", 3), 3);
	close(c[1]);
	pl_join(reader);
	pl_eq(write(d[1], "x", 1), 1);
	close(d[1]);
	pl_ok(kill(sharer, SIGKILL));
	waitpid(sharer, NULL, 0);
	pl_eq(read(d[0], got, 10), 1);
	pl_eq(read(d[0], got, 10), 0);
	return pl_pass();
}
