/* SPDX-License-Identifier: BSD-2-Clause
 * The common part of internet sockets: addresses, options, buffers, owner. */
#include "restore/inet.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#define LOCK_SND 1
#define LOCK_RCV 2

static int
end_of(const struct vd_inetsock *x, const struct vd_bytes *a, uint32_t port,
    uint32_t scope, struct inet_end *ret)
{
	*ret = (struct inet_end){0};
	if (a->n == 0)
		return 0;
	if (port > UINT16_MAX || a->n != (x->family == AF_INET ? 4u : 16u))
		return -EBADMSG;
	if (x->family == AF_INET) {
		struct sockaddr_in *s = (void *)&ret->ss;

		s->sin_family = AF_INET;
		s->sin_port = htons((uint16_t)port);
		memcpy(&s->sin_addr, a->p, 4);
		ret->len = sizeof(*s);
	} else {
		struct sockaddr_in6 *s = (void *)&ret->ss;

		s->sin6_family = AF_INET6;
		s->sin6_port = htons((uint16_t)port);
		s->sin6_scope_id = scope;
		memcpy(&s->sin6_addr, a->p, 16);
		ret->len = sizeof(*s);
	}
	return 0;
}

int
inet_ends(const struct vd_inetsock *x, struct inet_end *own,
    struct inet_end *peer, struct vps_err *e)
{
	int r = -EBADMSG;

	if (x->family == AF_INET || x->family == AF_INET6) {
		r = end_of(x, &x->laddr, x->lport, x->lscope, own);
		if (r >= 0)
			r = end_of(x, &x->raddr, x->rport, x->rscope, peer);
	}
	if (r < 0)
		return vps_err_say(e, r, "a socket's addresses make no sense");
	return 0;
}

static bool
is_opt(const struct vd_sockopt *o, int level, int name)
{
	return o->level == (uint32_t)level && o->name == (uint32_t)name;
}

static int
set_opts(int fd, const struct vd_inetsock *x, enum sys_opt_when when,
    struct vps_err *e)
{
	for (size_t i = 0; i < x->n_opts; i++) {
		const struct vd_sockopt *o = &x->opts[i];
		enum sys_opt_when w;
		int r = sys_opt_when((int)o->level, (int)o->name, &w);

		if (r >= 0 &&
		    (w != when || is_opt(o, SOL_SOCKET, SO_REUSEADDR)))
			continue;
		if (r >= 0)
			r = sys_opt_set(fd, (int)o->level, (int)o->name,
			    o->value.p, o->value.n);
		if (r < 0)
			return vps_err_set(e, r, "socket option %s (%u, %u)",
			    sys_opt_name((int)o->level, (int)o->name), o->level,
			    o->name);
	}
	return 0;
}

int
inet_reuse(const struct vd_inetsock *x)
{
	for (size_t i = 0; i < x->n_opts; i++)
		if (is_opt(&x->opts[i], SOL_SOCKET, SO_REUSEADDR))
			return 1;
	return 0;
}

int
inet_socket(const struct vd_inetsock *x, int type, int proto, struct vps_err *e)
{
	auto_close int fd = socket((int)x->family, type | SOCK_CLOEXEC, proto);
	int r;

	if (fd < 0)
		return vps_err_set(e, -errno, "socket");
	r = set_opts(fd, x, SYS_OPT_EARLY, e);
	return r < 0 ? r : take_fd(&fd);
}

/* Two sockets that share a port may have been bound in an order, or with
 * options, that can't be seen any more. With the option set they can always
 * share it, as long as none of them listens. */
int
inet_bind(int fd, const struct inet_end *own, struct vps_err *e)
{
	int r = sys_opt_put(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r >= 0 && bind(fd, (const struct sockaddr *)&own->ss, own->len) < 0)
		r = -errno;
	return r < 0 ? vps_err_set(e, r, "bind") : 0;
}

/* The kernel doubles what it is given. */
int
inet_late(int fd, const struct vd_inetsock *x, struct vps_err *e)
{
	int r = 0;

	if ((x->buflock & LOCK_SND) != 0)
		r = sys_opt_put(
		    fd, SOL_SOCKET, SO_SNDBUF, (int)(x->sndbuf / 2));
	if (r >= 0 && (x->buflock & LOCK_RCV) != 0)
		r = sys_opt_put(
		    fd, SOL_SOCKET, SO_RCVBUF, (int)(x->rcvbuf / 2));
	if (r < 0)
		return vps_err_set(e, r, "socket buffer");
	return set_opts(fd, x, SYS_OPT_LATE, e);
}

static int
set_filter(int fd, const struct vd_bytes *b)
{
	struct sock_filter f[BPF_MAXINSNS];
	struct sock_fprog p = {.filter = f};

	if (b->n == 0)
		return 0;
	if (b->n > sizeof(f) || b->n % sizeof(f[0]) != 0)
		return -EBADMSG;
	memcpy(f, b->p, b->n);
	p.len = (unsigned short)(b->n / sizeof(f[0]));
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) < 0
		   ? -errno
		   : 0;
}

int
inet_last(int fd, const struct vd_inetsock *x, struct vps_err *e)
{
	int r = sys_opt_put(fd, SOL_SOCKET, SO_REUSEADDR, inet_reuse(x));

	if (r >= 0)
		r = set_filter(fd, &x->filter);
	if (r < 0)
		return vps_err_set(e, r, "filter of a socket");
	r = set_opts(fd, x, SYS_OPT_LAST, e);
	if (r < 0)
		return r;
	if ((x->uid != 0 || x->gid != 0) && x->uid != UINT32_MAX &&
	    x->gid != UINT32_MAX && fchown(fd, x->uid, x->gid) < 0)
		return vps_err_set(e, -errno, "owner of a socket");
	return 0;
}
