/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unix sockets.
 *
 * | when | what |
 * | --- | --- |
 * | make | descriptions; connected pairs. Whoever comes first of a pair holds
 * its number with an unconnected socket | | link, first call | names bound;
 * listeners; queues; waiting connections; connected datagram sockets;
 * shutdowns; peers that are gone go | | finish | options, owners; inodes of
 * names go where they were |
 */
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/kinds.h"
#include "restore/unixsock_i.h"

struct rst_ux *
rst_ux_of(struct rst *r, uint64_t object)
{
	return rst_slot(r, VD_T_unixsock, object, sizeof(struct rst_ux));
}

/* Objects are inode numbers: 32 bits. */
struct rst_ux_all *
rst_ux_all(struct rst *r)
{
	return rst_slot(
	    r, VD_T_unixsock, UINT64_MAX, sizeof(struct rst_ux_all));
}

static bool
is_pair(const struct vd_unixsock *s)
{
	return s->state == 1 && !s->waiting &&
	       (s->type != SOCK_DGRAM || s->has_cred);
}

static int
make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_unixsock *s = f->rec;
	struct rst_ux *u = rst_ux_of(r, s->object), *peer;
	struct rst_ux_all *all = rst_ux_all(r);
	struct rst_as as = {0};
	int rc = 0;

	if (u == NULL || all == NULL)
		return vps_err_set(e, -ENOMEM, "unix socket");
	if (u->s != NULL || s->object > UINT32_MAX || s->object == 0 ||
	    (s->type != SOCK_STREAM && s->type != SOCK_DGRAM &&
		s->type != SOCK_SEQPACKET) ||
	    s->name.n > 108 || s->peername.n > 108 || s->peer == s->object)
		return vps_err_say(e, -EBADMSG, "unix socket record");
	u->s = s;
	u->id = f->f->id;
	u->sk = (struct rst_as_sock){-1, -1};
	u->next = all->first;
	all->first = u;
	all->left++;
	peer = s->peer != 0 ? rst_ux_of(r, s->peer) : NULL;
	if (peer != NULL && is_pair(s) && peer->s != NULL) {
		if (peer->s->peer == s->object && peer->s->type == s->type &&
		    !peer->made)
			rc = rst_ux_pair(r, peer, u, e);
		else if (s->type != SOCK_DGRAM)
			rc = vps_err_say(e, -EBADMSG, "unix socket pairs");
	} else if (is_pair(s) && s->peer == 0) {
		rc = rst_ux_half(r, u, e);
	}
	if (rc == 0 && u->sk.fd < 0) {
		if (s->state == 2)
			as = (struct rst_as){(pid_t)s->cred_pid, s->cred_uid,
			    s->cred_gid, s->cred_groups, s->n_cred_groups};
		else if (s->waiting)
			as = (struct rst_as){(pid_t)s->call_pid, s->call_uid,
			    s->call_gid, s->call_groups, s->n_call_groups};
		rc = rst_as_socket(r, &as, (int)s->type, &u->sk, e);
	}
	if (rc < 0)
		rst_ux_door_close(r);
	f->fd = u->sk.fd;
	return rc;
}

static int
take_queue(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_unixqueue *q = rec;
	struct rst_ux *u = rst_ux_of(r, q->object);

	if (u == NULL)
		return vps_err_set(e, -ENOMEM, "unix queue");
	if (u->q != NULL)
		return vps_err_say(e, -EBADMSG, "unix queue");
	u->q = q;
	return 0;
}

/* --- link --- */

static int
name(struct rst *r, struct rst_ux *u, struct vps_err *e)
{
	const struct vd_unixsock *s = u->s;
	char place[PATH_MAX];
	char *slash;
	int rc;

	if (s->name.n == 0 || (u->made && s->type != SOCK_DGRAM))
		return 0;
	if (strlen(s->path) >= sizeof(place))
		return vps_err_say(e, -EBADMSG, "path of a unix socket");
	strcpy(place, s->path);
	slash = strrchr(place, '/');
	if (slash != NULL)
		slash[slash == place] = '\0';
	rc = rst_bind(r, u->sk.fd, s->name.p, s->name.n,
	    slash != NULL ? place : NULL, &u->bind, e);
	if (rc < 0)
		return rc;
	u->bound = true;
	return 0;
}

static int
listen_all(struct rst *r, struct rst_ux *u, struct vps_err *e)
{
	const struct vd_unixsock *s = u->s;
	struct rst_as as = {(pid_t)s->cred_pid, s->cred_uid, s->cred_gid,
	    s->cred_groups, s->n_cred_groups};
	int rc;

	if (s->state != 2)
		return 0;
	rc = rst_as_listen(r, &as, &u->sk, s->backlog, e);
	for (size_t i = 0; i < s->n_clients && rc == 0; i++) {
		struct rst_ux *c = rst_ux_of(r, s->clients[i]);

		if (c == NULL || c->s == NULL || !c->s->waiting || c->made)
			return vps_err_say(e, -EBADMSG,
			    "client in the queue of a unix socket");
		as = (struct rst_as){(pid_t)c->s->call_pid, c->s->call_uid,
		    c->s->call_gid, c->s->call_groups, c->s->n_call_groups};
		rc = rst_as_connect(r, &as, &c->sk,
		    u->bind.top[0] != '\0' ? u->bind.dir : NULL, &u->bind.addr,
		    u->bind.naddr, e);
		c->made = true;
	}
	return rc;
}

/* One-way: whoever is connected to `u` comes first, since a connected socket
 * takes only its own peer. */
static int
connect_dgram(
    struct rst *r, struct rst_ux *u, unsigned depth, struct vps_err *e)
{
	struct rst_ux *peer;
	int rc = 0;

	if (u->s->type != SOCK_DGRAM || u->s->state != 1 || u->made ||
	    u->connected)
		return 0;
	u->connected = true;
	if (depth > 64)
		return vps_err_say(e, -EBADMSG, "unix datagram sockets");
	for (struct rst_ux *o = rst_ux_all(r)->first; o != NULL && rc == 0;
	     o = o->next)
		if (o->s->peer == u->s->object)
			rc = connect_dgram(r, o, depth + 1, e);
	if (rc < 0)
		return rc;
	if (u->s->peer == 0) {
		const struct vd_bytes *to = &u->s->peername;
		struct rst_bind b;
		auto_close int gone =
		    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (gone < 0 || to->n == 0)
			return vps_err_say(e, -EBADMSG,
			    "unix datagram socket: peer without a name");
		rc = rst_bind(r, gone, to->p, to->n, NULL, &b, e);
		if (rc < 0)
			return rc;
		rc = rst_bind_connect(r, u->sk.fd, &b, e);
		rst_bind_drop(r, &b);
		return rc;
	}
	peer = rst_ux_of(r, u->s->peer);
	if (peer == NULL || peer->s == NULL || peer->bind.naddr == 0)
		return vps_err_say(e, -EBADMSG,
		    "unix datagram socket is connected to one without a name");
	return rst_bind_connect(r, u->sk.fd, &peer->bind, e);
}

static int
end_state(struct rst_ux *u, struct vps_err *e)
{
	uint32_t how = u->s->shutdown & 3;

	if (u->spare > 0) {
		/* Unread data at the side that closes resets the other. */
		if (u->s->reset &&
		    send(u->sk.fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return vps_err_set(e, -errno, "unix socket: reset");
		(void)close(u->spare);
		u->spare = 0;
		if (u->s->type != SOCK_DGRAM)
			return 0;
	}
	if (how != 0 && shutdown(u->sk.fd, (int)how - 1) < 0)
		return vps_err_set(e, -errno, "shutdown of a unix socket");
	return 0;
}

static int
link_all(struct rst *r, struct vps_err *e)
{
	struct rst_ux_all *all = rst_ux_all(r);
	struct rst_ux *u;
	int rc = 0;

	rst_ux_door_close(r);
	for (u = all->first; u != NULL; u = u->next)
		if (is_pair(u->s) && !u->made && u->s->type != SOCK_DGRAM)
			return vps_err_say(e, -EBADMSG,
			    "the peer of a unix socket is missing");
	for (u = all->first; u != NULL && rc == 0; u = u->next)
		rc = name(r, u, e);
	for (u = all->first; u != NULL && rc == 0; u = u->next)
		rc = listen_all(r, u, e);
	for (u = all->first; u != NULL && rc == 0; u = u->next)
		if (u->q != NULL)
			rc = rst_ux_fill(r, u, e);
	for (u = all->first; u != NULL && rc == 0; u = u->next)
		rc = connect_dgram(r, u, 0, e);
	for (u = all->first; u != NULL && rc == 0; u = u->next)
		rc = end_state(u, e);
	return rc;
}

static int
link_files(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	struct rst_ux_all *all = rst_ux_all(r);
	int rc;

	(void)f;
	if (all->linked)
		return 0;
	all->linked = true;
	rc = link_all(r, e);
	for (struct rst_ux *u = all->first; rc < 0 && u != NULL; u = u->next)
		if (u->bound)
			rst_bind_drop(r, &u->bind);
	return rc;
}

/* --- finish --- */

static int
set_opt(int fd, uint64_t opt, uint64_t val)
{
	struct timeval tv = {(time_t)(val / 1000000), (long)(val % 1000000)};
	struct linger l = {1, (int)val};
	int v = (int)val;
	const void *p = &v;
	socklen_t n = sizeof(v);

	if (opt == SO_RCVTIMEO || opt == SO_SNDTIMEO) {
		p = &tv;
		n = sizeof(tv);
	} else if (opt == SO_LINGER) {
		p = &l;
		n = sizeof(l);
	}
	return setsockopt(fd, SOL_SOCKET, (int)opt, p, n) < 0 ? -errno : 0;
}

/* The kernel doubles what it is given. */
static void
set_size(int fd, int opt, uint32_t size)
{
	int v = 0, half = (int)(size / 2);
	socklen_t n = sizeof(v);

	if (size == 0 || (getsockopt(fd, SOL_SOCKET, opt, &v, &n) == 0 &&
			     (uint32_t)v == size))
		return;
	(void)setsockopt(fd, SOL_SOCKET, opt, &half, sizeof(half));
}

static int
set_filter(int fd, const struct vd_unixsock *s, struct vps_err *e)
{
	struct sock_fprog p = {
	    .len = (unsigned short)(s->filter.n / sizeof(struct sock_filter)),
	    .filter = (struct sock_filter *)(uintptr_t)s->filter.p};
	int one = 1;

	if (s->filter.n > 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) < 0)
		return vps_err_set(e, -errno, "filter of a unix socket");
	if (s->filter_locked &&
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0)
		return vps_err_set(e, -errno, "lock filter of a unix socket");
	return 0;
}

static int
finish(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	const struct vd_unixsock *s = f->rec;
	struct rst_ux_all *all = rst_ux_all(r);
	struct rst_ux *u;
	int rc;

	for (size_t i = 0; i + 1 < s->n_opts; i += 2) {
		rc = set_opt(f->fd, s->opts[i], s->opts[i + 1]);
		if (rc < 0)
			return vps_err_set(e, rc, "unix socket: option %u",
			    (unsigned)s->opts[i]);
	}
	set_size(f->fd, SO_SNDBUF, s->sndbuf);
	set_size(f->fd, SO_RCVBUF, s->rcvbuf);
	rc = set_filter(f->fd, s, e);
	if (rc < 0)
		return rc;
	if (fchmod(f->fd, s->mode & 07777) < 0 ||
	    fchown(f->fd, s->uid, s->gid) < 0)
		return vps_err_set(e, -errno, "owner of a unix socket");
	if (--all->left > 0)
		return 0;
	for (u = all->first; u != NULL; u = u->next) {
		struct rst_bind_meta m = {u->s->path_mode & 07777,
		    u->s->path_uid, u->s->path_gid, u->s->path_atime,
		    u->s->path_mtime};

		if (!u->bound)
			continue;
		if (rc == 0 && u->s->path[0] != '\0' && u->bind.top[0] != '\0')
			rc = rst_bind_publish(r, &u->bind, u->s->path, &m, e);
		rst_bind_drop(r, &u->bind);
		u->bound = false;
	}
	return rc;
}

const struct rst_kind rst_unixsock = {
    .number = VD_T_unixsock,
    .make = make,
    .link = link_files,
    .finish = finish,
};

const struct rst_rec rst_rec_unixqueue = {
    .number = VD_T_unixqueue,
    .take = take_queue,
};
