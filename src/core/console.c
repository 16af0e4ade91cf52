/* SPDX-License-Identifier: BSD-2-Clause */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "core/control.h"
#include "core/keeper.h"
#include "core/term.h"
#include "sys/unix.h"

struct con {
	int k, in, out;
	char escape;
	int state; /* of the escape sequence: 0, 1 after newline, 2 after it */
};

/* Filters the escape sequence out of what was typed; true: detach. */
static bool
typed(struct con *c, const char *b, size_t n, struct keep_data *d)
{
	size_t i;

	d->n = 0;
	for (i = 0; i < n; i++) {
		if (c->state == 2) {
			if (b[i] == '.')
				return true;
			/* Twice means once. */
			if (b[i] != c->escape)
				d->u.b[d->n++] = c->escape;
			c->state = 0;
		} else if (c->state == 1 && c->escape != 0 &&
			   b[i] == c->escape) {
			c->state = 2;
			continue;
		}
		d->u.b[d->n++] = b[i];
		c->state = b[i] == '\r' || b[i] == '\n';
	}
	return false;
}

static int
input(struct con *c)
{
	struct keep_data d = {.type = KEEP_DATA};
	char b[KEEP_CHUNK / 2];
	ssize_t n = read(c->in, b, sizeof(b));
	bool end;
	int r;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	end = n == 0 || typed(c, b, (size_t)n, &d);
	r = sys_unix_send(c->k, &d, KEEP_DATA_MIN + d.n, NULL, 0);
	return r < 0 ? r : end;
}

static int
output(struct con *c)
{
	struct keep_data d;
	int r = sys_unix_recv(c->k, &d, sizeof(d), NULL);

	if (r < (int)KEEP_DATA_MIN)
		return r < 0 && r != -ECONNRESET ? r : 1;
	if (d.type == KEEP_DATA && d.n <= (size_t)r - KEEP_DATA_MIN)
		return fd_write_all(c->out, d.u.b, d.n);
	return 0;
}

static void
send_size(struct con *c)
{
	struct keep_data d = {.type = KEEP_SIZE};

	if (ioctl(c->in, TIOCGWINSZ, &d.u.ws) == 0)
		(void)sys_unix_send(
		    c->k, &d, KEEP_DATA_MIN + sizeof(d.u.ws), NULL, 0);
}

static int
loop(struct con *c, int sfd)
{
	struct pollfd p[] = {{.fd = c->k, .events = POLLIN},
	    {.fd = c->in, .events = POLLIN}, {.fd = sfd, .events = POLLIN}};
	struct signalfd_siginfo si;
	int r = 0;

	while (r == 0) {
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			return -errno;
		if (p[0].revents != 0)
			r = output(c);
		if (r == 0 && p[1].revents != 0)
			r = input(c);
		if (p[2].revents != 0 &&
		    read(sfd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
			if (si.ssi_signo != SIGWINCH)
				return 0;
			send_size(c);
		}
	}
	return r < 0 ? r : 0;
}

int
core_console(const struct core_inst *in, int fd_in, int fd_out, char escape,
    struct vps_err *e)
{
	auto_close int k = core_keeper_open(in, e), sfd = -1;
	struct con c = {k, fd_in, fd_out, escape, 1};
	struct core_raw raw;
	sigset_t set, old;
	int r;

	if (k < 0)
		return k;
	r = core_keeper_ask(k, KEEP_CONSOLE, 0, -1, e);
	if (r < 0)
		return r;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	core_raw_begin(&raw, fd_in);
	send_size(&c);
	r = sfd < 0 ? -errno : loop(&c, sfd);
	core_raw_end(&raw);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return r < 0 ? vps_err_set(e, r, "console of %s", in->id) : 0;
}
