/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The receive queue of a unix socket, read with MSG_PEEK. To get behind the
 * first message (or behind one with descriptors in a stream) SO_PEEK_OFF is set
 * for the time of reading.
 *
 * A message without data that has been peeked at once is skipped by SO_PEEK_OFF
 * from then on unless it is the first: a second snapshot of the same socket
 * doesn't see it.
 */
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/buf.h"
#include "snapst/sockwas.h"
#include "snapst/unixsock_i.h"

#define CHUNK   262144
#define FDS_MAX 253
#define MSG_CTL (CMSG_SPACE(FDS_MAX * sizeof(int)) + 512)

struct queue {
	struct snap *s;
	int fd, type;
	bool creds;      /* SO_PASSCRED is on */
	size_t off;      /* bytes read */
	struct buf msgs; /* struct vd_unixmsg, data.p and so on owned */
	bool more;       /* the last message isn't complete */
	struct buf data; /* of the message being read */
};

static size_t
count(const struct queue *q)
{
	return q->msgs.len / sizeof(struct vd_unixmsg);
}

static struct vd_unixmsg *
msg_at(struct queue *q, size_t i)
{
	return (struct vd_unixmsg *)(void *)q->msgs.data + i;
}

static void
queue_fini(struct queue *q)
{
	for (size_t i = 0; i < count(q); i++) {
		struct vd_unixmsg *m = msg_at(q, i);

		free((void *)(uintptr_t)m->data.p);
		free((void *)(uintptr_t)m->name.p);
		free(m->files);
	}
	buf_fini(&q->msgs);
	buf_fini(&q->data);
}

static int
keep_bytes(struct vd_bytes *b, const void *p, size_t n)
{
	uint8_t *d;

	if (n == 0)
		return 0;
	d = realloc((void *)(uintptr_t)b->p, b->n + n);
	if (d == NULL)
		return -ENOMEM;
	memcpy(d + b->n, p, n);
	b->p = d;
	b->n += n;
	return 0;
}

static int
keep_files(
    struct queue *q, struct vd_unixmsg *m, struct cmsghdr *c, struct vps_err *e)
{
	size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int r = 0, fd;

	m->files = calloc(n, sizeof(*m->files));
	if (m->files == NULL)
		r = vps_err_set(e, -ENOMEM, "descriptors in flight");
	for (size_t i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (r == 0)
			r = snap_file_own(q->s, fd, &m->files[i], e);
		(void)close(fd);
	}
	m->n_files = r == 0 ? n : 0;
	return r;
}

static int
keep_control(struct queue *q, struct vd_unixmsg *m, struct msghdr *h,
    size_t start, struct vps_err *e)
{
	int r = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL;
	     c = CMSG_NXTHDR(h, c)) {
		struct ucred u;

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS && r == 0) {
			r = keep_files(q, m, c, e);
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&u, CMSG_DATA(c), sizeof(u));
			if (u.pid == 0)
				continue; /* none were recorded */
			(void)snap_ux_msgcred(q->s, q->fd, (int)start, &u);
			m->has_cred = 1;
			m->pid = (uint32_t)u.pid;
			m->uid = u.uid;
			m->gid = u.gid;
		}
	}
	return r;
}

/* A stream gives bytes sent before together with the write that has
 * descriptors: how many of `n` bytes come before it. Read again with room for
 * all but the last byte and nothing but a fault behind, the kernel stops in
 * front of that write. */
static int
before_files(struct queue *q, uint8_t *chunk, size_t n, size_t *ret)
{
	void *hole =
	    mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[2] = {{chunk, n - 1}, {hole, 4096}};
	struct msghdr h = {.msg_iov = iov, .msg_iovlen = 2};
	int off = (int)q->off, r = 0;
	ssize_t got;

	if (hole == MAP_FAILED)
		return -errno;
	if (setsockopt(q->fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0)
		r = -errno;
	got = recvmsg(q->fd, &h, MSG_PEEK | MSG_DONTWAIT);
	if (r == 0 && got < 0 && errno != EFAULT)
		r = -errno;
	*ret = got > 0 ? (size_t)got : 0;
	(void)munmap(hole, 4096);
	return r;
}

/* Splits the last message; `chunk` holds it. */
static int
split_files(struct queue *q, uint8_t *chunk, size_t n)
{
	struct vd_unixmsg *m = msg_at(q, count(q) - 1), rest = *m;
	size_t before = 0;
	int r = before_files(q, chunk, n, &before);

	if (r < 0 || before == 0)
		return r;
	rest.data = (struct vd_bytes){0};
	rest.name = (struct vd_bytes){0};
	r = keep_bytes(&rest.data, chunk + before, n - before);
	if (r < 0)
		return r;
	buf_add(&q->msgs, &rest, sizeof(rest));
	if (buf_err(&q->msgs) < 0) {
		free((void *)(uintptr_t)rest.data.p);
		return -ENOMEM;
	}
	m = msg_at(q, count(q) - 2);
	m->data.n = before;
	m->files = NULL;
	m->n_files = 0;
	return 0;
}

/* One recvmsg(); 0: nothing more. */
static int
peek_one(struct queue *q, uint8_t *chunk, bool whole, struct vps_err *e)
{
	_Alignas(struct cmsghdr) char ctl[MSG_CTL];
	struct sockaddr_un from;
	struct iovec iov = {chunk, CHUNK};
	struct msghdr h = {.msg_name = &from,
	    .msg_namelen = sizeof(from),
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	struct vd_unixmsg *m, new = {0};
	int off = (int)q->off, r;
	ssize_t n;

	if (!whole &&
	    setsockopt(q->fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0)
		return vps_err_set(e, -errno, "unix socket: SO_PEEK_OFF");
	n = recvmsg(q->fd, &h, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return vps_err_set(
		    e, -errno, "read the queue of a unix socket");
	if (n == 0 && (q->type == SOCK_STREAM || q->off > 1u << 30))
		return 0;
	if (q->type == SOCK_SEQPACKET && n == 0 && h.msg_controllen == 0 &&
	    (h.msg_flags & MSG_EOR) == 0) {
		/* either an empty message or the end of file */
		struct pollfd p = {.fd = q->fd, .events = POLLRDHUP};

		if (poll(&p, 1, 0) == 1)
			return 0;
	}
	if (!q->more) {
		buf_add(&q->msgs, &new, sizeof(new));
		if (buf_err(&q->msgs) < 0)
			return vps_err_set(e, -ENOMEM, "unix queue");
	}
	m = msg_at(q, count(q) - 1);
	r = keep_bytes(&m->data, chunk, (size_t)n);
	if (r == 0 && !q->more && h.msg_namelen > sizeof(sa_family_t))
		r = keep_bytes(&m->name, from.sun_path,
		    h.msg_namelen - sizeof(sa_family_t));
	if (r < 0)
		return vps_err_set(e, r, "unix queue");
	if (!q->more) {
		r = keep_control(q, m, &h, q->off, e);
		if (r < 0)
			return r;
	}
	m = msg_at(q, count(q) - 1);
	if (q->type == SOCK_STREAM && m->n_files > 0 && n > 1) {
		r = split_files(q, chunk, (size_t)n);
		if (r < 0)
			return vps_err_set(e, r, "unix queue");
	}
	q->off += (size_t)n;
	q->more = q->type != SOCK_STREAM && (h.msg_flags & MSG_TRUNC) != 0;
	return 1;
}

/* A stream without descriptors or credentials gives all in one go. */
static int
peek_stream(struct queue *q, int total, uint8_t *chunk, struct vps_err *e)
{
	int r = 1;

	if (total <= CHUNK && !q->creds) {
		r = peek_one(q, chunk, true, e);
		if (r <= 0)
			return r;
	}
	while (r > 0 && q->off < (size_t)total)
		r = peek_one(q, chunk, false, e);
	return r;
}

static int
peek_all(struct queue *q, struct vps_err *e)
{
	auto_free uint8_t *chunk = malloc(CHUNK);
	struct pollfd p = {.fd = q->fd, .events = POLLPRI};
	int off = -1, val = 0, total = 0, r;
	socklen_t len = sizeof(off);

	if (chunk == NULL)
		return vps_err_set(e, -ENOMEM, "unix queue");
	if (q->type == SOCK_STREAM && poll(&p, 1, 0) == 1 &&
	    (p.revents & POLLPRI) != 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "unix socket: unread out-of-band data can't be carried");
	if (ioctl(q->fd, SIOCINQ, &total) < 0)
		total = 0;
	if (q->type != SOCK_DGRAM && total == 0 &&
	    (q->type == SOCK_STREAM ||
		poll(&(struct pollfd){.fd = q->fd, .events = POLLIN}, 1, 0) ==
		    0))
		return 0;
	if (getsockopt(q->fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len) < 0)
		return vps_err_set(e, -errno, "unix socket: SO_PEEK_OFF");
	snap_sock_note(
	    q->s, q->fd, &(struct snap_opt){SOL_SOCKET, SO_PEEK_OFF, off}, 1);
	len = sizeof(val);
	(void)getsockopt(q->fd, SOL_SOCKET, SO_PASSCRED, &val, &len);
	q->creds = val != 0;
	if (q->type == SOCK_STREAM)
		r = peek_stream(q, total, chunk, e);
	else
		do
			r = peek_one(q, chunk, false, e);
		while (r > 0);
	if (setsockopt(q->fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)) < 0 &&
	    r >= 0)
		r = vps_err_set(e, -errno, "unix socket: SO_PEEK_OFF");
	if (r >= 0 && q->type != SOCK_DGRAM && q->off < (size_t)total)
		r = vps_err_say(e, -EIO,
		    "unix socket: %d bytes are queued, %zu could be read",
		    total, q->off);
	return r < 0 ? r : 0;
}

int
snap_ux_queue(
    struct snap *s, const struct snap_fd *f, int type, struct vps_err *e)
{
	struct queue q = {.s = s, .fd = f->fd, .type = type};
	struct vd_unixqueue rec = {.object = f->st.st_ino};
	int r = peek_all(&q, e);

	if (r == 0 && count(&q) > 0) {
		rec.msgs = msg_at(&q, 0);
		rec.n_msgs = count(&q);
		r = vd_put(snap_writer(s), &vd_type_unixqueue, &rec);
		if (r < 0)
			(void)vps_err_set(e, r, "write the image");
	}
	queue_fini(&q);
	return r;
}
