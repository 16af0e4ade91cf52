/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connections. Both ends unnamed: socketpair(2). Else the named one was
 * accepted: it is accepted again from a listener of that name, made for it and
 * closed before the real one comes. Each call is made by the process that the
 * other side sees as SO_PEERCRED.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "restore/unixsock_i.h"

static struct rst_as
cred_of(const struct vd_unixsock *s)
{
	if (!s->has_cred)
		return (struct rst_as){0};
	return (struct rst_as){(pid_t)s->cred_pid, s->cred_uid, s->cred_gid,
	    s->cred_groups, s->n_cred_groups};
}

/* Gives a description that `u` was promised to the number it has. */
static int
put(struct rst_ux *u, int fd, struct vps_err *e)
{
	u->made = true;
	if (u->sk.fd < 0) {
		u->sk.fd = fd;
		return 0;
	}
	if (dup3(fd, u->sk.fd, O_CLOEXEC) < 0)
		return vps_err_set(e, -errno, "dup3");
	(void)close(fd);
	return 0;
}

static bool
same_cred(const struct vd_unixsock *a, const struct vd_unixsock *b)
{
	return a->cred_pid == b->cred_pid && a->cred_uid == b->cred_uid &&
	       a->cred_gid == b->cred_gid &&
	       a->n_cred_groups == b->n_cred_groups &&
	       (a->n_cred_groups == 0 ||
		   memcmp(a->cred_groups, b->cred_groups,
		       a->n_cred_groups * sizeof(*a->cred_groups)) == 0);
}

void
rst_ux_door_close(struct rst *r)
{
	struct rst_ux_all *all = rst_ux_all(r);

	if (all->door.fd == 0)
		return;
	(void)close(all->door.fd);
	all->door.fd = 0;
	rst_bind_drop(r, &all->door.bind);
}

/* A listener named `name`, listening as what `cred` shows of its peer. */
static int
door_open(struct rst *r, const struct vd_bytes *name,
    const struct vd_unixsock *cred, struct vps_err *e)
{
	struct rst_ux_all *all = rst_ux_all(r);
	struct rst_as as = cred_of(cred);
	struct rst_as_sock sk;
	int rc;

	if (all->door.fd != 0 && all->door.name.n == name->n &&
	    memcmp(all->door.name.p, name->p, name->n) == 0 &&
	    all->door.cred->type == cred->type &&
	    same_cred(all->door.cred, cred))
		return 0;
	rst_ux_door_close(r);
	rc = rst_as_socket(r, &as, (int)cred->type, &sk, e);
	if (rc < 0)
		return rc;
	rc = rst_bind(r, sk.fd, name->p, name->n, NULL, &all->door.bind, e);
	if (rc < 0) {
		(void)close(sk.fd);
		return rc;
	}
	all->door.fd = sk.fd;
	all->door.name = *name;
	all->door.cred = cred;
	return rst_as_listen(r, &as, &sk, 16, e);
}

/* The accepted end and the connecting one. `client_cred`: what the client sees,
 * `server_cred`: what the accepted end sees; NULL: nobody is left to see. */
static int
through_door(struct rst *r, const struct vd_bytes *name,
    const struct vd_unixsock *client_cred,
    const struct vd_unixsock *server_cred, int *ret_client, int *ret_server,
    struct vps_err *e)
{
	static const struct vd_unixsock nobody = {0};
	struct rst_ux_all *all = rst_ux_all(r);
	struct vd_unixsock anyone = nobody;
	struct rst_as as;
	struct rst_as_sock c;
	int rc;

	if (client_cred == NULL) {
		/* cppcheck-suppress nullPointer ; one of both is there */
		anyone.type = server_cred->type;
		rst_ux_door_close(r);
		client_cred = &anyone;
	}
	rc = door_open(r, name, client_cred, e);
	if (rc < 0)
		return rc;
	as = server_cred != NULL ? cred_of(server_cred) : (struct rst_as){0};
	rc = rst_as_socket(r, &as, (int)client_cred->type, &c, e);
	if (rc == 0)
		rc = rst_as_connect(r, &as, &c,
		    all->door.bind.top[0] != '\0' ? all->door.bind.dir : NULL,
		    &all->door.bind.addr, all->door.bind.naddr, e);
	if (rc == 0) {
		*ret_client = c.fd;
		*ret_server = accept4(all->door.fd, NULL, NULL, SOCK_CLOEXEC);
		if (*ret_server < 0)
			rc = vps_err_set(e, -errno, "accept");
	}
	if (rc < 0 && c.fd >= 0)
		(void)close(c.fd);
	if (client_cred == &anyone)
		rst_ux_door_close(r); /* it points to our stack */
	return rc;
}

/* The name of a client: nobody can come to it, so no file is left. */
static int
name_client(struct rst *r, struct rst_ux *u, struct vps_err *e)
{
	struct rst_bind b;
	int rc;

	if (u->s->name.n == 0)
		return 0;
	rc = rst_bind(r, u->sk.fd, u->s->name.p, u->s->name.n, NULL, &b, e);
	if (rc == 0)
		rst_bind_drop(r, &b);
	return rc;
}

int
rst_ux_pair(
    struct rst *r, struct rst_ux *a, struct rst_ux *b, struct vps_err *e)
{
	struct rst_as as;
	int sv[2], rc;

	/* b: the accepted one, if any. */
	if (a->s->name.n > 0 &&
	    (b->s->name.n == 0 || (a->s->accepted && !b->s->accepted))) {
		struct rst_ux *t = a;

		a = b;
		b = t;
	}
	if (b->s->name.n > 0 && b->s->type != SOCK_DGRAM) {
		rc =
		    through_door(r, &b->s->name, a->s, b->s, &sv[0], &sv[1], e);
	} else {
		as = cred_of(a->s);
		rc = rst_as_socketpair(r, &as, (int)a->s->type, sv, e);
	}
	if (rc < 0)
		return rc;
	rc = put(a, sv[0], e);
	if (rc == 0)
		rc = put(b, sv[1], e);
	/* Datagram sockets get theirs with all that aren't connected. */
	if (rc == 0 && a->s->type != SOCK_DGRAM && b->s->name.n > 0)
		rc = name_client(r, a, e);
	return rc;
}

int
rst_ux_half(struct rst *r, struct rst_ux *a, struct vps_err *e)
{
	const struct vd_unixsock *s = a->s;
	struct rst_as as = cred_of(s);
	int sv[2], rc;

	if (s->type != SOCK_DGRAM && s->peername.n > 0) {
		rc = through_door(r, &s->peername, s, NULL, &sv[0], &sv[1], e);
	} else if (s->type != SOCK_DGRAM && s->name.n > 0) {
		rc = through_door(r, &s->name, NULL, s, &sv[1], &sv[0], e);
	} else {
		rc = rst_as_socketpair(r, &as, (int)s->type, sv, e);
	}
	if (rc < 0)
		return rc;
	a->spare = sv[1];
	rc = put(a, sv[0], e);
	if (rc == 0 && s->type != SOCK_DGRAM && s->peername.n > 0)
		rc = name_client(r, a, e);
	return rc;
}
