/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The common part of internet sockets: addresses, owner, buffers, filter, and
 * those options that differ from a new socket's in the same namespace.
 */
#include "snapst/inet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "sys/netlink.h"
#include "sys/pidfd.h"
#include "sys/sockdiag.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

/* Options of a new socket, asked for once per kind. */
struct fresh {
	bool known;
	struct sys_optval v[SYS_OPTS];
};

int
inet_dup(const struct snap_fd *f)
{
	auto_close int pidfd = -1;
	int fd;

	if (f->fd >= 0)
		fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	else {
		pidfd = sys_pidfd_open_task(f->pid);
		if (pidfd < 0)
			return pidfd;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, f->num, 0);
	}
	return fd < 0 ? -errno : fd;
}

bool
inet_kind_of(const struct snap_fd *f, struct inet_kind *ret)
{
	auto_close int own = -1;
	int fd = f->fd;

	if (!S_ISSOCK(f->st.st_mode) || (f->flags & O_PATH) != 0)
		return false;
	if (fd < 0) {
		own = inet_dup(f);
		fd = own;
	}
	return fd >= 0 &&
	       sys_opt_int(fd, SOL_SOCKET, SO_DOMAIN, &ret->family) >= 0 &&
	       sys_opt_int(fd, SOL_SOCKET, SO_TYPE, &ret->type) >= 0 &&
	       sys_opt_int(fd, SOL_SOCKET, SO_PROTOCOL, &ret->proto) >= 0;
}

int
inet_netns(const struct snap *s)
{
	char path[40];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", snap_init(s));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int
socket_inside(const struct snap *s, const struct inet_kind *k)
{
	auto_close int own = -1, ns = inet_netns(s);
	int fd;

	if (ns < 0)
		return ns;
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(k->family, k->type | SOCK_CLOEXEC, k->proto);
	if (fd < 0)
		fd = -errno;
	if (setns(own, CLONE_NEWNET) < 0)
		abort(); /* going on in a foreign network would be worse */
	return fd;
}

static const struct fresh *
fresh_of(struct snap *s, const struct inet_kind *k, struct vps_err *e)
{
	uint64_t key = (uint64_t)k->family << 48 | (uint64_t)k->type << 32 |
		       (uint32_t)k->proto;
	struct fresh *x = snap_slot(s, VD_T_inetsock, key, sizeof(*x));
	auto_close int fd = -1;

	if (x == NULL) {
		(void)vps_err_set(e, -ENOMEM, "socket options");
		return NULL;
	}
	if (x->known)
		return x;
	fd = socket_inside(s, k);
	if (fd < 0) {
		(void)vps_err_set(e, fd, "a socket inside to compare with");
		return NULL;
	}
	(void)sys_opts_read(fd, x->v);
	x->known = true;
	return x;
}

static void
set_addr(const struct sockaddr_storage *ss, uint8_t *store,
    struct vd_bytes *addr, uint32_t *port, uint32_t *scope)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *a = (const void *)ss;

		memcpy(store, &a->sin_addr, 4);
		*addr = (struct vd_bytes){store, 4};
		*port = ntohs(a->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const void *)ss;

		memcpy(store, &a->sin6_addr, 16);
		*addr = (struct vd_bytes){store, 16};
		*port = ntohs(a->sin6_port);
		*scope = a->sin6_scope_id;
	}
}

static int
read_filter(int fd, struct buf *b)
{
	socklen_t n = 0;
	uint8_t *p;

	/* Lengths are in instructions. */
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &n) < 0)
		return errno == ENOPROTOOPT ? 0 : -errno;
	if (n == 0)
		return 0;
	p = buf_reserve(b, n * sizeof(struct sock_filter));
	if (p == NULL)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, p, &n) < 0)
		return -errno;
	b->len = n * sizeof(struct sock_filter);
	return 0;
}

static void
read_opts(int fd, const struct fresh *fresh, struct inet_facts *x)
{
	unsigned n = sys_opts_read(fd, x->now);

	x->rec.opts = x->opt;
	for (unsigned i = 0; i < n; i++) {
		const struct sys_optval *v = &x->now[i];

		if (v->level < 0 || sys_optval_equal(v, &fresh->v[i]))
			continue;
		x->opt[x->rec.n_opts++] = (struct vd_sockopt){
		    .level = (uint32_t)v->level,
		    .name = (uint32_t)v->name,
		    .value = {v->val, v->len},
		};
	}
}

int
inet_facts(struct snap *s, const struct snap_fd *f, const struct inet_kind *k,
    struct inet_facts *ret, struct vps_err *e)
{
	const struct fresh *fresh = fresh_of(s, k, e);
	struct vd_inetsock *x = &ret->rec;
	struct sockaddr_storage ss = {0};
	socklen_t n = sizeof(ss);
	int v, r;

	memset(ret, 0, sizeof(*ret));
	if (fresh == NULL)
		return e != NULL ? e->code : -EIO;
	x->family = (uint32_t)k->family;
	x->uid = snap_uid(s, f->st.st_uid);
	x->gid = snap_gid(s, f->st.st_gid);
	if (getsockname(f->fd, (struct sockaddr *)&ss, &n) == 0)
		set_addr(&ss, ret->laddr, &x->laddr, &x->lport, &x->lscope);
	n = sizeof(ss);
	if (getpeername(f->fd, (struct sockaddr *)&ss, &n) == 0)
		set_addr(&ss, ret->raddr, &x->raddr, &x->rport, &x->rscope);
	if (sys_opt_int(f->fd, SOL_SOCKET, SO_RCVBUF, &v) >= 0)
		x->rcvbuf = (uint32_t)v;
	if (sys_opt_int(f->fd, SOL_SOCKET, SO_SNDBUF, &v) >= 0)
		x->sndbuf = (uint32_t)v;
	if (sys_opt_int(f->fd, SOL_SOCKET, SO_BUF_LOCK, &v) >= 0)
		x->buflock = (uint32_t)v;
	r = read_filter(f->fd, &ret->filter);
	if (r < 0) {
		inet_facts_fini(ret);
		return vps_err_set(e, r, "filter of a socket");
	}
	x->filter = (struct vd_bytes){ret->filter.data, ret->filter.len};
	read_opts(f->fd, fresh, ret);
	return 0;
}

struct seek {
	uint64_t inode;
	struct inet_facts *x;
};

static int
peer_cb(void *arg, const struct sys_sock *s)
{
	struct seek *k = arg;
	size_t n = k->x->rec.family == AF_INET ? 4 : 16;

	if (s->inode != k->inode)
		return 0;
	memcpy(k->x->raddr, s->dst, n);
	k->x->rec.raddr = (struct vd_bytes){k->x->raddr, n};
	k->x->rec.rport = s->dport;
	return -ECANCELED;
}

int
inet_peer_asked(struct snap *s, const struct snap_fd *f, struct inet_facts *x)
{
	struct seek k = {.inode = f->st.st_ino, .x = x};
	auto_close int ns = inet_netns(s), diag = -1;
	int r;

	if (ns < 0)
		return ns;
	diag = nl_open_at(NETLINK_SOCK_DIAG, ns);
	if (diag < 0)
		return diag;
	r = sys_socks(diag, IPPROTO_TCP, SYS_TCPS(TCP_SYN_SENT), peer_cb, &k);
	return r == -ECANCELED ? 0 : r < 0 ? r : -ENOENT;
}

void
inet_facts_fini(struct inet_facts *x)
{
	buf_fini(&x->filter);
}

void
inet_facts_drop(struct inet_facts *x, int level, int name)
{
	size_t k = 0;

	for (size_t i = 0; i < x->rec.n_opts; i++)
		if (x->opt[i].level != (uint32_t)level ||
		    x->opt[i].name != (uint32_t)name)
			x->opt[k++] = x->opt[i];
	x->rec.n_opts = k;
}
