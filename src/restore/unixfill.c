/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The queues: each message is sent again, by the peer or by a socket with the
 * sender's name, with its descriptors and its sender's credentials.
 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "restore/unixsock_i.h"

#define FDS_MAX 253

struct sending {
	int fd;
	struct msghdr h;
};

static int
send_it(void *arg)
{
	struct sending *x = arg;
	ssize_t n = sendmsg(x->fd, &x->h, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : 0;
}

/* The kernel accepts a sender's number only while that process exists. */
static int
send_as(struct sending *x, const struct vd_unixmsg *m)
{
	pid_t pid = (pid_t)m->pid;

	if (m->has_cred && pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
		return rst_in_child(pid, send_it, x);
	return send_it(x);
}

static int
send_part(struct rst *r, int fd, const struct vd_unixmsg *m, const void *p,
    size_t n, bool first, struct vps_err *e)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(FDS_MAX * sizeof(int)) +
					  CMSG_SPACE(sizeof(struct ucred))] = {
	    0};
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct sending x = {.fd = fd,
	    .h = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = ctl,
		.msg_controllen = sizeof(ctl)}};
	struct cmsghdr *c = CMSG_FIRSTHDR(&x.h);
	struct ucred u = {(pid_t)m->pid, m->uid, m->gid};
	size_t used = 0;
	int rc;

	if (m->n_files > FDS_MAX)
		return vps_err_say(e, -EBADMSG, "descriptors in flight");
	if (m->has_cred) {
		*c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(u)),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_CREDENTIALS};
		memcpy(CMSG_DATA(c), &u, sizeof(u));
		used = CMSG_SPACE(sizeof(u));
		c = (struct cmsghdr *)(void *)(ctl + used);
	}
	if (first && m->n_files > 0) {
		*c = (struct cmsghdr){
		    .cmsg_len = CMSG_LEN(m->n_files * sizeof(int)),
		    .cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS};
		for (size_t i = 0; i < m->n_files; i++) {
			int f = rst_fd(r, m->files[i]);

			if (f < 0)
				return vps_err_say(e, f,
				    "no file %u to be in flight", m->files[i]);
			memcpy(CMSG_DATA(c) + i * sizeof(f), &f, sizeof(f));
		}
		used += CMSG_SPACE(m->n_files * sizeof(int));
	}
	x.h.msg_controllen = used;
	if (used == 0)
		x.h.msg_control = NULL;
	rc = send_as(&x, m);
	return rc < 0 ? vps_err_set(e, rc, "fill the queue of a unix socket")
		      : 0;
}

/* Streams in pieces, so that no huge allocation is needed. */
static int
send_msg(struct rst *r, int fd, uint32_t type, const struct vd_unixmsg *m,
    struct vps_err *e)
{
	size_t done = 0, step = type == SOCK_STREAM ? 32768 : m->data.n;
	int rc = 0;

	do {
		size_t n = m->data.n - done;

		if (n > step)
			n = step;
		rc = send_part(r, fd, m, m->data.p + done, n, done == 0, e);
		done += n;
	} while (rc == 0 && done < m->data.n);
	return rc;
}

/* A socket that can send to datagram socket `u` with that name: the one that
 * has it, or a new one. */
static int
sender_named(struct rst *r, const struct vd_bytes *name, struct rst_ux *u,
    int *ret_own, struct vps_err *e)
{
	struct rst_bind b;
	int fd, rc;

	fd = *ret_own = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vps_err_set(e, -errno, "socket");
	if (name->n > 0) {
		rc = rst_bind(r, fd, name->p, name->n, NULL, &b, e);
		if (rc < 0 && rc != -EADDRINUSE)
			return rc;
		if (rc == 0)
			rst_bind_drop(r, &b);
	}
	if (u->s->name.n == 0)
		return vps_err_say(
		    e, -EBADMSG, "messages for a unix socket without a name");
	return rst_bind_connect(r, fd, &u->bind, e);
}

static struct rst_ux *
by_name(struct rst *r, const struct vd_bytes *name, uint32_t type)
{
	for (struct rst_ux *u = rst_ux_all(r)->first; u != NULL; u = u->next)
		if (u->s->type == type && name->n > 0 &&
		    u->s->name.n == name->n &&
		    memcmp(u->s->name.p, name->p, name->n) == 0)
			return u;
	return NULL;
}

/* A living sender sends by itself: what waits counts for its buffer. It has no
 * peer yet, so it can be connected for the moment. */
static int
send_from(struct rst *r, struct rst_ux *from, struct rst_ux *to,
    const struct vd_unixmsg *m, struct vps_err *e)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int rc = rst_bind_connect(r, from->sk.fd, &to->bind, e);

	if (rc == 0)
		rc = send_msg(r, from->sk.fd, SOCK_DGRAM, m, e);
	(void)connect(from->sk.fd, &none, sizeof(none));
	return rc;
}

static int
fill_dgram(struct rst *r, struct rst_ux *u, const struct vd_unixmsg *m,
    struct vps_err *e)
{
	struct rst_ux *from = by_name(r, &m->name, SOCK_DGRAM);
	int own = -1, rc;

	if (from != NULL && from != u && !from->made)
		return send_from(r, from, u, m, e);
	rc = sender_named(r, &m->name, u, &own, e);
	if (rc == 0)
		rc = send_msg(r, own, SOCK_DGRAM, m, e);
	if (own >= 0)
		(void)close(own);
	return rc;
}

int
rst_ux_fill(struct rst *r, struct rst_ux *u, struct vps_err *e)
{
	struct rst_ux *peer = u->s->peer != 0 ? rst_ux_of(r, u->s->peer) : NULL;
	int from = u->spare > 0 ? u->spare : -1, big = 1 << 24, rc = 0;

	if (from < 0 && peer != NULL && peer->made && u->made)
		from = peer->sk.fd;
	if (from < 0 && u->s->type != SOCK_DGRAM)
		return vps_err_say(
		    e, -EBADMSG, "data in a unix socket without a peer");
	if (from >= 0)
		(void)setsockopt(
		    from, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	for (size_t i = 0; i < u->q->n_msgs && rc == 0; i++) {
		const struct vd_unixmsg *m = &u->q->msgs[i];

		if (from >= 0)
			rc = send_msg(r, from, u->s->type, m, e);
		else
			rc = fill_dgram(r, u, m, e);
	}
	return rc;
}
