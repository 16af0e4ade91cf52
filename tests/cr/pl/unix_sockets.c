/* SPDX-License-Identifier: BSD-2-Clause
 * Unix sockets: pairs with data in them, one with descriptors under way, one
 * whose peer is closed, a listener with a client waiting, bound datagrams. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "payload.h"

static socklen_t
name(struct sockaddr_un *a, const char *s, bool abstract)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	memcpy(a->sun_path + abstract, s, strlen(s));
	return (
	    socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(s) + 1);
}

static void
send_fd(int s, int fd)
{
	char c = 'f', ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	pl_eq(sendmsg(s, &m, 0), 1);
}

static int
recv_fd(int s)
{
	char c, ctl[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	struct cmsghdr *h;
	int fd;

	pl_eq(recvmsg(s, &m, 0), 1);
	pl_eq(c, 'f');
	h = CMSG_FIRSTHDR(&m);
	pl_check(h != NULL && h->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

int
main(int argc, char **argv)
{
	int st[2], sq[2], dg[2], half[2], fds[2], p[2], lsn, cli, acc, d1, d2;
	struct sockaddr_un a, b;
	char big[20000], got[20000];
	socklen_t len, alen;
	struct ucred uc;
	ssize_t n;

	pl_init(argc, argv);
	pl_fill(big, sizeof(big), 3);
	pl_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, st));
	pl_eq(write(st[0], big, sizeof(big)), sizeof(big));
	pl_eq(write(st[1], "back", 4), 4);
	pl_ok(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sq));
	pl_eq(write(sq[0], "one", 3), 3);
	pl_eq(write(sq[0], "second", 6), 6);
	pl_ok(socketpair(AF_UNIX, SOCK_DGRAM, 0, dg));
	pl_eq(write(dg[0], "d1", 2), 2);
	pl_eq(write(dg[0], "", 0), 0);
	pl_eq(write(dg[0], "d3!", 3), 3);
	pl_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, half));
	pl_eq(write(half[1], "last", 4), 4);
	close(half[1]);
	pl_ok(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	pl_ok(pipe(p));
	pl_eq(write(p[1], "in the pipe", 11), 11);
	send_fd(fds[0], p[0]);
	close(p[0]);
	lsn = pl_ok(socket(AF_UNIX, SOCK_STREAM, 0));
	alen = name(&a, "listen.sock", false);
	(void)unlink("listen.sock");
	pl_ok(bind(lsn, (struct sockaddr *)&a, alen));
	pl_ok(listen(lsn, 5));
	cli = pl_ok(socket(AF_UNIX, SOCK_STREAM, 0));
	pl_ok(connect(cli, (struct sockaddr *)&a, alen));
	d1 = pl_ok(socket(AF_UNIX, SOCK_DGRAM, 0));
	len = name(&b, "pl-abstract", true);
	pl_ok(bind(d1, (struct sockaddr *)&b, len));
	d2 = pl_ok(socket(AF_UNIX, SOCK_DGRAM, 0));
	pl_ok(connect(d2, (struct sockaddr *)&b, len));
	pl_eq(write(d2, "dgram", 5), 5);
	pl_wait();
	pl_check((fcntl(st[1], F_GETFL) & O_NONBLOCK) != 0);
	pl_eq(read(st[1], got, sizeof(got)), sizeof(got));
	pl_check(memcmp(big, got, sizeof(got)) == 0);
	pl_eq(read(st[1], got, 1), -1);
	pl_eq(errno, EAGAIN);
	pl_eq(read(st[0], got, 10), 4);
	pl_check(memcmp(got, "back", 4) == 0);
	pl_eq(write(st[1], "more", 4), 4);
	pl_eq(read(st[0], got, 10), 4);
	pl_eq(read(sq[1], got, 10), 3);
	pl_eq(read(sq[1], got, 10), 6);
	pl_check(memcmp(got, "second", 6) == 0);
	pl_eq(read(dg[1], got, 10), 2);
	pl_eq(read(dg[1], got, 10), 0);
	pl_eq(read(dg[1], got, 10), 3);
	pl_eq(read(half[0], got, 10), 4);
	pl_eq(read(half[0], got, 10), 0);
	p[0] = recv_fd(fds[1]);
	pl_eq(read(p[0], got, 20), 11);
	pl_check(memcmp(got, "in the pipe", 11) == 0);
	close(p[1]);
	pl_eq(read(p[0], got, 20), 0);
	len = sizeof(uc);
	pl_ok(getsockopt(cli, SOL_SOCKET, SO_PEERCRED, &uc, &len));
	pl_eq(uc.pid, getpid());
	pl_eq(write(cli, "waiting", 7), 7);
	acc = pl_ok(accept(lsn, NULL, NULL));
	n = read(acc, got, 20);
	pl_eq(n, 7);
	pl_eq(write(acc, "hello", 5), 5);
	pl_eq(read(cli, got, 20), 5);
	close(cli);
	cli = pl_ok(socket(AF_UNIX, SOCK_STREAM, 0));
	pl_ok(connect(cli, (struct sockaddr *)&a, alen));
	pl_eq(read(d1, got, 20), 5);
	pl_eq(write(d2, "again", 5), 5);
	pl_eq(read(d1, got, 20), 5);
	return pl_pass();
}
