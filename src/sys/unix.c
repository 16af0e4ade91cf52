/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/unix.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/auto.h"

void
sys_fds_close(struct sys_fds *f)
{
	unsigned i;

	for (i = 0; i < f->n; i++)
		if (f->fd[i] >= 0)
			(void)close(f->fd[i]);
	f->n = 0;
}

int
sys_unix_pair(int ret[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0
		   ? -errno
		   : 0;
}

static int
address(struct sockaddr_un *sa, const char *path)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa->sun_path))
		return -ENAMETOOLONG;
	(void)strcpy(sa->sun_path, path);
	return 0;
}

int
sys_unix_listen(const char *path, mode_t mode)
{
	auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	int r = address(&sa, path);

	if (fd < 0)
		return -errno;
	if (r < 0)
		return r;
	/* The socket's own mode is what the name gets, less the umask. */
	if (fchmod(fd, mode) < 0)
		return -errno;
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 64) < 0)
		return -errno;
	return take_fd(&fd);
}

int
sys_unix_connect(const char *path)
{
	auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	int r = address(&sa, path);

	if (fd < 0)
		return -errno;
	if (r < 0)
		return r;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

int
sys_unix_peer(int fd, uid_t *ret_uid, pid_t *ret_pid)
{
	struct ucred c;
	socklen_t n = sizeof(c);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
		return -errno;
	*ret_uid = c.uid;
	if (ret_pid != NULL)
		*ret_pid = c.pid;
	return 0;
}

union control {
	char buf[CMSG_SPACE(SYS_UNIX_FDS * sizeof(int))];
	struct cmsghdr align;
};

int
sys_unix_send(int fd, const void *p, size_t n, const int *fds, unsigned nf)
{
	char dummy = 0;
	struct iovec iov = {0};
	union control c = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *h;
	ssize_t r;

	if (nf > SYS_UNIX_FDS)
		return -E2BIG;
	if (n > 0)
		memcpy(&iov.iov_base, &p, sizeof(p)); /* sendmsg reads only */
	else
		iov.iov_base = &dummy;
	iov.iov_len = n > 0 ? n : 1;
	if (nf > 0) {
		m.msg_control = c.buf;
		m.msg_controllen = CMSG_SPACE(nf * sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(nf * sizeof(int));
		memcpy(CMSG_DATA(h), fds, nf * sizeof(int));
	}
	do
		r = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int
sys_unix_recv(int fd, void *p, size_t n, struct sys_fds *fds)
{
	struct iovec iov = {.iov_base = p, .iov_len = n};
	union control c;
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = c.buf,
	    .msg_controllen = sizeof(c.buf)};
	struct sys_fds got = {.n = 0};
	struct cmsghdr *h;
	ssize_t r;

	do
		r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	for (h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		got.n = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(got.fd, CMSG_DATA(h), got.n * sizeof(int));
	}
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		sys_fds_close(&got);
		return -EMSGSIZE;
	}
	if (fds != NULL)
		*fds = got;
	else
		sys_fds_close(&got);
	return (int)r;
}
