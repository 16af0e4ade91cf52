/* SPDX-License-Identifier: BSD-2-Clause
 * File locks: flock (also one whose taker has ended), POSIX and of the open
 * file description. Another process must still be kept out. */
#include <sys/file.h>

#include "payload.h"

static int
try_lock(int cmd, const char *file, short type, off_t at, off_t len)
{
	struct flock l = {
	    .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len};
	int fd = pl_ok(open(file, O_RDWR | O_CREAT, 0600));

	if (fcntl(fd, cmd, &l) < 0)
		return -errno;
	return fd;
}

int
main(int argc, char **argv)
{
	int fl, posix, ofd, left, st, go[2];
	pid_t pid, other;
	char c;

	pl_init(argc, argv);
	fl = pl_ok(open("flock", O_RDWR | O_CREAT, 0600));
	pl_ok(flock(fl, LOCK_EX));
	posix = try_lock(F_SETLK, "posix", F_WRLCK, 10, 20);
	pl_check(posix >= 0);
	ofd = try_lock(F_OFD_SETLK, "ofd", F_RDLCK, 5, 0);
	pl_check(ofd >= 0);
	/* Taken by a child that is gone; held by our copy of the descriptor. */
	left = pl_ok(open("left", O_RDWR | O_CREAT, 0600));
	pid = pl_ok(fork());
	if (pid == 0)
		_exit(flock(left, LOCK_EX) == 0 ? 0 : 1);
	pl_join(pid);
	pl_ok(pipe(go));
	other = pl_ok(fork());
	if (other == 0) {
		close(go[1]);
		close(fl);
		close(posix);
		close(ofd);
		close(left);
		pl_eq(read(go[0], &c, 1), 1);
		fl = pl_ok(open("flock", O_RDWR));
		pl_eq(flock(fl, LOCK_SH | LOCK_NB), -1);
		pl_eq(errno, EWOULDBLOCK);
		left = pl_ok(open("left", O_RDWR));
		pl_eq(flock(left, LOCK_SH | LOCK_NB), -1);
		pl_check(try_lock(F_SETLK, "posix", F_RDLCK, 10, 1) < 0);
		pl_check(try_lock(F_SETLK, "posix", F_RDLCK, 29, 1) < 0);
		pl_check(try_lock(F_SETLK, "posix", F_WRLCK, 30, 1) >= 0);
		pl_check(try_lock(F_SETLK, "posix", F_WRLCK, 0, 10) >= 0);
		pl_check(try_lock(F_SETLK, "ofd", F_RDLCK, 0, 0) >= 0);
		pl_check(try_lock(F_SETLK, "ofd", F_WRLCK, 100, 1) < 0);
		_exit(0);
	}
	close(go[0]);
	pl_wait();
	pl_eq(write(go[1], "x", 1), 1);
	pl_eq(waitpid(other, &st, 0), other);
	pl_eq(st, 0);
	/* Ours to change. */
	pl_ok(flock(fl, LOCK_UN));
	pl_ok(flock(left, LOCK_UN));
	left = pl_ok(open("left", O_RDWR));
	pl_ok(flock(left, LOCK_EX | LOCK_NB));
	return pl_pass();
}
