/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Input in canonical mode is read line by line, then the rest without ICANON.
 * It goes back as lines with ECHO, ISIG and all conversions off, special
 * characters escaped by VLNEXT, then the rest. The terminal's worker hands
 * bytes to the line discipline asynchronously: a VSTOP behind them tells when
 * they have arrived, since the slave can't be written to from then on.
 */
#include "sys/ttyq.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "sys/proc.h"
#include "sys/pty.h"

#define PHASE_DRAIN 1
#define PHASE_PUT   2
#define CHUNK       4096
#define PATTERN     0xa5 /* what an area holds before a read */

static const char magic[8] = "vpsttyq1";

int
sys_ttyq_new(int dirfd, const char *name, struct sys_ttyq **ret)
{
	auto_close int fd = -1;
	struct sys_ttyq *q;
	int flags = MAP_SHARED | MAP_POPULATE;

	if (dirfd >= 0) {
		fd = openat(
		    dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || posix_fallocate(fd, 0, sizeof(*q)) != 0)
			return fd < 0 ? -errno : -ENOSPC;
	} else {
		flags = MAP_PRIVATE | MAP_ANONYMOUS;
	}
	q = mmap(NULL, sizeof(*q), PROT_READ | PROT_WRITE, flags, fd, 0);
	if (q == MAP_FAILED)
		return -errno;
	memcpy(q->magic, magic, sizeof(magic));
	*ret = q;
	return 0;
}

void
sys_ttyq_free(struct sys_ttyq *q)
{
	if (q != NULL)
		(void)munmap(q, sizeof(*q));
}

static void
step(struct sys_ttyq *q)
{
	/* Whatever is written so far is what a successor finds. */
	__sync_synchronize();
	if (q->step != NULL)
		q->step(q->nstep++);
}

static int
unread(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) < 0 ? -errno : n;
}

static int
ready(int fd, short ev)
{
	struct pollfd p = {.fd = fd, .events = ev};

	return poll(&p, 1, 0) == 1 && (p.revents & ev) != 0;
}

/* --- entries --- */

static uint32_t
entry_size(size_t n)
{
	return (uint32_t)(8 + ((n + 7) & ~(size_t)7));
}

int
sys_ttyq_next(const uint8_t *area, uint32_t used, uint32_t *off,
    enum sys_ttyq_how *how, const uint8_t **p, uint32_t *n)
{
	uint32_t h[2];

	if (*off + sizeof(h) > used)
		return -ENOENT;
	memcpy(h, area + *off, sizeof(h));
	if (h[0] > used - *off - sizeof(h))
		return -EBADMSG;
	*n = h[0];
	*how = (enum sys_ttyq_how)h[1];
	*p = area + *off + sizeof(h);
	*off += entry_size(h[0]);
	return 0;
}

static void
commit(uint8_t *area, uint32_t *used, enum sys_ttyq_how how, size_t n)
{
	uint32_t h[2] = {(uint32_t)n, how};

	memcpy(area + *used, h, sizeof(h));
	__sync_synchronize();
	*used += entry_size(n);
}

int
sys_ttyq_add(uint8_t *area, uint32_t *used, enum sys_ttyq_how how,
    const void *p, size_t n)
{
	if (n > SYS_TTYQ_AREA || *used + entry_size(n) > SYS_TTYQ_AREA)
		return -ENOSPC;
	memcpy(area + *used + 8, p, n);
	commit(area, used, how, n);
	return 0;
}

/* --- reading --- */

static enum sys_ttyq_how
how_of(const struct sys_ttyq *q, const uint8_t *p, size_t n)
{
	uint8_t c;

	if (q->stage != 0)
		return SYS_TTYQ_RAW;
	if (n == 0)
		return SYS_TTYQ_EOF;
	c = p[n - 1];
	if (c == '\n' || (c != 0 && c == q->tio.c_cc[VEOL]) ||
	    (c != 0 && c == q->tio.c_cc[VEOL2]))
		return SYS_TTYQ_LINE;
	return SYS_TTYQ_EOF;
}

/* One read into the journal; the count, 0 also for a line that is only VEOF. */
static int
read_one(struct sys_ttyq *q, int fd, uint32_t which)
{
	uint8_t *area = which == 1 ? q->in : q->out, *p;
	uint32_t *used = which == 1 ? &q->nin : &q->nout;
	int before = unread(fd);
	ssize_t n;

	if (before < 0)
		return before;
	if (*used + entry_size(CHUNK) > SYS_TTYQ_AREA)
		return -ENOSPC;
	p = area + *used + 8;
	memset(p, PATTERN, CHUNK);
	q->before = (uint32_t)before;
	__sync_synchronize();
	q->reading = which;
	step(q);
	n = read(fd, p, CHUNK);
	if (n < 0)
		n = -errno;
	step(q);
	if (n >= 0)
		commit(area, used,
		    which == 1 ? how_of(q, p, (size_t)n) : SYS_TTYQ_RAW,
		    (size_t)n);
	q->reading = 0;
	step(q);
	return (int)n;
}

/* A read that was under way: executed or not? One is atomic against SIGKILL,
 * and nobody else reads. A line that is only VEOF leaves no trace if more lines
 * follow it: then it is taken for not executed. */
static void
settle(struct sys_ttyq *q, int master, int slave)
{
	int fd = q->reading == 1 ? slave : master;
	uint8_t *area = q->reading == 1 ? q->in : q->out;
	uint32_t *used = q->reading == 1 ? &q->nin : &q->nout;
	uint8_t *p = area + *used + 8;
	size_t n = CHUNK;
	int now;

	if (q->reading == 0 || *used + entry_size(CHUNK) > SYS_TTYQ_AREA)
		return;
	while (n > 0 && p[n - 1] == PATTERN)
		n--;
	now = unread(fd);
	/* With more behind it than the discipline holds, this is no measure. */
	if (q->before < 4000 && now >= 0)
		n = q->before >= (uint32_t)now ? q->before - (uint32_t)now : 0;
	if (n > 0 ||
	    (q->reading == 1 && q->stage == 0 && !ready(slave, POLLIN)))
		commit(area, used,
		    q->reading == 1 ? how_of(q, p, n) : SYS_TTYQ_RAW, n);
	q->reading = 0;
}

static int
set_termios(int slave, const struct termios2 *t)
{
	return ioctl(slave, TCSETS2, t) < 0 ? -errno : 0;
}

static int
drain_more(struct sys_ttyq *q, int master, int slave)
{
	struct termios2 raw = q->tio;
	int r = 0;

	while (q->stage == 0 && (q->tio.c_lflag & ICANON) != 0 && r >= 0 &&
	       ready(slave, POLLIN))
		r = read_one(q, slave, 1);
	if (r < 0 && r != -EAGAIN)
		return r;
	q->stage = 1;
	step(q);
	raw.c_lflag &= ~(unsigned)ICANON;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	r = set_termios(slave, &raw);
	if (r < 0)
		return r;
	step(q);
	while (r >= 0 && ready(slave, POLLIN))
		r = read_one(q, slave, 1);
	if (r < 0 && r != -EAGAIN)
		return r;
	for (r = 1; r > 0 && ready(master, POLLIN);)
		r = read_one(q, master, 2);
	if (r < 0 && r != -EIO)
		return r;
	if (!ready(slave, POLLOUT)) {
		q->stopped = 1;
		step(q);
		if (ioctl(slave, TCXONC, TCOON) == 0 && ready(slave, POLLOUT))
			q->stopped = 2;
	}
	return 0;
}

int
sys_ttyq_drain(struct sys_ttyq *q, int master)
{
	auto_close int slave =
	    sys_pty_slave(master, O_RDWR | O_NOCTTY | O_NONBLOCK);
	int off = 0;

	if (slave < 0)
		return slave;
	if (ioctl(slave, TCGETS2, &q->tio) < 0 ||
	    ioctl(master, TIOCGPKT, &q->packet) < 0)
		return -errno;
	__sync_synchronize();
	q->phase = PHASE_DRAIN;
	step(q);
	if (q->packet && ioctl(master, TIOCPKT, &off) < 0)
		return -errno;
	return drain_more(q, master, slave);
}

/* --- writing --- */

static void
nap(void)
{
	struct timespec t = {0, 50000};

	(void)nanosleep(&t, NULL);
}

static int
write_all(int fd, const uint8_t *p, size_t n)
{
	for (unsigned tries = 0; n > 0;) {
		ssize_t w = write(fd, p, n);

		if (w > 0) {
			p += w;
			n -= (size_t)w;
			continue;
		}
		if (w < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (++tries > 20000)
			return -ETIMEDOUT;
		nap();
	}
	return 0;
}

/* Bytes with a meaning of ours, for which none of the terminal's is taken. */
struct keys {
	uint8_t eof, lnext, stop;
};

static struct keys
pick(const struct termios2 *t)
{
	uint8_t k[3], c = 1;

	for (int i = 0; i < 3; c++)
		if (c != '\n' && c != t->c_cc[VEOL] && c != t->c_cc[VEOL2])
			k[i++] = c;
	return (struct keys){k[0], k[1], k[2]};
}

static struct termios2
put_termios(const struct sys_ttyq *q, const struct keys *k)
{
	struct termios2 t = q->tio;

	t.c_iflag = IXON;
	t.c_oflag = 0;
	t.c_lflag = ICANON | IEXTEN;
	for (int i = 0; i < NCCS && i < (int)sizeof(t.c_cc); i++)
		if (i != VEOL && i != VEOL2)
			t.c_cc[i] = 0;
	t.c_cc[VEOF] = k->eof;
	t.c_cc[VLNEXT] = k->lnext;
	t.c_cc[VSTOP] = k->stop;
	return t;
}

static int
put_entry(const struct sys_ttyq *q, int master, const struct keys *k,
    enum sys_ttyq_how how, const uint8_t *p, uint32_t n)
{
	uint8_t b[2 * CHUNK + 2];
	size_t len = 0;

	if (n > CHUNK)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t c = p[i];
		int last = how == SYS_TTYQ_LINE && i + 1 == n;

		if (!last && c != 0 &&
		    (c == '\n' || c == k->eof || c == k->lnext ||
			c == k->stop || c == q->tio.c_cc[VEOL] ||
			c == q->tio.c_cc[VEOL2]))
			b[len++] = k->lnext;
		b[len++] = c;
	}
	if (how == SYS_TTYQ_EOF)
		b[len++] = k->eof;
	return write_all(master, b, len);
}

/* Waits until the line discipline has all; output is stopped then. */
static int
arrive(int master, int slave, const struct keys *k)
{
	int r = write_all(master, &k->stop, 1);

	for (unsigned i = 0; r == 0 && ready(slave, POLLOUT); i++) {
		if (i > 20000)
			return -ETIMEDOUT;
		nap();
	}
	return r;
}

static int
put_canon(struct sys_ttyq *q, int master, int slave)
{
	struct keys k = pick(&q->tio);
	struct termios2 t = put_termios(q, &k);
	enum sys_ttyq_how how;
	const uint8_t *p;
	uint32_t off = 0, n;
	int r = set_termios(slave, &t);

	while (
	    r == 0 && sys_ttyq_next(q->in, q->nin, &off, &how, &p, &n) == 0) {
		r = put_entry(q, master, &k, how, p, n);
		step(q);
	}
	return r == 0 ? arrive(master, slave, &k) : r;
}

static int
put_raw(struct sys_ttyq *q, int master, int slave)
{
	struct termios2 t = q->tio;
	enum sys_ttyq_how how;
	const uint8_t *p;
	uint32_t off = 0, n, sum = 0;
	int r;

	t.c_iflag = 0;
	t.c_oflag = 0;
	t.c_lflag = 0;
	r = set_termios(slave, &t);
	while (
	    r == 0 && sys_ttyq_next(q->in, q->nin, &off, &how, &p, &n) == 0) {
		r = write_all(master, p, n);
		sum += n;
		step(q);
	}
	for (unsigned i = 0; r == 0; i++) {
		int now = unread(slave);

		if (now < 0 || (uint32_t)now >= (sum < 4095 ? sum : 4095))
			return now < 0 ? now : 0;
		if (i > 20000)
			return -ETIMEDOUT;
		nap();
	}
	return r;
}

static int
stop_output(struct sys_ttyq *q, int master, int slave)
{
	uint8_t c = q->tio.c_cc[VSTOP];

	if (q->stopped == 0)
		return 0;
	if (q->stopped == 2 || c == 0 || (q->tio.c_iflag & IXON) == 0)
		return ioctl(slave, TCXONC, TCOOFF) < 0 ? -errno : 0;
	if (write(master, &c, 1) != 1)
		return -errno;
	for (unsigned i = 0; ready(slave, POLLOUT) && i < 2000; i++)
		nap();
	return 0;
}

static int
put_all(struct sys_ttyq *q, int master, int slave)
{
	struct termios2 t = q->tio;
	enum sys_ttyq_how how;
	const uint8_t *p;
	uint32_t off = 0, n;
	int r;

	q->phase = PHASE_PUT;
	step(q);
	/* Without IXON a stopped terminal starts again. */
	t.c_iflag = 0;
	t.c_oflag = 0;
	r = set_termios(slave, &t);
	(void)ioctl(slave, TCXONC, TCOON);
	while (
	    r == 0 && sys_ttyq_next(q->out, q->nout, &off, &how, &p, &n) == 0) {
		r = write_all(slave, p, n);
		step(q);
	}
	if (r == 0)
		r = (q->tio.c_lflag & ICANON) != 0 ? put_canon(q, master, slave)
						   : put_raw(q, master, slave);
	step(q);
	if (r == 0) {
		t = q->tio;
		t.c_iflag &= ~(unsigned)IXON;
		r = set_termios(slave, &t); /* starts what arrive() stopped */
	}
	if (r == 0)
		r = set_termios(slave, &q->tio);
	step(q);
	if (r == 0)
		r = stop_output(q, master, slave);
	if (r == 0 && ioctl(master, TIOCPKT, &q->packet) < 0)
		r = -errno;
	step(q);
	if (r == 0)
		q->phase = 0;
	return r;
}

int
sys_ttyq_put(struct sys_ttyq *q, int master)
{
	auto_close int slave =
	    sys_pty_slave(master, O_RDWR | O_NOCTTY | O_NONBLOCK);

	return slave < 0 ? slave : put_all(q, master, slave);
}

/* What of ours is in the queues already; all of it comes again. */
static int
discard(struct sys_ttyq *q, int master, int slave)
{
	struct termios2 t = q->tio;
	uint8_t b[CHUNK];
	int r;

	t.c_iflag = 0;
	t.c_lflag = 0;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	r = set_termios(slave, &t);
	while (r == 0 && ready(slave, POLLIN))
		if (read(slave, b, sizeof(b)) <= 0)
			break;
	while (r == 0 && ready(master, POLLIN))
		if (read(master, b, sizeof(b)) <= 0)
			break;
	return r;
}

int
sys_ttyq_recover(struct sys_ttyq *q, int master)
{
	auto_close int slave =
	    sys_pty_slave(master, O_RDWR | O_NOCTTY | O_NONBLOCK);
	int off = 0, r = 0;

	q->step = NULL;
	if (q->phase == 0)
		return 0;
	if (slave < 0)
		return slave;
	if (ioctl(master, TIOCPKT, &off) < 0)
		return -errno;
	if (q->phase == PHASE_DRAIN) {
		settle(q, master, slave);
		r = drain_more(q, master, slave);
	} else {
		r = discard(q, master, slave);
	}
	return r < 0 ? r : put_all(q, master, slave);
}

static int
master_of(const struct sys_ttyq *q)
{
	auto_close int pidfd = -1;
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct sys_pstat st;
	int r;

	pidfd = (int)syscall(SYS_pidfd_open, q->pid, 0);
	if (pidfd < 0 || proc < 0)
		return -errno;
	r = sys_pstat_read(proc, q->pid, q->pid, &st);
	if (r < 0)
		return r;
	if (st.start_time != q->start_time)
		return -ESRCH;
	r = (int)syscall(SYS_pidfd_getfd, pidfd, q->num, 0);
	return r < 0 ? -errno : r;
}

int
sys_ttyq_undo(int dirfd, const char *name, int (*of_holder)(void *arg, int num),
    void *arg)
{
	auto_close int fd =
	    openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	auto_close int master = -1;
	struct sys_ttyq *q;
	off_t size;
	int r = 0;

	if (fd < 0)
		return -errno;
	size = lseek(fd, 0, SEEK_END);
	if (size >= (off_t)sizeof(*q)) {
		q = mmap(NULL, sizeof(*q), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
		if (q == MAP_FAILED)
			return -errno;
		if (memcmp(q->magic, magic, sizeof(magic)) == 0 &&
		    q->phase != 0) {
			master =
			    q->pid == 0 ? of_holder(arg, q->num) : master_of(q);
			r = master < 0 ? master : sys_ttyq_recover(q, master);
		}
		sys_ttyq_free(q);
	}
	/* A terminal whose processes are gone needs nothing back. */
	if (r == 0 || r == -ESRCH || r == -ENOENT)
		return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	return r;
}
