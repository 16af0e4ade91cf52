/* SPDX-License-Identifier: BSD-2-Clause
 * What a shell does with a terminal: a foreground job, one in the background,
 * a member without the terminal, output stopped by ^S. */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "payload.h"

static volatile sig_atomic_t ints;

static void
on_int(int sig)
{
	(void)sig;
	ints++;
}

/* A job: tells when it is there, then how often ^C came and whether it has the
 * terminal. */
static pid_t
job(int up, int go, bool notty)
{
	pid_t pid = pl_ok(fork());
	char c, say[2];
	int fd;

	if (pid != 0)
		return pid;
	pl_ok(setpgid(0, 0));
	signal(SIGINT, on_int);
	if (notty) {
		fd = pl_ok(open("/dev/tty", O_RDWR));
		pl_ok(ioctl(fd, TIOCNOTTY));
		close(fd);
	}
	pl_eq(write(up, "r", 1), 1);
	while (read(go, &c, 1) < 0)
		pl_eq(errno, EINTR);
	fd = open("/dev/tty", O_RDWR);
	say[0] = (char)('0' + ints);
	say[1] = fd < 0 ? 'n' : 'y';
	pl_eq(write(up, say, 2), 2);
	_exit(0);
}

static void
shell(const char *tty, int up, int go)
{
	int u[3][2], g[3][2], s;
	pid_t pid[3];
	char c, say[2];

	pl_ok(setsid());
	s = pl_ok(open(tty, O_RDWR));
	signal(SIGTTOU, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		pl_ok(pipe(u[i]));
		pl_ok(pipe(g[i]));
		pid[i] = job(u[i][1], g[i][0], i == 2);
		pl_eq(read(u[i][0], &c, 1), 1);
	}
	pl_ok(tcsetpgrp(s, pid[0]));
	pl_eq(write(up, "r", 1), 1);
	pl_eq(read(go, &c, 1), 1);
	pl_eq(tcgetpgrp(s), pid[0]);
	pl_eq(tcgetsid(s), getpid());
	for (int i = 0; i < 3; i++) {
		pl_eq(write(g[i][1], "x", 1), 1);
		pl_eq(read(u[i][0], say, 2), 2);
		/* ^C reached the foreground job, and only it. */
		pl_eq(say[0], i == 0 ? '1' : '0');
		pl_eq(say[1], i == 2 ? 'n' : 'y');
		pl_join(pid[i]);
	}
	_exit(0);
}

static bool
writable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1;
}

int
main(int argc, char **argv)
{
	int m, s, up[2], go[2];
	struct termios t;
	char tty[64], c;
	pid_t pid;

	pl_init(argc, argv);
	m = pl_ok(posix_openpt(O_RDWR | O_NOCTTY));
	pl_ok(unlockpt(m));
	pl_eq(ptsname_r(m, tty, sizeof(tty)), 0);
	s = pl_ok(open(tty, O_RDWR | O_NOCTTY));
	pl_ok(tcgetattr(s, &t));
	t.c_lflag &= (tcflag_t)~ECHO;
	pl_ok(tcsetattr(s, TCSANOW, &t));
	pl_ok(pipe(up));
	pl_ok(pipe(go));
	pid = pl_ok(fork());
	if (pid == 0)
		shell(tty, up[1], go[0]);
	pl_eq(read(up[0], &c, 1), 1);
	pl_eq(write(m, "\x13", 1), 1);
	while (writable(s))
		usleep(1000);
	pl_wait();
	pl_check(!writable(s));
	pl_eq(write(m, "\x11\x03", 2), 2);
	while (!writable(s))
		usleep(1000);
	usleep(50000); /* for the signal */
	pl_eq(write(go[1], "x", 1), 1);
	pl_join(pid);
	return pl_pass();
}
