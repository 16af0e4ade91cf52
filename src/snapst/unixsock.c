/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unix sockets: what getsockopt(2), sock_diag(7) and SIOCUNIXFILE tell. Queues
 * are in unixqueue.c. A socket is known by its inode number.
 *
 * Connections that wait to be accepted have no descriptor: their clients are
 * known, what these have already sent isn't. Then the dump fails with -EAGAIN:
 * the instance has to run a little so that its server accepts.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/buf.h"
#include "snapst/kinds.h"
#include "snapst/unixsock_i.h"
#include "sys/proc.h"

#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

static bool
match(const struct snap_fd *f)
{
	int v;
	socklen_t n = sizeof(v);

	if (!S_ISSOCK(f->st.st_mode))
		return false;
	/* Only unix sockets say how many descriptors fly in them. */
	if (f->fd < 0)
		return strstr(f->info, "scm_fds:") != NULL;
	return getsockopt(f->fd, SOL_SOCKET, SO_DOMAIN, &v, &n) == 0 &&
	       v == AF_UNIX;
}

static int
check(struct snap *s, const struct snap_fd *f)
{
	struct snap_ux *u, *p;
	int r = snap_ux_get(s, false, (uint32_t)f->st.st_ino, &u, NULL);

	if (r < 0)
		return r;
	if (u == NULL) {
		snap_object(s, f,
		    "unix socket of another network namespace: can't be "
		    "carried; close it");
		return 0;
	}
	if (!u->d.has_peer || u->d.peer == 0)
		return 0;
	r = snap_ux_get(s, false, u->d.peer, &p, NULL);
	if (r == 0 && p == NULL)
		snap_object(s, f,
		    "unix socket %.*s is connected to a process outside the "
		    "instance: can't be carried; close it",
		    (int)u->d.nname, u->d.name[0] != '\0' ? u->d.name : "");
	return r;
}

/* --- gathering --- */

struct facts {
	struct vd_unixsock rec;
	struct sockaddr_un name, peername;
	uint64_t clients[4096];
	uint32_t groups[1024], callers[1024];
	uint64_t opts[64];
	struct sock_filter filter[4096];
	char path[4096];
};

static int
get_name(int fd, bool peer, struct sockaddr_un *a, struct vd_bytes *ret)
{
	socklen_t n = sizeof(*a);
	int r = peer ? getpeername(fd, (struct sockaddr *)a, &n)
		     : getsockname(fd, (struct sockaddr *)a, &n);

	if (r < 0)
		return -errno;
	if (n > sizeof(*a))
		return -ENAMETOOLONG;
	if (n <= sizeof(sa_family_t))
		return 0;
	ret->p = (const uint8_t *)a->sun_path;
	ret->n = n - sizeof(sa_family_t);
	/* The kernel counts the NUL behind a path. */
	if (a->sun_path[0] != '\0')
		ret->n = strnlen(a->sun_path, ret->n);
	return 0;
}

/* Where the bound inode is now; none if it was removed. */
static int
get_path(
    struct snap *s, const struct snap_fd *f, struct facts *x, struct vps_err *e)
{
	auto_close int fd = ioctl(f->fd, SIOCUNIXFILE, 0);
	struct vd_unixsock *u = &x->rec;
	char proc[64];
	struct stat st;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return vps_err_set(
		    e, -errno, "file of unix socket %s", x->name.sun_path);
	if (fstat(fd, &st) < 0)
		return vps_err_set(e, -errno, "stat");
	if (st.st_nlink == 0)
		return 0;
	if (st.st_nlink > 1)
		return vps_err_say(e, -EOPNOTSUPP,
		    "unix socket %s has several names (hard links): can't be "
		    "carried",
		    x->name.sun_path);
	(void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, x->path, sizeof(x->path) - 1);
	if (n < 0)
		return vps_err_set(e, -errno, "readlink");
	x->path[n] = '\0';
	u->path = x->path;
	u->path_mode = st.st_mode & 07777;
	u->path_uid = snap_uid(s, st.st_uid);
	u->path_gid = snap_gid(s, st.st_gid);
	u->path_atime = st.st_atim.tv_sec * 1000000000 + st.st_atim.tv_nsec;
	u->path_mtime = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return 0;
}

static int
get_cred(
    struct snap *s, const struct snap_fd *f, struct facts *x, struct vps_err *e)
{
	struct vd_unixsock *u = &x->rec;
	socklen_t n = sizeof(x->groups);
	struct ucred c;
	int r = snap_ux_peercred(s, f->fd, &c);

	if (r < 0)
		return vps_err_set(e, r, "unix socket: SO_PEERCRED");
	if (c.uid == (uid_t)-1 && c.pid == 0)
		return 0;
	u->has_cred = 1;
	u->cred_pid = (uint32_t)c.pid;
	u->cred_uid = c.uid;
	u->cred_gid = c.gid;
	if (getsockopt(f->fd, SOL_SOCKET, SO_PEERGROUPS, x->groups, &n) < 0)
		return errno == ENODATA ? 0
					: vps_err_set(e, -errno,
					      "unix socket: SO_PEERGROUPS");
	u->n_cred_groups = n / sizeof(*x->groups);
	u->cred_groups = x->groups;
	for (size_t i = 0; i < u->n_cred_groups; i++)
		x->groups[i] = snap_gid(s, x->groups[i]);
	return 0;
}

/* Who connected a waiting client isn't known; taken is who holds it. */
static int
get_caller(
    struct snap *s, const struct snap_fd *f, struct facts *x, struct vps_err *e)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct vd_unixsock *u = &x->rec;
	struct sys_pstatus st;
	int r;

	if (f->pid == 0)
		return 0;
	r = proc < 0 ? -errno : sys_pstatus_read(proc, f->pid, f->pid, &st);
	if (r < 0)
		return vps_err_set(e, r, "status of process %d", f->pid_in);
	u->call_pid = (uint32_t)f->pid_in;
	u->call_uid = snap_uid(s, st.uid[1]);
	u->call_gid = snap_gid(s, st.gid[1]);
	for (; u->n_call_groups < st.n_groups &&
	       u->n_call_groups < ARRAY_LEN(x->callers);
	     u->n_call_groups++)
		x->callers[u->n_call_groups] =
		    snap_gid(s, st.groups[u->n_call_groups]);
	u->call_groups = x->callers;
	sys_pstatus_fini(&st);
	return 0;
}

static void
add_opt(struct facts *x, uint64_t opt, uint64_t val)
{
	struct vd_unixsock *u = &x->rec;

	if (u->n_opts + 2 > ARRAY_LEN(x->opts))
		return;
	u->opts = x->opts;
	x->opts[u->n_opts++] = opt;
	x->opts[u->n_opts++] = val;
}

/* Options whose value isn't the one of a new socket. */
static void
get_opts(int fd, struct facts *x)
{
	static const struct {
		int opt, preset;
	} ints[] = {
	    {SO_REUSEADDR, 0},
	    {SO_DONTROUTE, 0},
	    {SO_BROADCAST, 0},
	    {SO_KEEPALIVE, 0},
	    {SO_OOBINLINE, 0},
	    {SO_PRIORITY, 0},
	    {SO_PASSCRED, 0},
	    {SO_RCVLOWAT, 1},
	    {29 /* SO_TIMESTAMP_OLD */, 0},
	    {34 /* SO_PASSSEC */, 0},
	    {35 /* SO_TIMESTAMPNS_OLD */, 0},
	    {36 /* SO_MARK */, 0},
	    {40 /* SO_RXQ_OVFL */, 0},
	    {42 /* SO_PEEK_OFF */, -1},
	    {63 /* SO_TIMESTAMP_NEW */, 0},
	    {64 /* SO_TIMESTAMPNS_NEW */, 0},
	    {76 /* SO_PASSPIDFD */, 0},
	    {83 /* SO_PASSRIGHTS */, 1},
	    {84 /* SO_INQ */, 0},
	};
	struct timeval tv;
	struct linger l;
	socklen_t n;
	int v;

	for (size_t i = 0; i < ARRAY_LEN(ints); i++) {
		n = sizeof(v);
		if (getsockopt(fd, SOL_SOCKET, ints[i].opt, &v, &n) == 0 &&
		    v != ints[i].preset)
			add_opt(x, (uint64_t)ints[i].opt, (uint32_t)v);
	}
	for (int opt = SO_RCVTIMEO; opt <= SO_SNDTIMEO; opt++) {
		n = sizeof(tv);
		if (getsockopt(fd, SOL_SOCKET, opt, &tv, &n) == 0 &&
		    (tv.tv_sec != 0 || tv.tv_usec != 0))
			add_opt(x, (uint64_t)opt,
			    (uint64_t)tv.tv_sec * 1000000 +
				(uint64_t)tv.tv_usec);
	}
	n = sizeof(l);
	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &n) == 0 && l.l_onoff)
		add_opt(x, SO_LINGER, (uint32_t)l.l_linger);
	n = sizeof(v);
	(void)getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, &n);
	x->rec.sndbuf = (uint32_t)v;
	n = sizeof(v);
	(void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &n);
	x->rec.rcvbuf = (uint32_t)v;
	/* SO_GET_FILTER counts in instructions. */
	n = ARRAY_LEN(x->filter);
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, x->filter, &n) == 0 &&
	    n > 0)
		x->rec.filter = (struct vd_bytes){
		    (const uint8_t *)x->filter, n * sizeof(x->filter[0])};
	n = sizeof(v);
	if (getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &v, &n) == 0)
		x->rec.filter_locked = (uint32_t)v;
}

/* What has become of a peer that is gone. */
static int
get_state(struct snap *s, const struct snap_fd *f, struct snap_ux *u,
    struct facts *x, struct vps_err *e)
{
	struct pollfd p = {.fd = f->fd};
	struct vd_unixsock *rec = &x->rec;
	struct snap_ux *peer;
	int r;

	rec->state = u->d.state == 10 ? 2 : u->d.has_peer ? 1 : 0;
	rec->shutdown = u->d.shutdown;
	rec->accepted = u->accepted;
	if (poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0)
		rec->reset = 1;
	if (rec->state == 2) {
		if (u->lost)
			return vps_err_say(e, -EAGAIN,
			    "a client of unix socket %.*s was closed before it "
			    "was accepted",
			    (int)u->d.nname, u->d.name);
		if (u->d.nicons > ARRAY_LEN(x->clients))
			return vps_err_say(e, -E2BIG,
			    "too many connections wait to be accepted");
		rec->backlog = u->d.wqueue;
		for (size_t i = 0; i < u->d.nicons; i++)
			x->clients[i] = u->d.icons[i];
		rec->clients = x->clients;
		rec->n_clients = u->d.nicons;
	}
	if (rec->state != 1)
		return 0;
	rec->peer = u->d.peer;
	rec->waiting = u->waiting;
	/* What was sent and not read yet counts at the sender. */
	if (u->waiting && u->d.wqueue > 0)
		return vps_err_say(e, -EAGAIN,
		    "process %d fd %d has sent data to unix socket %s%s, which "
		    "hasn't accepted the connection yet; try again",
		    f->pid_in, f->num,
		    x->peername.sun_path[0] == '\0' ? "@" : "",
		    x->peername.sun_path + (x->peername.sun_path[0] == '\0'));
	if (u->waiting)
		return get_caller(s, f, x, e);
	if (rec->peer == 0)
		return 0;
	r = snap_ux_get(s, true, (uint32_t)rec->peer, &peer, e);
	if (r == 0 && peer == NULL)
		r = vps_err_say(e, -EOPNOTSUPP,
		    "process %d fd %d: unix socket is connected to a process "
		    "outside the instance",
		    f->pid_in, f->num);
	if (r == 0)
		snap_ux_want(s, peer);
	return r;
}

static int
dump(struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	auto_free struct facts *x = calloc(1, sizeof(*x));
	struct vd_unixsock *rec;
	struct snap_ux *u;
	int r, v = 0;
	socklen_t n = sizeof(v);

	if (x == NULL)
		return vps_err_set(e, -ENOMEM, "unix socket");
	r = snap_ux_get(s, true, (uint32_t)f->st.st_ino, &u, e);
	if (r < 0)
		return r;
	if (u == NULL)
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %d fd %d: unix socket of another network "
		    "namespace",
		    f->pid_in, f->num);
	rec = &x->rec;
	rec->id = id;
	rec->object = f->st.st_ino;
	(void)getsockopt(f->fd, SOL_SOCKET, SO_TYPE, &v, &n);
	rec->type = (uint32_t)v;
	rec->mode = f->st.st_mode & 07777;
	rec->uid = snap_uid(s, f->st.st_uid);
	rec->gid = snap_gid(s, f->st.st_gid);
	r = get_name(f->fd, false, &x->name, &rec->name);
	if (r < 0)
		return vps_err_set(e, r, "name of a unix socket");
	r = get_name(f->fd, true, &x->peername, &rec->peername);
	if (r < 0 && r != -ENOTCONN)
		return vps_err_set(e, r, "name of a unix socket's peer");
	r = get_state(s, f, u, x, e);
	/* The file of a connected one leads nowhere or to the listener. */
	if (r == 0 && rec->name.n > 0 && rec->name.p[0] != '\0' &&
	    (rec->state != 1 || rec->type == SOCK_DGRAM))
		r = get_path(s, f, x, e);
	if (rec->path == NULL)
		rec->path = "";
	if (r == 0)
		r = get_cred(s, f, x, e);
	if (r < 0)
		return r;
	get_opts(f->fd, x);
	u->dumped = true;
	r = vd_put(snap_writer(s), &vd_type_unixsock, rec);
	return r < 0 ? vps_err_set(e, r, "write the image") : 0;
}

static int
dump_refs(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct snap_ux *u;
	int r, type = 0;
	socklen_t n = sizeof(type);

	(void)id;
	r = snap_ux_get(s, true, (uint32_t)f->st.st_ino, &u, e);
	if (r < 0 || u == NULL || u->d.state == 10)
		return r;
	(void)getsockopt(f->fd, SOL_SOCKET, SO_TYPE, &type, &n);
	return snap_ux_queue(s, f, type, e);
}

const struct snap_kind snap_unixsock = {
    .name = "unix socket",
    .number = VD_T_unixsock,
    .match = match,
    .check = check,
    .dump = dump,
    .dump_refs = dump_refs,
    .dump_end = snap_ux_end,
};
