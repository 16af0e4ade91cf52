/* SPDX-License-Identifier: BSD-2-Clause
 * Who is at the other end of a unix socket: another user, one that is gone;
 * whose messages wait; one-way datagrams to a name. */
#include <grp.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "payload.h"

static void
peer_is(int fd, pid_t pid, uid_t uid, gid_t gid)
{
	socklen_t n = sizeof(struct ucred);
	struct ucred c;

	pl_ok(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n));
	pl_eq(c.pid, pid);
	pl_eq(c.uid, uid);
	pl_eq(c.gid, gid);
}

static void
next_is(int fd, const char *want, pid_t pid, uid_t uid)
{
	_Alignas(struct cmsghdr) char ctl[256];
	char buf[64];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	struct cmsghdr *h;
	struct ucred c;

	pl_eq(recvmsg(fd, &m, MSG_DONTWAIT), (ssize_t)strlen(want));
	pl_check(memcmp(buf, want, strlen(want)) == 0);
	h = CMSG_FIRSTHDR(&m);
	pl_check(h != NULL && h->cmsg_type == SCM_CREDENTIALS);
	memcpy(&c, CMSG_DATA(h), sizeof(c));
	pl_eq(c.pid, pid);
	pl_eq(c.uid, uid);
}

/* Connects as another user and says something; then goes or stays. */
static pid_t
client(const struct sockaddr_un *a, socklen_t n, uid_t uid, const char *log,
    int stay)
{
	pid_t pid = pl_ok(fork());
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	gid_t groups[2] = {uid + 2, uid + 3};
	int s, d;
	char c;

	if (pid != 0)
		return pid;
	pl_ok(setgroups(2, groups));
	pl_ok(setresgid(uid + 1, uid + 1, uid + 1));
	pl_ok(setresuid(uid, uid, uid));
	s = pl_ok(socket(AF_UNIX, SOCK_STREAM, 0));
	pl_ok(connect(s, (const struct sockaddr *)a, n));
	d = pl_ok(socket(AF_UNIX, SOCK_DGRAM, 0));
	strcpy(to.sun_path, log);
	pl_ok(connect(d, (struct sockaddr *)&to, sizeof(to)));
	pl_eq(write(d, "log", 3), 3);
	while (stay >= 0 && read(stay, &c, 1) < 0)
		pl_eq(errno, EINTR);
	if (stay >= 0) {
		peer_is(s, getppid(), 0, 0);
		pl_eq(write(d, "more", 4), 4);
		pl_eq(write(s, "hello", 5), 5);
	}
	_exit(0);
}

int
main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, l = a;
	int lsn, log, go[2], acc[2], one = 1;
	gid_t groups[8];
	socklen_t n, len;
	pid_t pid[2];
	char buf[16];

	pl_init(argc, argv);
	memcpy(a.sun_path, "\0pl-creds", 9);
	n = offsetof(struct sockaddr_un, sun_path) + 9;
	strcpy(l.sun_path, "creds.log");
	(void)unlink("creds.log");
	lsn = pl_ok(socket(AF_UNIX, SOCK_STREAM, 0));
	pl_ok(bind(lsn, (struct sockaddr *)&a, n));
	pl_ok(listen(lsn, 4));
	log = pl_ok(socket(AF_UNIX, SOCK_DGRAM, 0));
	pl_ok(setsockopt(log, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)));
	pl_ok(bind(log, (struct sockaddr *)&l, sizeof(l)));
	pl_ok(chmod("creds.log", 0666));
	pl_ok(chmod(".", 0755));
	pl_ok(pipe(go));
	pid[0] = client(&a, n, 1000, l.sun_path, -1);
	acc[0] = pl_ok(accept(lsn, NULL, NULL));
	pl_join(pid[0]);
	pid[1] = client(&a, n, 2000, l.sun_path, go[0]);
	acc[1] = pl_ok(accept(lsn, NULL, NULL));
	while (recv(log, buf, sizeof(buf), MSG_PEEK) != 3)
		;
	usleep(50000); /* its message */
	pl_wait();
	peer_is(acc[0], pid[0], 1000, 1001);
	peer_is(acc[1], pid[1], 2000, 2001);
	len = sizeof(groups);
	pl_ok(getsockopt(acc[0], SOL_SOCKET, SO_PEERGROUPS, groups, &len));
	pl_eq(len, 8);
	pl_check(groups[0] == 1002 && groups[1] == 1003);
	next_is(log, "log", pid[0], 1000);
	next_is(log, "log", pid[1], 2000);
	pl_eq(write(go[1], "x", 1), 1);
	pl_join(pid[1]);
	next_is(log, "more", pid[1], 2000);
	pl_eq(read(acc[1], buf, 16), 5);
	pl_eq(read(acc[0], buf, 16), 0);
	return pl_pass();
}
