/* SPDX-License-Identifier: BSD-2-Clause
 * Unix sockets: what they hold and how they behave before and after. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "kindtest.h"

#define DIR_ "/tmp/vps-unix"

/* Puts `fd` at number `num`. */
static int
at(int fd, int num)
{
	int r;

	if (fd < 0 || fd == num)
		return fd;
	r = dup2(fd, num);
	(void)close(fd);
	return r;
}

static int
pair_at(int type, int a, int b)
{
	int sv[2];

	if (socketpair(AF_UNIX, type, 0, sv) < 0)
		return -1;
	return at(sv[0], a) == a && at(sv[1], b) == b ? 0 : -1;
}

/* "@x": abstract. */
static socklen_t
addr(struct sockaddr_un *a, const char *name)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(a->sun_path, name);
	if (name[0] == '@')
		a->sun_path[0] = '\0';
	return (
	    socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}

static int
sock_at(int type, const char *name, int num)
{
	struct sockaddr_un a;
	int fd = at(socket(AF_UNIX, type, 0), num);

	if (name != NULL && bind(fd, (struct sockaddr *)&a, addr(&a, name)) < 0)
		return -1;
	return fd;
}

static int
conn(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t n = addr(&a, name);

	return connect(fd, (struct sockaddr *)&a, n);
}

static int
named(int fd, int peer, const char *want)
{
	struct sockaddr_un a, b;
	socklen_t n = sizeof(a), m = addr(&b, want);

	memset(&a, 0, sizeof(a));
	if ((peer ? getpeername(fd, (struct sockaddr *)&a, &n)
		  : getsockname(fd, (struct sockaddr *)&a, &n)) < 0)
		return 0;
	if (want[0] == '/' || want[0] == '.')
		return strcmp(a.sun_path, want) == 0;
	return n == m && memcmp(&a, &b, n) == 0;
}

static int
cred_is(int fd, pid_t pid, uid_t uid)
{
	struct ucred c;
	socklen_t n = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
		return 0;
	if (c.pid != pid || c.uid != uid)
		fprintf(stderr, "fd %d: peer %d uid %u, not %d %u\n", fd, c.pid,
		    c.uid, pid, uid);
	return c.pid == pid && c.uid == uid;
}

static int
got(int fd, const char *want)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n != (ssize_t)strlen(want) || memcmp(buf, want, (size_t)n) != 0) {
		fprintf(stderr, "fd %d: %zd \"%.*s\", not \"%s\"\n", fd, n,
		    n < 0 ? 0 : (int)n, buf, want);
		return 0;
	}
	return 1;
}

static int
put(int fd, const char *s)
{
	return send(fd, s, strlen(s), MSG_NOSIGNAL) == (ssize_t)strlen(s);
}

static int
send_fd(int sock, const char *s, int fd)
{
	char ctl[CMSG_SPACE(sizeof(int))] = {0};
	struct iovec iov = {(void *)(uintptr_t)s, strlen(s)};
	struct msghdr h = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(sock, &h, 0) == (ssize_t)iov.iov_len ? 0 : -1;
}

/* The descriptor, or -1; `cred`: credentials that came. */
static int
recv_fd(int sock, const char *want, struct ucred *cred)
{
	_Alignas(struct cmsghdr) char ctl[256];
	char buf[256];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr h = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = ctl,
	    .msg_controllen = sizeof(ctl)};
	ssize_t n = recvmsg(sock, &h, MSG_DONTWAIT);
	int fd = -1;

	if (n != (ssize_t)strlen(want) || memcmp(buf, want, (size_t)n) != 0) {
		fprintf(stderr, "fd %d: %zd, not \"%s\"\n", sock, n, want);
		return -1;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c != NULL;
	     c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		if (c->cmsg_type == SCM_CREDENTIALS && cred != NULL)
			memcpy(cred, CMSG_DATA(c), sizeof(*cred));
	}
	return fd;
}

/* pairs: data both ways, boundaries, halves, closed peers */

static int
pair_setup(void *sh)
{
	char big[300];

	(void)sh;
	memset(big, 'x', sizeof(big));
	KT_ASSERT(pair_at(SOCK_STREAM, 10, 11) == 0);
	KT_ASSERT(put(10, "to eleven") && put(11, "to ten"));
	KT_ASSERT(fcntl(10, F_SETFL, O_NONBLOCK) == 0);
	KT_ASSERT(pair_at(SOCK_SEQPACKET, 12, 13) == 0);
	KT_ASSERT(put(12, "one") && put(12, "") && put(12, "two"));
	KT_ASSERT(pair_at(SOCK_DGRAM, 14, 15) == 0);
	KT_ASSERT(put(14, "a") && put(14, "") && put(14, "bc"));
	KT_ASSERT(pair_at(SOCK_STREAM, 16, 17) == 0);
	KT_ASSERT(put(17, "last words") && shutdown(17, SHUT_WR) == 0);
	/* closed, with something left to read */
	KT_ASSERT(pair_at(SOCK_STREAM, 18, 19) == 0);
	KT_ASSERT(put(19, "bye") && close(19) == 0);
	/* closed with unread data: reset */
	KT_ASSERT(pair_at(SOCK_STREAM, 20, 21) == 0);
	KT_ASSERT(put(20, "unread") && close(21) == 0);
	KT_ASSERT(pair_at(SOCK_SEQPACKET, 22, 23) == 0);
	KT_ASSERT(put(23, "m1") && put(23, "m2") && close(23) == 0);
	KT_ASSERT(pair_at(SOCK_DGRAM, 24, 25) == 0);
	KT_ASSERT(put(25, "dg") && close(25) == 0);
	/* one description on two numbers, many small writes */
	KT_ASSERT(pair_at(SOCK_STREAM, 26, 27) == 0 && dup2(26, 28) == 28);
	for (int i = 0; i < 100; i++)
		KT_ASSERT(send(27, big, sizeof(big), MSG_DONTWAIT) == 300);
	KT_ASSERT(fchmod(26, 0640) == 0 && fchown(26, 77, 78) == 0);
	return 0;
}

static int
pair_verify(void *sh)
{
	char big[300 * 100 + 1];
	struct stat st;

	(void)sh;
	KT_ASSERT((fcntl(10, F_GETFL) & O_NONBLOCK) != 0);
	KT_ASSERT((fcntl(11, F_GETFL) & O_NONBLOCK) == 0);
	KT_ASSERT(got(11, "to eleven") && got(10, "to ten"));
	KT_ASSERT(put(10, "more") && got(11, "more"));
	KT_ASSERT(cred_is(10, getpid(), 0) && cred_is(11, getpid(), 0));
	KT_ASSERT(got(13, "one") && got(13, "") && got(13, "two"));
	KT_ASSERT(recv(13, big, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	KT_ASSERT(got(15, "a") && got(15, "") && got(15, "bc"));
	KT_ASSERT(put(15, "back") && got(14, "back"));
	KT_ASSERT(got(16, "last words"));
	KT_ASSERT(recv(16, big, 1, MSG_DONTWAIT) == 0);
	KT_ASSERT(put(16, "still") && got(17, "still"));
	KT_ASSERT(!put(17, "x") && errno == EPIPE);
	KT_ASSERT(got(18, "bye") && recv(18, big, 1, MSG_DONTWAIT) == 0);
	KT_ASSERT(!put(18, "x") && errno == EPIPE);
	KT_ASSERT(recv(20, big, 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET);
	KT_ASSERT(recv(20, big, 1, MSG_DONTWAIT) == 0);
	KT_ASSERT(got(22, "m1") && got(22, "m2"));
	KT_ASSERT(recv(22, big, 1, MSG_DONTWAIT) == 0);
	KT_ASSERT(got(24, "dg"));
	KT_ASSERT(!put(24, "x") && errno == ECONNREFUSED);
	KT_ASSERT(!put(24, "x") && errno == ENOTCONN);
	KT_ASSERT(recv(28, big, sizeof(big), MSG_DONTWAIT) == 300 * 100);
	KT_ASSERT(fstat(26, &st) == 0 && st.st_uid == 77 && st.st_gid == 78);
	KT_ASSERT((st.st_mode & 07777) == 0640);
	KT_ASSERT(recv(26, big, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	return 0;
}

static int
test_pair(void)
{
	return kt_simple(pair_setup, pair_verify);
}

/* names: paths, relative, removed, abstract, autobind; listening */

static int
name_setup(void *sh)
{
	struct timespec ts[2] = {{1000000, 5}, {2000000, 7}};
	struct sockaddr_un a;
	socklen_t n = sizeof(sa_family_t);

	(void)sh;
	(void)mkdir(DIR_, 0755);
	(void)mkdir(DIR_ "/in", 0755);
	KT_ASSERT(sock_at(SOCK_STREAM, DIR_ "/listen", 10) == 10);
	KT_ASSERT(listen(10, 5) == 0);
	KT_ASSERT(chmod(DIR_ "/listen", 0620) == 0);
	KT_ASSERT(chown(DIR_ "/listen", 12, 34) == 0);
	KT_ASSERT(utimensat(AT_FDCWD, DIR_ "/listen", ts, 0) == 0);
	KT_ASSERT(chdir(DIR_ "/in") == 0);
	KT_ASSERT(sock_at(SOCK_DGRAM, "../in/./rel", 11) == 11);
	KT_ASSERT(chdir("/") == 0);
	KT_ASSERT(sock_at(SOCK_STREAM, DIR_ "/gone", 12) == 12);
	KT_ASSERT(listen(12, 1) == 0 && unlink(DIR_ "/gone") == 0);
	KT_ASSERT(sock_at(SOCK_STREAM, DIR_ "/gone", 13) == 13);
	KT_ASSERT(sock_at(SOCK_SEQPACKET, "@vps-unix-test", 14) == 14);
	KT_ASSERT(listen(14, 3) == 0);
	KT_ASSERT(sock_at(SOCK_DGRAM, NULL, 15) == 15);
	a.sun_family = AF_UNIX;
	KT_ASSERT(bind(15, (struct sockaddr *)&a, n) == 0);
	n = sizeof(a);
	KT_ASSERT(getsockname(15, sh, &n) == 0);
	/* connected, accepted, listener there and gone */
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 20) == 20);
	KT_ASSERT(conn(20, DIR_ "/listen") == 0);
	KT_ASSERT(at(accept(10, NULL, NULL), 21) == 21);
	KT_ASSERT(put(21, "hello"));
	KT_ASSERT(sock_at(SOCK_SEQPACKET, "@vps-unix-client", 22) == 22);
	KT_ASSERT(conn(22, "@vps-unix-test") == 0);
	KT_ASSERT(at(accept(14, NULL, NULL), 23) == 23);
	KT_ASSERT(sock_at(SOCK_STREAM, "@vps-unix-gone", 24) == 24);
	KT_ASSERT(listen(24, 1) == 0);
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 25) == 25);
	KT_ASSERT(conn(25, "@vps-unix-gone") == 0);
	KT_ASSERT(at(accept(24, NULL, NULL), 26) == 26 && close(24) == 0);
	/* the same, one side closed */
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 27) == 27);
	KT_ASSERT(conn(27, DIR_ "/listen") == 0);
	KT_ASSERT(at(accept(10, NULL, NULL), 28) == 28);
	KT_ASSERT(put(28, "rest") && close(28) == 0);
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 29) == 29);
	KT_ASSERT(conn(29, DIR_ "/listen") == 0);
	KT_ASSERT(at(accept(10, NULL, NULL), 30) == 30);
	KT_ASSERT(put(29, "query") && close(29) == 0);
	/* waiting to be accepted */
	for (int i = 31; i < 34; i++) {
		KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), i) == i);
		KT_ASSERT(conn(i, DIR_ "/listen") == 0);
	}
	return 0;
}

static int
name_verify(void *sh)
{
	struct sockaddr_un a, *old = sh;
	socklen_t n = sizeof(a);
	struct stat st;
	int v, one = 1;

	KT_ASSERT(named(10, 0, DIR_ "/listen") && named(11, 0, "../in/./rel"));
	KT_ASSERT(stat(DIR_ "/listen", &st) == 0 && S_ISSOCK(st.st_mode));
	KT_ASSERT((st.st_mode & 07777) == 0620 && st.st_uid == 12 &&
		  st.st_gid == 34 && st.st_mtim.tv_sec == 2000000 &&
		  st.st_mtim.tv_nsec == 7);
	KT_ASSERT(stat(DIR_ "/in/rel", &st) == 0 && S_ISSOCK(st.st_mode));
	KT_ASSERT(named(12, 0, DIR_ "/gone") && named(13, 0, DIR_ "/gone"));
	KT_ASSERT(listen(13, 1) == 0);
	v = socket(AF_UNIX, SOCK_STREAM, 0);
	KT_ASSERT(conn(v, DIR_ "/gone") == 0 && close(v) == 0);
	v = accept4(13, NULL, NULL, SOCK_NONBLOCK);
	KT_ASSERT(v >= 0 && close(v) == 0);
	KT_ASSERT(named(14, 0, "@vps-unix-test"));
	KT_ASSERT(getsockname(15, (struct sockaddr *)&a, &n) == 0);
	KT_ASSERT(a.sun_path[0] == '\0' && memcmp(&a, old, n) == 0);
	n = sizeof(v);
	KT_ASSERT(getsockopt(12, SOL_SOCKET, SO_ACCEPTCONN, &v, &n) == 0 && v);

	KT_ASSERT(named(20, 1, DIR_ "/listen") && named(21, 0, DIR_ "/listen"));
	KT_ASSERT(got(20, "hello") && put(20, "x") && got(21, "x"));
	KT_ASSERT(cred_is(20, getpid(), 0) && cred_is(21, getpid(), 0));
	KT_ASSERT(named(22, 0, "@vps-unix-client") &&
		  named(23, 1, "@vps-unix-client") &&
		  named(23, 0, "@vps-unix-test") &&
		  named(22, 1, "@vps-unix-test"));
	KT_ASSERT(put(23, "seq") && got(22, "seq"));
	KT_ASSERT(named(26, 0, "@vps-unix-gone"));
	KT_ASSERT(put(26, "g") && got(25, "g"));
	v = socket(AF_UNIX, SOCK_STREAM, 0);
	KT_ASSERT(conn(v, "@vps-unix-gone") < 0 && errno == ECONNREFUSED);
	KT_ASSERT(close(v) == 0);
	KT_ASSERT(got(27, "rest") && recv(27, &v, 1, MSG_DONTWAIT) == 0);
	KT_ASSERT(named(27, 1, DIR_ "/listen"));
	KT_ASSERT(got(30, "query") && recv(30, &v, 1, MSG_DONTWAIT) == 0);
	KT_ASSERT(named(30, 0, DIR_ "/listen"));

	/* A connection made now comes behind those that wait. */
	v = at(socket(AF_UNIX, SOCK_STREAM, 0), 40);
	KT_ASSERT(conn(40, DIR_ "/listen") == 0);
	KT_ASSERT(ioctl(10, 0x5421 /* FIONBIO */, &one) == 0);
	for (int i = 31; i < 34; i++) {
		char text[2] = {(char)('a' + i - 31), '\0'};

		KT_ASSERT(put(i, text));
	}
	for (int i = 31; i < 34; i++) {
		char text[2] = {(char)('a' + i - 31), '\0'};

		v = accept(10, NULL, NULL);
		KT_ASSERT(v >= 0 && got(v, text));
		KT_ASSERT(cred_is(v, getpid(), 0) && put(v, "yes"));
		KT_ASSERT(got(i, "yes") && named(i, 1, DIR_ "/listen"));
	}
	KT_ASSERT(accept(10, NULL, NULL) >= 0);
	KT_ASSERT(accept(10, NULL, NULL) < 0 && errno == EAGAIN);
	/* The backlog holds: 5 + 1 fit. */
	for (int i = 0; i < 7; i++) {
		v = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		KT_ASSERT(i < 6
			      ? conn(v, DIR_ "/listen") == 0
			      : conn(v, DIR_ "/listen") < 0 && errno == EAGAIN);
	}
	return 0;
}

static int
test_name(void)
{
	int r = kt_simple(name_setup, name_verify);

	if (system("find " DIR_ " /dev /run /tmp -xdev -name '.vps-unix*' "
		   "| grep .") == 0)
		r = -1;
	return system("rm -rf " DIR_) == 0 ? r : -1;
}

/* datagrams: a log socket, senders connected one-way, named senders */

static int
dgram_setup(void *sh)
{
	struct sockaddr_un a;
	socklen_t n;
	int one = 1;

	(void)sh;
	(void)mkdir(DIR_, 0755);
	KT_ASSERT(sock_at(SOCK_DGRAM, DIR_ "/log", 10) == 10);
	KT_ASSERT(
	    setsockopt(10, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0);
	KT_ASSERT(sock_at(SOCK_DGRAM, NULL, 11) == 11);
	KT_ASSERT(conn(11, DIR_ "/log") == 0 && put(11, "first"));
	KT_ASSERT(sock_at(SOCK_DGRAM, "@vps-unix-named", 12) == 12);
	n = addr(&a, DIR_ "/log");
	KT_ASSERT(sendto(12, "second", 6, 0, (struct sockaddr *)&a, n) == 6);
	/* mutual, by name */
	KT_ASSERT(sock_at(SOCK_DGRAM, "@vps-unix-a", 13) == 13);
	KT_ASSERT(sock_at(SOCK_DGRAM, "@vps-unix-b", 14) == 14);
	KT_ASSERT(conn(13, "@vps-unix-b") == 0 && conn(14, "@vps-unix-a") == 0);
	KT_ASSERT(put(13, "a to b"));
	/* a chain: 15 -> 16 -> log */
	KT_ASSERT(sock_at(SOCK_DGRAM, "@vps-unix-mid", 16) == 16);
	KT_ASSERT(sock_at(SOCK_DGRAM, NULL, 15) == 15);
	KT_ASSERT(conn(15, "@vps-unix-mid") == 0);
	KT_ASSERT(conn(16, DIR_ "/log") == 0);
	/* connected to one that is gone */
	KT_ASSERT(sock_at(SOCK_DGRAM, "@vps-unix-dead", 18) == 18);
	KT_ASSERT(sock_at(SOCK_DGRAM, NULL, 17) == 17);
	KT_ASSERT(conn(17, "@vps-unix-dead") == 0 && close(18) == 0);
	return 0;
}

static int
dgram_verify(void *sh)
{
	struct sockaddr_un a, b;
	socklen_t n = sizeof(a), m = addr(&b, "@vps-unix-named");
	struct ucred c = {0};
	char buf[16];

	(void)sh;
	KT_ASSERT(recv_fd(10, "first", &c) == -1 && c.pid == getpid());
	KT_ASSERT(recvfrom(10, buf, sizeof(buf), MSG_DONTWAIT,
		      (struct sockaddr *)&a, &n) == 6);
	KT_ASSERT(n == m && memcmp(&a, &b, n) == 0);
	KT_ASSERT(put(11, "more"));
	c.pid = 0;
	KT_ASSERT(recv_fd(10, "more", &c) == -1 && c.pid == getpid());
	KT_ASSERT(got(14, "a to b") && put(14, "b to a") && got(13, "b to a"));
	KT_ASSERT(named(13, 1, "@vps-unix-b") && named(16, 1, DIR_ "/log"));
	KT_ASSERT(put(16, "m"));
	c.pid = 0;
	KT_ASSERT(recv_fd(10, "m", &c) == -1 && c.pid == getpid());
	KT_ASSERT(!put(15, "x") && errno == EPERM);
	KT_ASSERT(!put(17, "x") && errno == ECONNREFUSED);
	KT_ASSERT(!put(17, "x") && errno == ENOTCONN);
	return 0;
}

static int
test_dgram(void)
{
	int r = kt_simple(dgram_setup, dgram_verify);

	return system("rm -rf " DIR_) == 0 ? r : -1;
}

/* credentials: of a process that is gone, of another user, of messages */

static int
cred_setup(void *sh)
{
	pid_t *gone = sh, pid;
	int one = 1, st;

	KT_ASSERT(sock_at(SOCK_STREAM, "@vps-unix-cred", 10) == 10);
	KT_ASSERT(listen(10, 5) == 0);
	KT_ASSERT(pair_at(SOCK_STREAM, 13, 14) == 0);
	KT_ASSERT(
	    setsockopt(14, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0);
	pid = fork();
	if (pid == 0) {
		if (setgroups(2, (gid_t[]){5, 6}) < 0 ||
		    setresgid(33, 33, 33) < 0 || setresuid(44, 44, 44) < 0 ||
		    at(socket(AF_UNIX, SOCK_STREAM, 0), 11) != 11 ||
		    conn(11, "@vps-unix-cred") < 0 || !put(13, "dead man"))
			_exit(1);
		(void)pause();
	}
	gone[0] = pid;
	KT_ASSERT(pid > 0 && at(accept(10, NULL, NULL), 12) == 12);
	while (recv(14, &st, 1, MSG_PEEK) != 1)
		;
	KT_ASSERT(put(12, "to the dead"));
	KT_ASSERT(kill(gone[0], SIGKILL) == 0);
	KT_ASSERT(waitpid(gone[0], &st, 0) == gone[0] && WIFSIGNALED(st));
	KT_ASSERT(put(13, "me"));
	/* somebody who is gone made a listener */
	pid = fork();
	if (pid == 0)
		_exit(setresuid(0, 55, 0) < 0 || listen(10, 5) < 0);
	gone[1] = pid;
	KT_ASSERT(waitpid(gone[1], &st, 0) == gone[1] && st == 0);
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 15) == 15);
	KT_ASSERT(conn(15, "@vps-unix-cred") == 0);
	KT_ASSERT(at(accept(10, NULL, NULL), 16) == 16);
	/* socketpair by somebody else, who stays */
	KT_ASSERT(setresuid(0, 66, 0) == 0);
	KT_ASSERT(pair_at(SOCK_STREAM, 17, 18) == 0);
	KT_ASSERT(setresuid(0, 0, 0) == 0);
	return 0;
}

static int
cred_verify(void *sh)
{
	pid_t *gone = sh;
	gid_t g[8];
	socklen_t n = sizeof(g);
	struct ucred c = {0};

	KT_ASSERT(cred_is(12, gone[0], 44));
	KT_ASSERT(getsockopt(12, SOL_SOCKET, SO_PEERGROUPS, g, &n) == 0);
	KT_ASSERT(n == 8 && g[0] == 5 && g[1] == 6);
	KT_ASSERT(recv_fd(14, "dead man", &c) == -1);
	KT_ASSERT(c.pid == gone[0] && c.uid == 44 && c.gid == 33);
	KT_ASSERT(recv_fd(14, "me", &c) == -1);
	KT_ASSERT(c.pid == getpid() && c.uid == 0);
	KT_ASSERT(cred_is(15, gone[1], 55) && cred_is(16, getpid(), 0));
	KT_ASSERT(cred_is(10, gone[1], 55));
	KT_ASSERT(cred_is(17, getpid(), 66) && cred_is(18, getpid(), 66));
	KT_ASSERT(geteuid() == 0);
	return 0;
}

static int
test_cred(void)
{
	return kt_simple(cred_setup, cred_verify);
}

/* descriptors in flight: nested, in a cycle, nobody else holding them */

static int
flight_setup(void *sh)
{
	int p[2], ev = eventfd(5, 0);

	(void)sh;
	KT_ASSERT(pair_at(SOCK_STREAM, 10, 11) == 0);
	KT_ASSERT(pipe(p) == 0 && write(p[1], "pipe", 4) == 4);
	KT_ASSERT(put(10, "before") && send_fd(10, "fd1", p[0]) == 0);
	KT_ASSERT(send_fd(10, "fd2", ev) == 0 && put(10, "after"));
	KT_ASSERT(close(p[0]) == 0 && close(p[1]) == 0);
	/* the event counter is held here as well */
	KT_ASSERT(at(ev, 12) == 12);
	/* a connected socket, in flight, that holds one in flight */
	KT_ASSERT(pair_at(SOCK_SEQPACKET, 20, 21) == 0);
	KT_ASSERT(pair_at(SOCK_DGRAM, 22, 23) == 0);
	KT_ASSERT(pair_at(SOCK_STREAM, 24, 25) == 0);
	KT_ASSERT(put(24, "deep") && send_fd(22, "inner", 25) == 0);
	KT_ASSERT(send_fd(20, "outer", 23) == 0 && put(20, "end"));
	KT_ASSERT(close(23) == 0 && close(25) == 0);
	/* a socket in its own peer's queue */
	KT_ASSERT(pair_at(SOCK_STREAM, 30, 31) == 0);
	KT_ASSERT(send_fd(30, "self", 31) == 0);
	return 0;
}

static int
flight_verify(void *sh)
{
	char buf[8];
	uint64_t v = 3;
	int fd, in, deep;

	(void)sh;
	KT_ASSERT(recv(11, buf, 6, MSG_DONTWAIT) == 6);
	fd = recv_fd(11, "fd1", NULL);
	KT_ASSERT(fd >= 0 && read(fd, buf, 8) == 4);
	KT_ASSERT(read(fd, buf, 8) == 0 && close(fd) == 0);
	fd = recv_fd(11, "fd2", NULL);
	KT_ASSERT(fd >= 0 && write(fd, &v, 8) == 8);
	KT_ASSERT(read(12, &v, 8) == 8 && v == 8 && close(fd) == 0);
	KT_ASSERT(got(11, "after"));
	fd = recv_fd(21, "outer", NULL);
	KT_ASSERT(fd >= 0 && got(21, "end"));
	in = recv_fd(fd, "inner", NULL);
	KT_ASSERT(in >= 0 && got(in, "deep"));
	KT_ASSERT(put(in, "up") && got(24, "up") && put(22, "x"));
	KT_ASSERT(got(fd, "x"));
	deep = recv_fd(31, "self", NULL);
	KT_ASSERT(deep >= 0 && put(30, "y") && got(deep, "y"));
	return 0;
}

static int
test_flight(void)
{
	return kt_simple(flight_setup, flight_verify);
}

/* options */

static int
opt_setup(void *sh)
{
	struct timeval tv = {3, 250000};
	struct sock_filter f[] = {BPF_STMT(BPF_RET | BPF_K, 0xffff)};
	struct sock_fprog p = {1, f};
	int v = 1, size = 20000;

	(void)sh;
	KT_ASSERT(pair_at(SOCK_DGRAM, 10, 11) == 0);
	KT_ASSERT(setsockopt(10, SOL_SOCKET, SO_PASSCRED, &v, sizeof(v)) == 0);
	KT_ASSERT(setsockopt(10, SOL_SOCKET, SO_TIMESTAMP, &v, sizeof(v)) == 0);
	KT_ASSERT(
	    setsockopt(10, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	KT_ASSERT(
	    setsockopt(10, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) == 0);
	KT_ASSERT(
	    setsockopt(11, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)) == 0);
	return 0;
}

static int
opt_verify(void *sh)
{
	struct sock_filter f[4];
	struct timeval tv;
	socklen_t n = sizeof(int);
	int v = 0;

	(void)sh;
	KT_ASSERT(getsockopt(10, SOL_SOCKET, SO_PASSCRED, &v, &n) == 0 && v);
	KT_ASSERT(getsockopt(11, SOL_SOCKET, SO_PASSCRED, &v, &n) == 0 && !v);
	KT_ASSERT(getsockopt(10, SOL_SOCKET, SO_TIMESTAMP, &v, &n) == 0 && v);
	KT_ASSERT(
	    getsockopt(10, SOL_SOCKET, SO_PEEK_OFF, &v, &n) == 0 && v == -1);
	KT_ASSERT(
	    getsockopt(10, SOL_SOCKET, SO_SNDBUF, &v, &n) == 0 && v == 40000);
	n = sizeof(tv);
	KT_ASSERT(getsockopt(10, SOL_SOCKET, SO_RCVTIMEO, &tv, &n) == 0);
	KT_ASSERT(tv.tv_sec == 3 && tv.tv_usec >= 245000);
	n = 4;
	KT_ASSERT(getsockopt(11, SOL_SOCKET, SO_GET_FILTER, f, &n) == 0);
	KT_ASSERT(n == 1 && f[0].k == 0xffff);
	return 0;
}

static int
test_opt(void)
{
	return kt_simple(opt_setup, opt_verify);
}

/* A connection across two processes; the dump leaves everything as it was. */

static int
server_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(sock_at(SOCK_STREAM, "@vps-unix-two", 10) == 10);
	return listen(10, 3);
}

static int
client_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(setresuid(0, 1234, 0) == 0);
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 20) == 20);
	KT_ASSERT(conn(20, "@vps-unix-two") == 0);
	KT_ASSERT(put(20, "request"));
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 21) == 21);
	KT_ASSERT(conn(21, "@vps-unix-two") == 0);
	return 0;
}

static int
server_accept(void *sh)
{
	(void)sh;
	KT_ASSERT(at(accept(10, NULL, NULL), 11) == 11);
	return 0;
}

static int
server_verify(void *sh)
{
	pid_t *pid = sh;
	int fd;

	KT_ASSERT(cred_is(11, pid[1], 1234) && got(11, "request"));
	fd = accept4(10, NULL, NULL, SOCK_NONBLOCK);
	KT_ASSERT(fd >= 0 && cred_is(fd, pid[1], 1234));
	KT_ASSERT(put(11, "answer"));
	return 0;
}

static int
client_verify(void *sh)
{
	pid_t *pid = sh;

	KT_ASSERT(cred_is(20, pid[0], 0) && cred_is(21, pid[0], 0));
	KT_ASSERT(got(20, "answer"));
	return 0;
}

static int
test_two(void)
{
	struct kt *kt = kt_new();
	pid_t *pid = kt_shared(kt);
	int r;

	pid[0] = kt_spawn(kt);
	pid[1] = kt_spawn(kt);
	r = kt_run(kt, pid[0], server_setup);
	if (r == 0)
		r = kt_run(kt, pid[1], client_setup);
	if (r == 0)
		r = kt_run(kt, pid[0], server_accept);
	if (r == 0 && kt_check(kt) != 0) {
		fprintf(stderr, "%s", kt_objections(kt));
		r = -1;
	}
	if (r == 0)
		r = kt_dump(kt);
	if (r == 0) {
		kt_kill(kt);
		r = kt_restore_procs(kt);
	}
	if (r == 0)
		r = kt_restore_files(kt);
	if (r == 0)
		r = kt_run(kt, pid[0], server_verify);
	if (r == 0)
		r = kt_run(kt, pid[1], client_verify);
	kt_free(kt);
	return r;
}

/* What was dumped and goes on: nothing has been read, no option changed. */

static int
test_untouched(void)
{
	struct kt *kt = kt_new();
	pid_t pid = kt_spawn(kt);
	int r;

	r = kt_run(kt, pid, flight_setup);
	if (r == 0)
		r = kt_dump(kt);
	if (r == 0)
		r = kt_dump(kt);
	if (r == 0)
		r = kt_run(kt, pid, flight_verify);
	if (r == 0)
		r = kt_run(kt, pid, opt_setup);
	if (r == 0)
		r = kt_dump(kt);
	if (r == 0)
		r = kt_run(kt, pid, opt_verify);
	kt_free(kt);
	return r;
}

/* refusals */

static int
outside_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(unshare(CLONE_NEWNET) == 0);
	return pair_at(SOCK_STREAM, 10, 11);
}

static int
test_outside(void)
{
	return kt_refused(outside_setup, "another network namespace");
}

static int
early_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(sock_at(SOCK_STREAM, "@vps-unix-early", 10) == 10);
	KT_ASSERT(listen(10, 3) == 0);
	KT_ASSERT(at(socket(AF_UNIX, SOCK_STREAM, 0), 11) == 11);
	return conn(11, "@vps-unix-early") == 0 && put(11, "x") ? 0 : -1;
}

/* Nobody can read it: refused, and it is still there. */
static int
early_verify(void *sh)
{
	int fd = accept(10, NULL, NULL);

	(void)sh;
	KT_ASSERT(fd >= 0 && got(fd, "x"));
	return 0;
}

static int
test_early(void)
{
	struct kt *kt = kt_new();
	pid_t pid = kt_spawn(kt);
	int r = kt_run(kt, pid, early_setup);

	fprintf(stderr, "# an error follows, it is expected\n");
	if (r == 0)
		r = kt_dump(kt) < 0 ? 0 : -1;
	if (r == 0)
		r = kt_run(kt, pid, early_verify);
	kt_free(kt);
	return r;
}

int
main(int argc, char **argv)
{
	static const struct kt_test tests[] = {
	    {"pair", test_pair},
	    {"name", test_name},
	    {"dgram", test_dgram},
	    {"cred", test_cred},
	    {"flight", test_flight},
	    {"opt", test_opt},
	    {"two", test_two},
	    {"untouched", test_untouched},
	    {"early", test_early},
	    {"outside", test_outside},
	};

	return kt_main(tests, ARRAY_LEN(tests), argc > 1 ? argv[1] : NULL);
}
