/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/term.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "sys/pidfd.h"

void
core_raw_begin(struct core_raw *r, int fd)
{
	struct termios t;

	*r = (struct core_raw){.fd = fd};
	if (tcgetattr(fd, &r->saved) < 0)
		return;
	t = r->saved;
	cfmakeraw(&t);
	r->on = tcsetattr(fd, TCSANOW, &t) == 0;
}

void
core_raw_end(struct core_raw *r)
{
	if (r->on)
		(void)tcsetattr(r->fd, TCSADRAIN, &r->saved);
	r->on = false;
}

struct run {
	int master, pidfd, in, out;
	bool in_tty, in_open, master_open;
	char last; /* byte that was written to the master */
	char buf[4096];
	size_t off, len; /* of what is still to be written there */
};

static void
pass_signal(struct run *t, int sfd)
{
	struct signalfd_siginfo si;
	struct winsize ws;

	if (read(sfd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo != SIGWINCH)
		(void)sys_pidfd_signal(t->pidfd, (int)si.ssi_signo);
	else if (ioctl(t->in, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(t->master, TIOCSWINSZ, &ws);
}

/* The end of a file is no character: a program that reads lines is told by
 * the one that the terminal has for it. */
static void
end_input(struct run *t)
{
	struct termios tio;

	t->in_open = false;
	if (tcgetattr(t->master, &tio) < 0 || (tio.c_lflag & ICANON) == 0)
		return;
	t->buf[0] = t->buf[1] = (char)tio.c_cc[VEOF];
	t->off = 0;
	/* Once more where the first only ends the line. */
	t->len = t->last == '\n' || t->last == '\0' ? 1 : 2;
}

static void
take_input(struct run *t)
{
	ssize_t n = read(t->in, t->buf, sizeof(t->buf));

	if (n > 0) {
		t->off = 0;
		t->len = (size_t)n;
		t->last = t->buf[n - 1];
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		end_input(t);
	}
}

static void
give_input(struct run *t)
{
	ssize_t n = write(t->master, t->buf + t->off, t->len - t->off);

	if (n > 0)
		t->off += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		t->off = t->len; /* nobody is there */
}

/* False: nothing (more) to be read. */
static bool
copy_output(struct run *t)
{
	char b[16384];
	ssize_t n = read(t->master, b, sizeof(b));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { /* EIO: no slave is open */
		t->master_open = false;
		return false;
	}
	(void)fd_write_all(t->out, b, (size_t)n);
	return true;
}

static int
loop(struct run *t, int sfd)
{
	for (;;) {
		bool pending = t->off < t->len;
		struct pollfd p[] = {
		    {.fd = t->pidfd, .events = POLLIN},
		    {.fd = sfd, .events = POLLIN},
		    {.fd = t->master_open ? t->master : -1,
			.events = (short)(POLLIN | (pending ? POLLOUT : 0))},
		    {.fd = t->in_open && !pending ? t->in : -1,
			.events = POLLIN},
		};

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return -errno;
		if (p[1].revents != 0)
			pass_signal(t, sfd);
		if ((p[2].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			(void)copy_output(t);
		if ((p[2].revents & POLLOUT) != 0 && pending)
			give_input(t);
		if (p[3].revents != 0)
			take_input(t);
		if (p[0].revents != 0)
			break;
	}
	while (t->master_open && copy_output(t))
		;
	return 0;
}

int
core_term_run(int master, int pidfd, int fd_in, int fd_out, struct vps_err *e)
{
	struct run t = {.master = master,
	    .pidfd = pidfd,
	    .in = fd_in,
	    .out = fd_out,
	    .in_open = true,
	    .master_open = true};
	auto_close int sfd = -1;
	struct core_raw raw;
	sigset_t set, old;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGQUIT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	/* O_NONBLOCK belongs to the description, which others share: the holder
	 * and the keeper never read it. */
	(void)fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	core_raw_begin(&raw, fd_in);
	r = sfd < 0 ? -errno : loop(&t, sfd);
	core_raw_end(&raw);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? vps_err_set(e, r, "connect the terminal") : 0;
}
