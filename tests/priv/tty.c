/* SPDX-License-Identifier: BSD-2-Clause
 * Pseudo-terminals: unread data, state, sessions; a dumper killed at any step.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "kindtest.h"
#include "kindtest_i.h"
#include "restore/tty.h"
#include "sys/pty.h"
#include "sys/ttyq.h"

static int
at(int fd, int num)
{
	int r;

	if (fd < 0 || fd == num)
		return fd;
	r = dup2(fd, num);
	(void)close(fd);
	return r;
}

static int
pty_at(int master, int slave)
{
	int m = at(sys_pty_open(AT_FDCWD, "/dev/pts/ptmx", NULL), master);

	if (m != master)
		return -1;
	return at(sys_pty_slave(m, O_RDWR | O_NOCTTY), slave) == slave ? 0 : -1;
}

static int
is_ready(int fd, short ev)
{
	struct pollfd p = {.fd = fd, .events = ev};

	return poll(&p, 1, 0) < 0 ? 0 : p.revents & ev;
}

static int
settled(int fd, short ev, int want)
{
	for (int i = 0; i < 1000; i++) {
		if (!is_ready(fd, ev) == !want)
			return 1;
		(void)usleep(1000);
	}
	return 0;
}

static int
put(int fd, const char *s)
{
	return write(fd, s, strlen(s)) == (ssize_t)strlen(s);
}

static int
got_n(int fd, const void *want, size_t len)
{
	char buf[8192];
	ssize_t n;

	if (!is_ready(fd, POLLIN)) {
		fprintf(stderr, "fd %d: nothing to read\n", fd);
		return 0;
	}
	n = read(fd, buf, sizeof(buf));
	if (n == (ssize_t)len && memcmp(buf, want, len) == 0)
		return 1;
	fprintf(stderr, "fd %d: %zd \"%.*s\", not \"%.*s\"\n", fd, n,
	    n > 0 ? (int)n : 0, buf, (int)len, (const char *)want);
	return 0;
}

static int
got(int fd, const char *want)
{
	return got_n(fd, want, strlen(want));
}

static int
tune(int fd, unsigned iflag, unsigned oflag, unsigned lflag)
{
	struct termios2 t;

	if (ioctl(fd, TCGETS2, &t) < 0)
		return -1;
	t.c_iflag = iflag;
	t.c_oflag = oflag;
	t.c_lflag = lflag;
	return ioctl(fd, TCSETS2, &t);
}

/* canonical: lines, ends of file, literal characters, a partial line */

static int
canon_fill(int master, int slave)
{
	KT_ASSERT(tune(slave, ICRNL | IXON, OPOST | ONLCR,
		      ICANON | ISIG | IEXTEN) == 0);
	KT_ASSERT(put(master, "line 1\rli") && put(master, "ne 2\n"));
	KT_ASSERT(put(master, "abc\x04") && put(master, "\x16\x03\x16\n"
							"x\n"));
	KT_ASSERT(put(master, "\x16\x16\x16\x01\x16\x02\x16\x04\n"));
	KT_ASSERT(put(master, "\x04part"));
	KT_ASSERT(put(slave, "output\nmore\n"));
	return 0;
}

static int
canon_look(int master, int slave)
{
	KT_ASSERT(got(slave, "line 1\n") && got(slave, "line 2\n"));
	KT_ASSERT(got(slave, "abc"));
	KT_ASSERT(got(slave, "\x03\nx\n") && got(slave, "\x16\x01\x02\x04\n"));
	KT_ASSERT(got(slave, "") && !is_ready(slave, POLLIN));
	KT_ASSERT(put(master, "ial\r") && settled(slave, POLLIN, 1));
	KT_ASSERT(got(slave, "partial\n"));
	KT_ASSERT(got(master, "output\r\nmore\r\n"));
	KT_ASSERT(!is_ready(master, POLLIN));
	KT_ASSERT(put(slave, "z\n") && settled(master, POLLIN, 1));
	KT_ASSERT(got(master, "z\r\n"));
	return 0;
}

static int
canon_setup(void *sh)
{
	struct winsize ws = {40, 100, 3, 4};
	struct termios2 t;

	(void)sh;
	KT_ASSERT(pty_at(10, 11) == 0 && dup2(10, 12) == 12);
	KT_ASSERT(canon_fill(10, 11) == 0);
	KT_ASSERT(ioctl(11, TIOCSWINSZ, &ws) == 0);
	KT_ASSERT(ioctl(11, TCGETS2, &t) == 0);
	t.c_cc[VERASE] = 8;
	t.c_cflag = (t.c_cflag & ~(unsigned)CBAUD) | BOTHER;
	t.c_ospeed = t.c_ispeed = 12345;
	KT_ASSERT(ioctl(11, TCSETS2, &t) == 0);
	KT_ASSERT(fchown(11, 33, 44) == 0 && fchmod(11, 0622) == 0);
	KT_ASSERT(fcntl(10, F_SETFL, O_NONBLOCK) == 0);
	return 0;
}

static int
canon_verify(void *sh)
{
	struct winsize ws;
	struct termios2 t;
	struct stat st;
	char c;

	(void)sh;
	KT_ASSERT(ioctl(11, TIOCGWINSZ, &ws) == 0);
	KT_ASSERT(ws.ws_row == 40 && ws.ws_col == 100 && ws.ws_ypixel == 4);
	KT_ASSERT(ioctl(11, TCGETS2, &t) == 0 && t.c_cc[VERASE] == 8);
	KT_ASSERT(t.c_ospeed == 12345);
	KT_ASSERT(fstat(11, &st) == 0 && st.st_uid == 33 && st.st_gid == 44 &&
		  (st.st_mode & 07777) == 0622);
	KT_ASSERT(canon_look(12, 11) == 0);
	KT_ASSERT(read(12, &c, 1) < 0 && errno == EAGAIN);
	KT_ASSERT(close(10) == 0);
	KT_ASSERT(put(12, "y\n") && settled(11, POLLIN, 1) && got(11, "y\n"));
	/* no descriptor of ours keeps it alive */
	KT_ASSERT(close(12) == 0 && is_ready(11, POLLHUP));
	return 0;
}

static int
test_canon(void)
{
	return kt_simple(canon_setup, canon_verify);
}

/* raw: all bytes, a lot of them; slave closed; hung up */

static void
all_bytes(uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b[i] = (uint8_t)(i * 7 + i / 256);
}

static int
raw_setup(void *sh)
{
	uint8_t b[3000];

	(void)sh;
	all_bytes(b, sizeof(b));
	KT_ASSERT(pty_at(10, 11) == 0 && tune(11, 0, 0, 0) == 0);
	KT_ASSERT(write(10, b, sizeof(b)) == sizeof(b));
	KT_ASSERT(write(11, b, sizeof(b)) == sizeof(b));
	KT_ASSERT(pty_at(12, 13) == 0 && tune(13, 0, 0, ICANON) == 0);
	KT_ASSERT(put(13, "last") && close(13) == 0);
	KT_ASSERT(pty_at(14, 15) == 0 && close(14) == 0);
	return 0;
}

static int
raw_verify(void *sh)
{
	uint8_t b[3000];
	char c;

	(void)sh;
	all_bytes(b, sizeof(b));
	KT_ASSERT(got_n(11, b, sizeof(b)) && got_n(10, b, sizeof(b)));
	KT_ASSERT(got(12, "last"));
	KT_ASSERT(read(12, &c, 1) < 0 && errno == EIO);
	KT_ASSERT(is_ready(15, POLLHUP) && read(15, &c, 1) == 0);
	KT_ASSERT(write(15, "x", 1) < 0 && errno == EIO);
	return 0;
}

static int
test_raw(void)
{
	return kt_simple(raw_setup, raw_verify);
}

/* output stopped by ^S, by TCOOFF; packet mode; exclusive; numbers */

static int
state_setup(void *sh)
{
	unsigned *num = sh;
	int one = 1;

	KT_ASSERT(pty_at(20, 21) == 0); /* a hole below */
	KT_ASSERT(pty_at(10, 11) == 0 && pty_at(12, 13) == 0);
	KT_ASSERT(tune(11, IXON, 0, ICANON) == 0 && put(10, "in\n"));
	KT_ASSERT(put(11, "before") && put(10, "\x13"));
	KT_ASSERT(settled(11, POLLOUT, 0));
	KT_ASSERT(tune(13, IXON, 0, ICANON) == 0);
	KT_ASSERT(ioctl(13, TCXONC, TCOOFF) == 0);
	KT_ASSERT(pty_at(14, 15) == 0 && tune(15, 0, 0, 0) == 0);
	KT_ASSERT(put(15, "pkt") && ioctl(14, TIOCPKT, &one) == 0);
	KT_ASSERT(ioctl(15, TIOCEXCL) == 0);
	KT_ASSERT(ioctl(14, TIOCGPTN, num) == 0);
	KT_ASSERT(close(20) == 0 && close(21) == 0);
	return 0;
}

static int
state_verify(void *sh)
{
	unsigned *num = sh, now;
	int v = 0;

	KT_ASSERT(ioctl(14, TIOCGPTN, &now) == 0 && now == *num);
	KT_ASSERT(!is_ready(11, POLLOUT) && !is_ready(13, POLLOUT));
	KT_ASSERT(got(10, "before") && got(11, "in\n"));
	KT_ASSERT(put(10, "\x11") && settled(11, POLLOUT, 1));
	KT_ASSERT(put(12, "\x11") && !settled(13, POLLOUT, 1));
	KT_ASSERT(ioctl(13, TCXONC, TCOON) == 0 && is_ready(13, POLLOUT));
	KT_ASSERT(got_n(14, "\0pkt", 4));
	KT_ASSERT(ioctl(15, 0x80045440 /* TIOCGEXCL */, &v) == 0 && v == 1);
	return 0;
}

static int
test_state(void)
{
	return kt_simple(state_setup, state_verify);
}

/* a controlling terminal, through /dev/tty too; the master is held outside */

static int
session_setup(void *sh)
{
	unsigned *num = sh;
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/pts/%u", *num);
	KT_ASSERT(setsid() > 0);
	KT_ASSERT(at(open(path, O_RDWR), 10) == 10);
	KT_ASSERT(tcgetpgrp(10) == getpid());
	fd = open("/dev/tty", O_RDWR);
	KT_ASSERT(at(fd, 11) == 11);
	return 0;
}

static int
do_setsid(void *sh)
{
	(void)sh;
	return setsid() < 0 ? -1 : 0;
}

static int
session_verify(void *sh)
{
	unsigned *num = sh, dev;
	int fd;

	KT_ASSERT(tcgetpgrp(10) == getpid() && getsid(0) == getpid());
	fd = open("/dev/tty", O_RDWR);
	KT_ASSERT(fd >= 0 && ioctl(fd, TIOCGDEV, &dev) == 0);
	KT_ASSERT((dev & 0xff) == *num && ioctl(11, TIOCGDEV, &dev) == 0);
	KT_ASSERT((dev & 0xff) == *num);
	KT_ASSERT(got(10, "typed\n") && put(11, "shown"));
	return 0;
}

static int
test_session(void)
{
	struct kt *kt = kt_new();
	unsigned *num = kt_shared(kt);
	struct sys_rcalls c;
	struct vps_err e = {0};
	pid_t pid = kt_spawn(kt);
	int master, got_back, r;
	char text[64];
	ssize_t len;

	master = sys_pty_open(AT_FDCWD, "/dev/pts/ptmx", (int *)num);
	kt->ext = master;
	r = kt_run(kt, pid, session_setup);
	KT_ASSERT(r == 0);
	KT_ASSERT(put(master, "typed\n"));
	KT_ASSERT(kt_check(kt) == 0 && kt_dump(kt) == 0);
	kt->ext = 0;
	kt_kill(kt);
	KT_ASSERT(close(master) == 0);
	KT_ASSERT(kt_restore_procs(kt) == 0);
	KT_ASSERT(kt_run(kt, pid, do_setsid) == 0);
	KT_ASSERT(rst_tty_make(KT_RST(kt), *num, &e) == 0);
	KT_ASSERT(sys_rcalls_init(&c) == 0);
	rst_tty_ctty(&c, *num);
	rst_tty_group(&c, *num, pid);
	KT_ASSERT(rst_remote(KT_RST(kt), pid, &c, &e) == 0);
	sys_rcalls_fini(&c);
	/* The holder gets its master before the builder lets go of it. */
	got_back = fcntl(rst_tty_master(KT_RST(kt), *num), F_DUPFD_CLOEXEC, 3);
	KT_ASSERT(got_back >= 0);
	KT_ASSERT(kt_restore_files(kt) == 0);
	KT_ASSERT(kt_run(kt, pid, session_verify) == 0);
	/* They may come in one or two reads. */
	KT_ASSERT(settled(got_back, POLLIN, 1));
	len = read(got_back, text, sizeof(text));
	if (len > 0 && (size_t)len < strlen("typed\r\nshown")) {
		KT_ASSERT(settled(got_back, POLLIN, 1));
		len += read(got_back, text + len, sizeof(text) - (size_t)len);
	}
	KT_ASSERT(len == 12 && memcmp(text, "typed\r\nshown", 12) == 0);
	KT_ASSERT(close(got_back) == 0);
	kt_free(kt);
	return 0;
}

/* a terminal of which nobody inside holds the other end */

static int
test_outside(void)
{
	struct kt *kt = kt_new();
	unsigned *num = kt_shared(kt);
	pid_t pid = kt_spawn(kt);
	int master = sys_pty_open(AT_FDCWD, "/dev/pts/ptmx", (int *)num);
	int r = kt_run(kt, pid, session_setup);

	KT_ASSERT(r == 0);
	fprintf(stderr, "# an error follows, it is expected\n");
	r = kt_dump(kt) < 0 ? 0 : -1;
	(void)close(master);
	kt_free(kt);
	return r;
}

/* the dumper is killed at each of its steps */

static int kill_at;

static void
maybe_die(int n)
{
	if (n == kill_at)
		(void)kill(getpid(), SIGKILL);
}

static int
of_holder(void *arg, int num)
{
	(void)num;
	return fcntl(*(int *)arg, F_DUPFD_CLOEXEC, 3);
}

static int
dumper(int dir, int master)
{
	struct sys_ttyq *q;

	if (sys_ttyq_new(dir, "tty-0", &q) < 0)
		return 1;
	q->step = maybe_die;
	if (sys_ttyq_drain(q, master) < 0 || sys_ttyq_put(q, master) < 0)
		return 2;
	return 0;
}

static int
kill_loop(int dir, int (*fill)(int, int), int (*look)(int, int))
{
	int master, slave, st = -1, died = 0;
	struct termios2 a, b;

	for (kill_at = 0; st != 0; kill_at++) {
		pid_t pid;

		master = sys_pty_open(AT_FDCWD, "/dev/pts/ptmx", NULL);
		slave = sys_pty_slave(master, O_RDWR | O_NOCTTY);
		KT_ASSERT(
		    master >= 0 && slave >= 0 && fill(master, slave) == 0);
		KT_ASSERT(ioctl(slave, TCGETS2, &a) == 0);
		pid = fork();
		if (pid == 0)
			_exit(dumper(dir, master));
		KT_ASSERT(waitpid(pid, &st, 0) == pid);
		KT_ASSERT(st == 0 || (WIFSIGNALED(st) && WTERMSIG(st) == 9));
		died += st != 0;
		KT_ASSERT(sys_ttyq_undo(dir, "tty-0", of_holder, &master) == 0);
		KT_ASSERT(ioctl(slave, TCGETS2, &b) == 0);
		if (memcmp(&a, &b, sizeof(a)) != 0 || look(master, slave) < 0) {
			fprintf(stderr, "killed at step %d\n", kill_at);
			return -1;
		}
		(void)close(slave);
		(void)close(master);
	}
	KT_ASSERT(died > 15);
	return 0;
}

static int
raw_fill(int master, int slave)
{
	int one = 1;

	KT_ASSERT(tune(slave, 0, 0, 0) == 0);
	KT_ASSERT(put(master, "some\x13\x11\x03raw") && put(slave, "out"));
	KT_ASSERT(ioctl(master, TIOCPKT, &one) == 0);
	return ioctl(slave, TCXONC, TCOOFF);
}

static int
raw_look(int master, int slave)
{
	KT_ASSERT(got(slave, "some\x13\x11\x03raw"));
	KT_ASSERT(got_n(master, "\0out", 4) && !is_ready(slave, POLLOUT));
	return 0;
}

static int
test_killed(void)
{
	char path[] = "/tmp/vps-tty-XXXXXX";
	auto_close int dir = -1;
	int r;

	KT_ASSERT(mkdtemp(path) != NULL);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = kill_loop(dir, canon_fill, canon_look);
	if (r == 0)
		r = kill_loop(dir, raw_fill, raw_look);
	(void)unlinkat(dir, "tty-0", 0);
	(void)rmdir(path);
	return r;
}

/* A devpts of our own, so that nobody else takes or frees numbers. */
static int
own_devpts(void)
{
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("devpts", "/dev/pts", "devpts", 0,
		"newinstance,ptmxmode=0666") < 0)
		return -errno;
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct kt_test tests[] = {
	    {"canon", test_canon},
	    {"raw", test_raw},
	    {"state", test_state},
	    {"session", test_session},
	    {"outside", test_outside},
	    {"killed", test_killed},
	};

	if (own_devpts() < 0) {
		perror("devpts");
		return 1;
	}
	return kt_main(tests, ARRAY_LEN(tests), argc > 1 ? argv[1] : NULL);
}
