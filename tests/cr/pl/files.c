/* SPDX-License-Identifier: BSD-2-Clause
 * Open files: offset, flags, a description shared by two descriptors and two
 * processes, one without a name, a directory. */
#include "payload.h"

int
main(int argc, char **argv)
{
	int a, dup_a, app, gone, dir;
	char buf[64];
	struct stat st;
	pid_t pid;

	pl_init(argc, argv);
	a = pl_ok(open("a", O_RDWR | O_CREAT | O_TRUNC, 0640));
	pl_eq(write(a, "0123456789", 10), 10);
	pl_eq(lseek(a, 4, SEEK_SET), 4);
	dup_a = pl_ok(fcntl(a, F_DUPFD_CLOEXEC, 50));
	app = pl_ok(open("a", O_WRONLY | O_APPEND | O_NONBLOCK));
	gone = pl_ok(open("gone", O_RDWR | O_CREAT | O_TRUNC, 0600));
	pl_eq(write(gone, "nameless", 8), 8);
	pl_ok(unlink("gone"));
	dir = pl_ok(open(".", O_RDONLY | O_DIRECTORY));
	pid = pl_ok(fork());
	if (pid == 0) {
		for (;;)
			pause();
	}
	pl_wait();
	pl_eq(dup_a, 50);
	pl_eq(lseek(dup_a, 0, SEEK_CUR), 4);
	pl_eq(fcntl(dup_a, F_GETFD), FD_CLOEXEC);
	pl_eq(fcntl(a, F_GETFD), 0);
	pl_eq(read(dup_a, buf, 2), 2);
	pl_check(memcmp(buf, "45", 2) == 0);
	pl_eq(lseek(a, 0, SEEK_CUR), 6);
	pl_eq(write(app, "ab", 2), 2);
	pl_check((fcntl(app, F_GETFL) & (O_APPEND | O_NONBLOCK)) ==
		 (O_APPEND | O_NONBLOCK));
	pl_eq(lseek(a, 10, SEEK_SET), 10);
	pl_eq(read(a, buf, sizeof(buf)), 2);
	pl_eq(pread(gone, buf, sizeof(buf), 0), 8);
	pl_check(memcmp(buf, "nameless", 8) == 0);
	pl_ok(fstat(gone, &st));
	pl_eq(st.st_nlink, 0);
	pl_eq(access("gone", F_OK), -1);
	pl_ok(fstatat(dir, "a", &st, 0));
	pl_eq(st.st_mode & 07777, 0640);
	pl_ok(kill(pid, SIGKILL));
	waitpid(pid, NULL, 0);
	return pl_pass();
}
