/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sock_diag(7) for AF_UNIX: one dump of all sockets.
 */
#include "sys/unixdiag.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"

int
sys_socket_in(int nsfd, int domain, int type, int protocol)
{
	auto_close int own = -1;
	int fd, r;

	if (nsfd < 0) {
		fd = socket(domain, type | SOCK_CLOEXEC, protocol);
		return fd < 0 ? -errno : fd;
	}
	own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	if (setns(nsfd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(domain, type | SOCK_CLOEXEC, protocol);
	r = fd < 0 ? -errno : fd;
	if (setns(own, CLONE_NEWNET) < 0) {
		r = -errno;
		if (fd >= 0)
			(void)close(fd);
	}
	return r;
}

static int
parse_one(const struct nlmsghdr *h, struct sys_unixsk *u)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a;
	size_t left;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return -EBADMSG;
	*u = (struct sys_unixsk){.ino = m->udiag_ino,
	    .type = m->udiag_type,
	    .state = m->udiag_state};
	a = (const struct rtattr *)(const void *)(m + 1);
	left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		const void *p = RTA_DATA(a);
		size_t n = RTA_PAYLOAD(a);

		switch (a->rta_type) {
		case UNIX_DIAG_NAME:
			u->nname = n < sizeof(u->name) ? n : sizeof(u->name);
			memcpy(u->name, p, u->nname);
			break;
		case UNIX_DIAG_VFS:
			u->has_vfs = true;
			memcpy(&u->vfs_ino, p, 4);
			break;
		case UNIX_DIAG_PEER:
			u->has_peer = true;
			memcpy(&u->peer, p, 4);
			break;
		case UNIX_DIAG_SHUTDOWN:
			u->shutdown = *(const uint8_t *)p;
			break;
		case UNIX_DIAG_RQLEN:
			memcpy(&u->rqueue, p, 4);
			memcpy(&u->wqueue, (const char *)p + 4, 4);
			break;
		case UNIX_DIAG_ICONS:
			if (n == 0)
				break;
			u->icons = malloc(n);
			if (u->icons == NULL)
				return -ENOMEM;
			memcpy(u->icons, p, n);
			u->nicons = n / 4;
			break;
		}
	}
	return 0;
}

static int
ask(int nl)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} q = {.h = {.nlmsg_len = sizeof(q),
		   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .r = {.sdiag_family = AF_UNIX,
		.udiag_states = ~0u,
		.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS |
			      UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS |
			      UDIAG_SHOW_RQLEN}};

	return send(nl, &q, sizeof(q), 0) < 0 ? -errno : 0;
}

int
sys_unixdiag(int nsfd, struct sys_unixsk **ret, size_t *ret_n)
{
	auto_close int nl = -1;
	auto_free char *buf = malloc(65536);
	struct sys_unixsk *t = NULL;
	size_t n = 0, cap = 0;
	int r;

	if (buf == NULL)
		return -ENOMEM;
	nl = sys_socket_in(nsfd, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
	if (nl < 0)
		return nl;
	r = ask(nl);
	while (r == 0) {
		ssize_t got = recv(nl, buf, 65536, 0);
		struct nlmsghdr *h = (void *)buf;
		size_t left;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			r = -errno;
			break;
		}
		left = (size_t)got;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE) {
				*ret = t;
				*ret_n = n;
				return 0;
			}
			if (h->nlmsg_type == NLMSG_ERROR) {
				struct nlmsgerr *x = NLMSG_DATA(h);

				r = x->error != 0 ? x->error : -EBADMSG;
				break;
			}
			if (n == cap) {
				struct sys_unixsk *q;

				cap = cap != 0 ? 2 * cap : 64;
				q = reallocarray(t, cap, sizeof(*t));
				if (q == NULL) {
					r = -ENOMEM;
					break;
				}
				t = q;
			}
			r = parse_one(h, &t[n]);
			n++;
			if (r < 0)
				break;
		}
	}
	sys_unixdiag_free(t, n);
	return r;
}

void
sys_unixdiag_free(struct sys_unixsk *t, size_t n)
{
	for (size_t i = 0; t != NULL && i < n; i++)
		free(t[i].icons);
	free(t);
}
