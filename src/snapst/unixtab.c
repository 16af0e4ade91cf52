/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The unix sockets of the instance's network namespace, asked once for a check
 * and once for a dump, and the pids that they show.
 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "snapst/unixsock_i.h"

#define FROZEN ((uint64_t)1 << 33)
#define ICONS  ((uint64_t)1 << 32)

struct table {
	bool loaded;
	struct snap_ux *wanted;
};

static struct snap_ux *
entry(struct snap *s, uint64_t phase, uint32_t ino)
{
	return snap_slot(s, VD_T_unixsock, phase | ino, sizeof(struct snap_ux));
}

static int
keep(struct snap *s, uint64_t phase, struct sys_unixsk *d)
{
	struct snap_ux *u = entry(s, phase, d->ino);
	size_t n = d->nicons * sizeof(*d->icons);

	if (u == NULL)
		return -ENOMEM;
	u->known = true;
	u->d = *d;
	u->d.icons = NULL;
	if (n == 0)
		return 0;
	u->d.icons = snap_slot(s, VD_T_unixsock, phase | ICONS | d->ino, n);
	if (u->d.icons == NULL)
		return -ENOMEM;
	memcpy(u->d.icons, d->icons, n);
	for (size_t i = 0; i < d->nicons; i++) {
		struct snap_ux *c = entry(s, phase, d->icons[i]);

		if (c == NULL)
			return -ENOMEM;
		if (d->icons[i] == 0)
			u->lost = true;
		else
			c->waiting = true;
	}
	return 0;
}

static int
load(struct snap *s, uint64_t phase, const struct sys_unixsk *t, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		struct sys_unixsk d = t[i];

		r = keep(s, phase, &d);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		struct snap_ux *u = entry(s, phase, t[i].ino);

		for (size_t k = 0; k < n && t[i].nname > 0; k++)
			if (t[k].state == 10 && k != i &&
			    t[k].type == t[i].type &&
			    t[k].nname == t[i].nname &&
			    memcmp(t[k].name, t[i].name, t[i].nname) == 0)
				u->accepted = true;
	}
	return r;
}

int
snap_ux_get(struct snap *s, bool frozen, uint32_t ino, struct snap_ux **ret,
    struct vps_err *e)
{
	uint64_t phase = frozen ? FROZEN : 0;
	struct table *tab =
	    snap_slot(s, VD_T_unixmsg, phase, sizeof(struct table));
	struct snap_ux *u;

	if (tab == NULL)
		return vps_err_set(e, -ENOMEM, "unix sockets");
	if (!tab->loaded) {
		auto_close int ns = -1;
		struct sys_unixsk *t;
		char path[48];
		size_t n;
		int r;

		(void)snprintf(
		    path, sizeof(path), "/proc/%d/ns/net", snap_init(s));
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			return vps_err_set(e, -errno, "open %s", path);
		r = sys_unixdiag(ns, &t, &n);
		if (r < 0)
			return vps_err_set(e, r, "sock_diag for unix sockets");
		r = load(s, phase, t, n);
		sys_unixdiag_free(t, n);
		if (r < 0)
			return vps_err_set(e, r, "unix sockets");
		tab->loaded = true;
	}
	u = entry(s, phase, ino);
	if (u == NULL)
		return vps_err_set(e, -ENOMEM, "unix sockets");
	*ret = ino != 0 && u->known ? u : NULL;
	return 0;
}

void
snap_ux_want(struct snap *s, struct snap_ux *u)
{
	struct table *tab =
	    snap_slot(s, VD_T_unixmsg, FROZEN, sizeof(struct table));

	if (tab == NULL || u->wanted)
		return;
	u->wanted = true;
	u->next_wanted = tab->wanted;
	tab->wanted = u;
}

int
snap_ux_end(struct snap *s, struct vps_err *e)
{
	struct table *tab =
	    snap_slot(s, VD_T_unixmsg, FROZEN, sizeof(struct table));

	if (tab == NULL)
		return vps_err_set(e, -ENOMEM, "unix sockets");
	for (struct snap_ux *u = tab->wanted; u != NULL; u = u->next_wanted)
		if (!u->dumped)
			return vps_err_say(e, -EOPNOTSUPP,
			    "a unix socket (inode %u) is connected to one that "
			    "no process of the instance holds (inode %u)",
			    u->d.peer, u->d.ino);
	return 0;
}

/* --- pids of processes that are gone --- */

struct peek {
	int fd, off; /* off -1: SO_PEERCRED */
	struct ucred cred;
	int r;
};

static void
look(struct peek *p)
{
	char data[1], ctl[CMSG_SPACE(253 * sizeof(int)) + 256];
	struct iovec iov = {data, 1};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	socklen_t len = sizeof(p->cred);

	p->r = -ENODATA;
	if (p->off < 0) {
		p->r =
		    getsockopt(p->fd, SOL_SOCKET, SO_PEERCRED, &p->cred, &len);
		return;
	}
	if (setsockopt(
		p->fd, SOL_SOCKET, SO_PEEK_OFF, &p->off, sizeof(p->off)) < 0 ||
	    recvmsg(p->fd, &m, MSG_PEEK | MSG_DONTWAIT) < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL;
	     c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&p->cred, CMSG_DATA(c), sizeof(p->cred));
		p->r = 0;
	}
}

/* Only a process in the instance's pid namespace is told what a dead process'
 * number was there. */
static int
look_inside(struct snap *s, struct peek *p)
{
	auto_close int ns = -1;
	struct peek *sh;
	struct stat a, b;
	char path[48];
	pid_t pid;
	int st;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", snap_init(s));
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || fstat(ns, &a) < 0 || stat("/proc/self/ns/pid", &b) < 0)
		return -errno;
	if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
		return 0; /* the number is right already */
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED)
		return -errno;
	*sh = *p;
	sh->r = -ESRCH;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_DUMPABLE, 0);
		if (setns(ns, CLONE_NEWPID) < 0)
			_exit(1);
		pid = fork();
		if (pid == 0) {
			look(sh);
			_exit(0);
		}
		(void)waitpid(pid, &st, 0);
		_exit(0);
	}
	if (pid > 0)
		(void)waitpid(pid, &st, 0);
	p->r = sh->r;
	p->cred.pid = sh->r == 0 ? sh->cred.pid : 0;
	(void)munmap(sh, sizeof(*sh));
	return p->r;
}

static pid_t
pid_in(struct snap *s, struct peek *p)
{
	pid_t in;

	if (p->cred.pid <= 0)
		return 0;
	in = snap_pid_in(s, p->cred.pid);
	if (in > 0)
		return in;
	return look_inside(s, p) == 0 ? p->cred.pid : 0;
}

int
snap_ux_peercred(struct snap *s, int fd, struct ucred *ret)
{
	struct peek p = {.fd = fd, .off = -1};

	look(&p);
	if (p.r < 0)
		return -errno;
	*ret = p.cred;
	if (p.cred.uid == (uid_t)-1)
		return 0;
	ret->uid = snap_uid(s, p.cred.uid);
	ret->gid = snap_gid(s, p.cred.gid);
	ret->pid = pid_in(s, &p);
	return 0;
}

int
snap_ux_msgcred(struct snap *s, int fd, int off, struct ucred *io)
{
	struct peek p = {.fd = fd, .off = off, .cred = *io};

	io->uid = snap_uid(s, io->uid);
	io->gid = snap_gid(s, io->gid);
	io->pid = pid_in(s, &p);
	return 0;
}
