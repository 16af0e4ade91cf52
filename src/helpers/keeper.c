/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vps-keeper ID: serves an instance as long as it exists. Keeps the console's
 * output, has a second copy of every terminal's master, tells the neighbours
 * where the addresses are, starts an instance again that asked for it, brings a
 * killed holder back, and undoes what a command that died left. It may be
 * killed itself: no state is only here, and the next command starts another.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"
#include "core/birth.h"
#include "core/control.h"
#include "core/create.h"
#include "core/holder.h"
#include "core/netcfg.h"
#include "core/recover.h"
#include "helpers/conlog.h"
#include "migrate/instance.h"
#include "sys/unix.h"

#define LOG_SUBSYS "keeper"

#define MAX_CLIENTS 64
#define MAX_HELD    1024
#define LOCK_TRIES  100
#define RETRY_MS    300

enum role { ROLE_NEW, ROLE_WORK, ROLE_CONSOLE, ROLE_PAUSE };

struct keeper {
	char id[SPEC_ID_MAX + 1];
	struct core_inst *in; /* CORE_READ; owned */
	int lock, listen, init, holder;
	struct {
		uint32_t num;
		int fd;
	} held[MAX_HELD];
	unsigned nheld;
	struct {
		int fd;
		enum role role;
	} client[MAX_CLIENTS];
	unsigned nclients;
	struct conlog log;
	bool console_dead; /* no slave is open: wait for a new console */
	bool init_ended, undo_due, holder_due;
	pid_t undoer;   /* our child that undoes, or 0 */
	unsigned round; /* of announcements */
	int64_t announce_at;
};

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
find(const struct keeper *k, uint32_t num)
{
	unsigned i;

	for (i = 0; i < k->nheld; i++)
		if (k->held[i].num == num)
			return (int)i;
	return -1;
}

static void
drop(struct keeper *k, uint32_t num)
{
	int i = find(k, num);

	if (i < 0)
		return;
	(void)close(k->held[i].fd);
	k->held[i] = k->held[--k->nheld];
}

/* Takes the descriptor. */
static void
hold(struct keeper *k, uint32_t num, int fd)
{
	drop(k, num);
	if (k->nheld == MAX_HELD) {
		(void)close(fd);
		return;
	}
	k->held[k->nheld].num = num;
	k->held[k->nheld++].fd = fd;
	if (num == HOLD_CONSOLE) {
		(void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
		k->console_dead = false;
	}
}

static int
console(const struct keeper *k)
{
	int i = find(k, HOLD_CONSOLE);

	return i < 0 ? -1 : k->held[i].fd;
}

/* All masters from the holder; what we have is replaced. */
static int
adopt(struct keeper *k)
{
	auto_close int h = core_holder_open(k->in, NULL);
	struct hold_rep rep;
	struct sys_fds fds;
	uint32_t from = 0, i;
	int n;

	if (h < 0)
		return h;
	do {
		n = core_hold_get(h, from, &rep, &fds, NULL);
		for (i = 0; n > 0 && i < rep.n; i++) {
			hold(k, rep.num[i], fds.fd[i]);
			from = rep.num[i] + 1;
		}
	} while (n == SYS_UNIX_FDS);
	return n < 0 ? n : 0;
}

static void
watch(struct keeper *k)
{
	if (k->init >= 0)
		(void)close(k->init);
	if (k->holder >= 0)
		(void)close(k->holder);
	k->init = core_open_proc(k->in, "init");
	k->holder = core_open_proc(k->in, "holder");
	k->init_ended = k->init < 0;
	k->holder_due = k->holder < 0;
}

/* The instance, locked, unless a command has it: NULL, try later (that command
 * may be waiting for our answer). Ends the keeper when the instance is gone. */
static struct core_inst *
take_instance(struct keeper *k)
{
	struct core_inst *in;
	int r = core_inst_open(k->id, CORE_TRY, &in, NULL);

	if (r == -VPS_ENOINST)
		exit(0);
	return r < 0 ? NULL : in;
}

static void
reload(struct keeper *k)
{
	if (core_reload(k->in, NULL) < 0)
		exit(0); /* the directory is gone */
}

static void
start_again(struct keeper *k)
{
	struct core_inst *in = take_instance(k);
	struct vps_err e = {0};

	if (in == NULL)
		return;
	k->init_ended = false;
	if (core_state(in) == CORE_ST_DEAD && core_wants_reboot(in) &&
	    strcmp(core_get(in, "state"), core_st_name(CORE_ST_DEAD)) != 0) {
		log_info("%s: starts again", k->id);
		drop(k, HOLD_CONSOLE);
		if (core_reboot(in, &e) < 0) {
			log_err("%s: start again: %s", k->id, e.msg);
			core_set(in, "error", "start again: %.900s", e.msg);
			(void)core_save(in, NULL);
		}
	}
	core_inst_close(in);
	reload(k);
	(void)adopt(k);
	watch(k);
	k->init_ended = false; /* once is enough, if it failed */
	k->round = 0;
	k->announce_at = now_ms();
}

static void
revive_holder(struct keeper *k)
{
	struct core_inst *in = take_instance(k);
	auto_close int h = -1;
	struct vps_err e = {0};
	unsigned i;

	if (in == NULL)
		return;
	k->holder_due = false;
	h = core_holder_revive(in, &e);
	if (h < 0)
		log_err("%s: a new holder: %s", k->id, e.msg);
	for (i = 0; h >= 0 && i < k->nheld; i++)
		(void)core_hold_put(h, k->held[i].num, k->held[i].fd);
	core_inst_close(in);
	reload(k);
	if (k->holder >= 0)
		(void)close(k->holder);
	k->holder = core_open_proc(k->in, "holder");
}

/* Exits with 0: nothing is left to be done. */
static void
undo_main(struct keeper *k)
{
	struct core_inst *in = take_instance(k);
	struct vps_err e = {0};
	int r;

	if (in == NULL)
		_exit(1);
	r = core_undo_all(in, mig_undo_kinds, &e);
	if (r < 0)
		log_err("%s: %s", k->id, e.msg);
	else if (core_state(in) == CORE_ST_SNAPSHOTTING)
		(void)core_set_state(in, CORE_ST_SUSPENDED, NULL);
	_exit(0);
}

/* In a child: it asks us for the terminals and that we leave them alone, as
 * commands do, and takes as long as it takes. */
static void
undo_left(struct keeper *k)
{
	pid_t pid;

	if (k->undoer != 0)
		return;
	pid = fork();
	if (pid == 0)
		undo_main(k);
	if (pid < 0)
		return;
	k->undoer = pid;
	k->undo_due = false;
}

static void
reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != k->undoer)
			continue;
		k->undoer = 0;
		if (status != 0)
			k->undo_due = true;
		reload(k);
	}
}

static void
announce(struct keeper *k)
{
	auto_spec struct vps_spec s;
	struct core_net n;
	int next = -1;

	spec_init(&s);
	if (core_state(k->in) == CORE_ST_RUNNING &&
	    core_conf(k->in, &s, NULL) == 0 && s.net.nifs > 0 &&
	    core_net_of(&n, k->id, &s, NULL) == 0) {
		(void)net_announce(&n.cfg, NULL);
		core_net_fini(&n);
		next = net_announce_ms(k->round++);
	}
	k->announce_at = next < 0 ? -1 : now_ms() + next;
}

static bool
paused(const struct keeper *k)
{
	unsigned i;

	for (i = 0; i < k->nclients; i++)
		if (k->client[i].role == ROLE_PAUSE)
			return true;
	return false;
}

static void
drop_client(struct keeper *k, unsigned i)
{
	(void)close(k->client[i].fd);
	if (k->client[i].role == ROLE_WORK)
		k->undo_due = true;
	k->client[i] = k->client[--k->nclients];
}

static int
send_data(int fd, const char *b, size_t n)
{
	struct keep_data d = {.type = KEEP_DATA};
	int r = 0;

	while (n > 0 && r == 0) {
		d.n = (uint32_t)(n < KEEP_CHUNK ? n : KEEP_CHUNK);
		memcpy(d.u.b, b, d.n);
		r = sys_unix_send(fd, &d, KEEP_DATA_MIN + d.n, NULL, 0);
		b += d.n;
		n -= d.n;
	}
	return r;
}

static void
read_console(struct keeper *k)
{
	char b[KEEP_CHUNK];
	ssize_t n = read(console(k), b, sizeof(b));
	unsigned i;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		k->console_dead = true; /* EIO until a slave is opened */
		return;
	}
	conlog_add(&k->log, b, (size_t)n);
	for (i = 0; i < k->nclients;) {
		/* Who doesn't keep up is let go: the console must go on. */
		if (k->client[i].role == ROLE_CONSOLE &&
		    send_data(k->client[i].fd, b, (size_t)n) < 0)
			drop_client(k, i);
		else
			i++;
	}
}

static int
begin_console(struct keeper *k, unsigned i)
{
	auto_buf struct buf b = {0};

	k->client[i].role = ROLE_CONSOLE;
	(void)fcntl(k->client[i].fd, F_SETFL, O_NONBLOCK);
	conlog_last(&k->log, &b, KEEP_CHUNK);
	return send_data(k->client[i].fd, (const char *)b.data, b.len);
}

static int
console_input(struct keeper *k, int fd)
{
	struct keep_data d;
	int r = sys_unix_recv(fd, &d, sizeof(d), NULL), m = console(k);

	if (r < (int)KEEP_DATA_MIN)
		return -EPIPE;
	if (m < 0)
		return 0;
	if (d.type == KEEP_SIZE && (size_t)r >= KEEP_DATA_MIN + sizeof(d.u.ws))
		(void)ioctl(m, TIOCSWINSZ, &d.u.ws);
	else if (d.type == KEEP_DATA && d.n <= (size_t)r - KEEP_DATA_MIN)
		(void)!write(m, d.u.b, d.n); /* what it can't take is lost */
	return 0;
}

static int
answer(int fd, int v)
{
	struct keep_rep rep = {.r = v};

	return sys_unix_send(fd, &rep, sizeof(rep), NULL, 0);
}

static int
request(struct keeper *k, unsigned i)
{
	struct sys_fds fds = {.n = 0};
	struct keep_req q;
	int fd = k->client[i].fd, r;

	if (k->client[i].role == ROLE_CONSOLE)
		return console_input(k, fd);
	r = sys_unix_recv(fd, &q, sizeof(q), &fds);
	if (r != (int)sizeof(q)) {
		sys_fds_close(&fds);
		return -EPIPE;
	}
	if (q.op == KEEP_HOLD && fds.n == 1) {
		hold(k, q.num, fds.fd[0]);
		return 0;
	}
	sys_fds_close(&fds);
	switch (q.op) {
	case KEEP_PING:
		return answer(fd, 0);
	case KEEP_WORK:
		k->client[i].role = ROLE_WORK;
		return answer(fd, 0);
	case KEEP_PAUSE:
		k->client[i].role = ROLE_PAUSE;
		return answer(fd, 0);
	case KEEP_DROP:
		drop(k, q.num);
		return 0;
	case KEEP_CONSOLE:
		return begin_console(k, i);
	case KEEP_ANNOUNCE:
		reload(k);
		k->round = 0;
		k->announce_at = now_ms();
		return 0;
	default:
		return answer(fd, -ENOSYS);
	}
}

static void
accept_client(struct keeper *k)
{
	int fd = accept4(k->listen, NULL, NULL, SOCK_CLOEXEC);
	uid_t uid;

	if (fd < 0)
		return;
	if (k->nclients == MAX_CLIENTS || sys_unix_peer(fd, &uid, NULL) < 0 ||
	    uid != 0) {
		(void)close(fd);
		return;
	}
	k->client[k->nclients].fd = fd;
	k->client[k->nclients++].role = ROLE_NEW;
}

static int
timeout_of(const struct keeper *k)
{
	int64_t left = -1;

	if (k->announce_at >= 0) {
		left = k->announce_at - now_ms();
		if (left < 0)
			left = 0;
	}
	if (k->undo_due || k->undoer != 0 || k->init_ended || k->holder_due ||
	    (k->console_dead && console(k) >= 0))
		left = left < 0 || left > RETRY_MS ? RETRY_MS : left;
	return (int)left;
}

static void
due(struct keeper *k)
{
	reap(k);
	if (k->console_dead)
		k->console_dead = false; /* looked at again, by poll */
	if (k->undo_due)
		undo_left(k);
	if (k->init_ended)
		start_again(k);
	if (k->holder_due)
		revive_holder(k);
	if (k->announce_at >= 0 && k->announce_at <= now_ms()) {
		reload(k);
		announce(k);
	}
}

static void
serve(struct keeper *k)
{
	struct pollfd p[4 + MAX_CLIENTS];
	bool read_it = console(k) >= 0 && !paused(k) && !k->console_dead;
	unsigned i, n = k->nclients;

	p[0] = (struct pollfd){.fd = k->listen, .events = POLLIN};
	p[1] = (struct pollfd){
	    .fd = k->init_ended ? -1 : k->init, .events = POLLIN};
	p[2] = (struct pollfd){
	    .fd = k->holder_due ? -1 : k->holder, .events = POLLIN};
	p[3] =
	    (struct pollfd){.fd = read_it ? console(k) : -1, .events = POLLIN};
	for (i = 0; i < n; i++)
		p[4 + i] =
		    (struct pollfd){.fd = k->client[i].fd, .events = POLLIN};
	if (poll(p, 4 + n, timeout_of(k)) < 0)
		return;
	/* From the last on, since the last takes the place of one that goes. */
	for (i = n; i-- > 0;)
		if (p[4 + i].revents != 0 && request(k, i) < 0)
			drop_client(k, i);
	if (p[3].revents != 0 && console(k) == p[3].fd)
		read_console(k);
	if (p[1].revents != 0) {
		(void)close(take_fd(&k->init));
		k->init_ended = true;
		reload(k);
	}
	if (p[2].revents != 0) {
		(void)close(take_fd(&k->holder));
		k->holder_due = true;
	}
	if (p[0].revents != 0)
		accept_client(k);
	due(k);
}

/* One keeper per instance. */
static int
lock_keeper(struct keeper *k)
{
	struct timespec ts = {0, 2000000};
	int i;

	k->lock =
	    openat(k->in->dir, "keeper", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (k->lock < 0)
		return -errno;
	/* Who asks whether there is one has the lock for a moment. */
	for (i = 0; flock(k->lock, LOCK_EX | LOCK_NB) < 0; i++) {
		if (errno != EWOULDBLOCK || i == LOCK_TRIES)
			return -errno;
		(void)nanosleep(&ts, NULL);
	}
	/* For people: see core_keeper_pid(). */
	(void)!ftruncate(k->lock, 0);
	(void)dprintf(k->lock, "%d\n", getpid());
	return 0;
}

int
main(int argc, char **argv)
{
	static struct keeper k = {
	    .lock = -1, .listen = -1, .init = -1, .holder = -1};
	struct vps_err e;
	char path[96];

	if (argc != 2 || !spec_id_ok(argv[1]))
		return 2;
	(void)prctl(PR_SET_NAME, "vps-keeper");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)!chdir("/");
	log_init(NULL);
	(void)strcpy(k.id, argv[1]);
	if (core_inst_open(k.id, CORE_READ, &k.in, &e) < 0)
		return 1;
	if (lock_keeper(&k) < 0 ||
	    conlog_open(&k.log, k.in->dir, KEEP_LOG_MAX) < 0 ||
	    core_path(k.id, "control", path, sizeof(path)) < 0)
		return 1;
	k.listen = sys_unix_listen(path, 0600);
	if (k.listen < 0)
		return 1;
	(void)adopt(&k);
	watch(&k);
	/* Nobody knows whether the one before us had a dead command's. */
	k.undo_due = true;
	for (;;)
		serve(&k);
}
