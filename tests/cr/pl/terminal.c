/* SPDX-License-Identifier: BSD-2-Clause
 * A pseudo-terminal: unread data in both directions, settings, size, and a
 * session of which it is the controlling terminal. */
#include <sys/ioctl.h>
#include <termios.h>

#include "payload.h"

int
main(int argc, char **argv)
{
	struct winsize ws = {.ws_row = 33, .ws_col = 77}, w2;
	struct termios t, t2;
	int m, s, m2, go[2], up[2];
	char name[64], buf[64];
	pid_t pid;
	char c;

	pl_init(argc, argv);
	m = pl_ok(posix_openpt(O_RDWR | O_NOCTTY));
	pl_ok(grantpt(m));
	pl_ok(unlockpt(m));
	pl_eq(ptsname_r(m, name, sizeof(name)), 0);
	s = pl_ok(open(name, O_RDWR | O_NOCTTY));
	m2 = pl_ok(dup(m));
	pl_ok(tcgetattr(s, &t));
	t.c_lflag &= (tcflag_t) ~(ECHO);
	t.c_oflag &= (tcflag_t) ~(OPOST);
	t.c_cc[VINTR] = 7;
	pl_ok(tcsetattr(s, TCSANOW, &t));
	pl_ok(ioctl(m, TIOCSWINSZ, &ws));
	pl_ok(pipe(go));
	pl_ok(pipe(up));
	pid = pl_ok(fork());
	if (pid == 0) {
		close(go[1]);
		close(m);
		close(m2);
		close(s);
		pl_ok(setsid());
		s = pl_ok(open(name, O_RDWR));
		pl_ok(ioctl(s, TIOCSCTTY, 0));
		pl_eq(write(up[1], "u", 1), 1);
		pl_eq(read(go[0], &c, 1), 1);
		pl_eq(tcgetsid(s), getsid(0));
		pl_eq(tcgetpgrp(s), getpid());
		close(s);
		s = pl_ok(open("/dev/tty", O_RDWR));
		/* Two lines and a part. */
		pl_eq(read(s, buf, sizeof(buf)), 4);
		pl_check(memcmp(buf, "one\n", 4) == 0);
		pl_eq(read(s, buf, sizeof(buf)), 4);
		pl_check(memcmp(buf, "two\n", 4) == 0);
		pl_eq(read(s, buf, sizeof(buf)), 8);
		pl_check(memcmp(buf, "partial\n", 8) == 0);
		pl_eq(write(s, "bye", 3), 3);
		_exit(0);
	}
	pl_eq(read(up[0], &c, 1), 1);
	pl_eq(write(m, "one\ntwo\npart", 12), 12);
	pl_eq(write(s, "output\n", 7), 7);
	pl_wait();
	pl_ok(tcgetattr(s, &t2));
	pl_eq(t2.c_lflag, t.c_lflag);
	pl_eq(t2.c_oflag, t.c_oflag);
	pl_eq(t2.c_iflag, t.c_iflag);
	pl_eq(t2.c_cc[VINTR], 7);
	pl_ok(ioctl(s, TIOCGWINSZ, &w2));
	pl_check(w2.ws_row == 33 && w2.ws_col == 77);
	pl_eq(ptsname_r(m2, buf, sizeof(buf)), 0);
	pl_check(strcmp(buf, name) == 0);
	pl_eq(read(m2, buf, sizeof(buf)), 7);
	pl_check(memcmp(buf, "output\n", 7) == 0);
	pl_eq(write(m, "ial\n", 4), 4);
	pl_eq(write(go[1], "x", 1), 1);
	pl_eq(read(m, buf, 3), 3);
	pl_check(memcmp(buf, "bye", 3) == 0);
	pl_join(pid);
	return pl_pass();
}
