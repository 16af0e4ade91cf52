/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/pass.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "migrate/jail.h"

#define RSYNC "/usr/bin/rsync"

#define MAX_ARGS 16

/* The client's words; a list comes by its standard input. */
static const char *const client_args[MIG_PASS_MAX_][MAX_ARGS] = {
    [MIG_PASS_FULL] = {"rsync", "-rlptgoHAXS", "--specials", "--numeric-ids",
	"--delete", "--no-secluded-args", "-e", MIG_JAIL_HELPER,
	MIG_JAIL_FS "/", "target:" MIG_JAIL_FS "/"},
    [MIG_PASS_LIST] = {"rsync", "-lptgoHAXSI", "--specials", "--numeric-ids",
	"--delete-missing-args", "--force", "--no-secluded-args", "--from0",
	"--files-from=-", "-e", MIG_JAIL_HELPER, MIG_JAIL_FS "/",
	"target:" MIG_JAIL_FS "/"},
};

/* What such a client asks of its server, in the short form of its protocol.
 * The letters behind "e." are what the client is able to (rsync 3.2.3 and
 * later, which HELLO makes sure of). */
static const char *const server_args[MIG_PASS_MAX_][MAX_ARGS] = {
    [MIG_PASS_FULL] = {"rsync", "--server", "-lHogtpAXrSe.iLsfxCIvu",
	"--specials", "--delete", "--numeric-ids", ".", MIG_JAIL_FS "/"},
    [MIG_PASS_LIST] = {"rsync", "--server", "-lHogtpAXIRSe.LsfxCIvu",
	"--specials", "--force", "--delete-missing-args", "--numeric-ids", ".",
	MIG_JAIL_FS "/"},
};

static void
drop(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int
start(struct mig_pass *p, const char *const *words, struct mig_fs *fs,
    const struct mig_jail *tmpl, struct vps_err *e)
{
	char text[MAX_ARGS][64], *argv[MAX_ARGS + 1] = {0};
	struct mig_jail j = *tmpl;
	int ep[2], r;

	for (int i = 0; i < MAX_ARGS && words[i] != NULL; i++) {
		(void)strncpy(text[i], words[i], sizeof(text[i]) - 1);
		text[i][sizeof(text[i]) - 1] = '\0';
		argv[i] = text[i];
	}
	if (pipe2(ep, O_CLOEXEC | O_NONBLOCK) < 0)
		return vps_err_set(e, -errno, "pipe");
	j.prog = RSYNC;
	j.argv = argv;
	j.tree = fs->tree;
	j.uid_map = fs->uid_map;
	j.gid_map = fs->gid_map;
	j.fds[2] = ep[1];
	r = mig_jail_spawn(&j, &p->pid, &p->pidfd, e);
	(void)close(ep[1]);
	drop(&fs->tree);
	if (r < 0) {
		(void)close(ep[0]);
		return r;
	}
	p->err = ep[0];
	return 0;
}

int
mig_pass_client(struct mig_pass *p, enum mig_pass_kind kind, struct mig_fs *fs,
    int list, const char *helper, struct vps_err *e)
{
	auto_close int far = -1;
	int sv[2], r;
	struct mig_jail j = {.helper = helper, .read_only = true};

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return vps_err_set(e, -errno, "socketpair");
	far = sv[1];
	j.fds[0] = list;
	j.fds[1] = -1;
	j.fds[3] = far;
	r = start(p, client_args[kind], fs, &j, e);
	if (r < 0) {
		(void)close(sv[0]);
		return r;
	}
	p->helper = sv[0];
	return 0;
}

int
mig_pass_server(struct mig_pass *p, enum mig_pass_kind kind, struct mig_fs *fs,
    int in, int out, struct vps_err *e)
{
	struct mig_jail j = {.fds = {in, out, -1, -1}};

	return start(p, server_args[kind], fs, &j, e);
}

int
mig_pass_transport(struct mig_pass *p, int *ret_rd, int *ret_wr)
{
	union {
		char buf[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} u = {0};
	char c;
	struct iovec iov = {&c, 1};
	struct msghdr m = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = u.buf,
	    .msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *h;
	ssize_t n = recvmsg(p->helper, &m, MSG_CMSG_CLOEXEC);
	int fds[2];

	if (n < 0)
		return -errno;
	h = CMSG_FIRSTHDR(&m);
	if (n == 0 || h == NULL || h->cmsg_type != SCM_RIGHTS ||
	    h->cmsg_len != CMSG_LEN(sizeof(fds)))
		return -EPIPE;
	memcpy(fds, CMSG_DATA(h), sizeof(fds));
	*ret_rd = fds[0];
	*ret_wr = fds[1];
	return 0;
}

void
mig_pass_tell(struct mig_pass *p, unsigned char status)
{
	/* A client that is gone already shows by its own status. */
	(void)send(p->helper, &status, 1, MSG_NOSIGNAL);
}

void
mig_pass_listen(struct mig_pass *p)
{
	char b[512];
	size_t have = strlen(p->said);
	ssize_t n;

	if (p->err < 0)
		return;
	while ((n = read(p->err, b, sizeof(b))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)b[i];

			if (have == sizeof(p->said) - 1)
				break;
			/* File names of the instance: nothing of them may
			 * steer a terminal. */
			p->said[have++] =
			    (char)(c < ' ' || c == 0x7f ? ' ' : b[i]);
		}
	}
	p->said[have] = '\0';
	if (n == 0)
		drop(&p->err);
}

static void
release(struct mig_pass *p)
{
	drop(&p->pidfd);
	drop(&p->helper);
	drop(&p->err);
	p->pid = -1;
}

int
mig_pass_reap(struct mig_pass *p)
{
	int st;

	while (waitpid(p->pid, &st, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	mig_pass_listen(p);
	release(p);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

void
mig_pass_stop(struct mig_pass *p)
{
	if (p->pid > 0) {
		/* Init of its pid namespace: what it forked dies with it. */
		(void)kill(p->pid, SIGKILL);
		(void)mig_pass_reap(p);
	}
	release(p);
}

bool
mig_pass_status_is_partial(int status)
{
	return status == 23 || status == 24;
}
