/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What rsync starts as its "remote shell" during a migration: hands the two
 * ends of its transport to whoever holds the other end of descriptor 3, and
 * exits as that one tells. The arguments, a host and a command, don't count:
 * the far side knows what it has to run. Runs confined (migrate/jail.h), hence
 * linked statically.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONTROL 3

static int
send_fds(void)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} u = {0};
	char c = 'r';
	struct iovec iov = {&c, 1};
	struct msghdr m = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = u.buf,
	    .msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	const int fds[2] = {STDIN_FILENO, STDOUT_FILENO};

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(h), fds, sizeof(fds));
	return sendmsg(CONTROL, &m, 0) == 1 ? 0 : -errno;
}

int
main(void)
{
	unsigned char status;
	ssize_t n;

	if (send_fds() < 0)
		return 255;
	/* A copy kept here would hide the end of either stream. */
	(void)close(STDIN_FILENO);
	(void)close(STDOUT_FILENO);
	do {
		n = read(CONTROL, &status, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1 ? status : 255;
}
