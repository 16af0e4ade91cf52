/* SPDX-License-Identifier: BSD-2-Clause
 * A FIFO with data in it, open for reading and writing as init's is; files of
 * /proc held open; the devices that an instance has. */
#include "payload.h"

int
main(int argc, char **argv)
{
	int f, w, stat_fd, self, nul, zero, rnd;
	char buf[4096];
	ssize_t n;

	pl_init(argc, argv);
	(void)unlink("fifo");
	pl_ok(mkfifo("fifo", 0600));
	f = pl_ok(open("fifo", O_RDWR | O_NONBLOCK));
	w = pl_ok(open("fifo", O_WRONLY));
	pl_eq(write(w, "queued", 6), 6);
	stat_fd = pl_ok(open("/proc/stat", O_RDONLY));
	self = pl_ok(open("/proc/self/status", O_RDONLY));
	pl_eq(read(self, buf, 5), 5);
	nul = pl_ok(open("/dev/null", O_RDWR));
	zero = pl_ok(open("/dev/zero", O_RDONLY));
	rnd = pl_ok(open("/dev/urandom", O_RDONLY));
	pl_wait();
	pl_eq(read(f, buf, sizeof(buf)), 6);
	pl_check(memcmp(buf, "queued", 6) == 0);
	pl_eq(read(f, buf, 1), -1);
	pl_eq(errno, EAGAIN);
	pl_eq(write(w, "x", 1), 1);
	pl_eq(read(f, buf, 1), 1);
	n = pl_ok(pread(stat_fd, buf, sizeof(buf), 0));
	pl_check(n > 10 && memcmp(buf, "cpu", 3) == 0);
	pl_eq(lseek(self, 0, SEEK_CUR), 5);
	n = pl_ok(pread(self, buf, sizeof(buf) - 1, 0));
	buf[n] = '\0';
	pl_check(strstr(buf, "Name:\tfifo") != NULL);
	pl_eq(write(nul, "x", 1), 1);
	pl_eq(read(nul, buf, 1), 0);
	buf[0] = 1;
	pl_eq(read(zero, buf, 1), 1);
	pl_eq(buf[0], 0);
	pl_eq(read(rnd, buf, 16), 16);
	return pl_pass();
}
