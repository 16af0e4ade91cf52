/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/str.h"

#define ARGS_MAX  64
#define LINGER_MS 2000

static void
child(char *const *argv, int in, int out)
{
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	/* Ctrl-C is ours: ssh must live to carry what we say then. */
	(void)setpgid(0, 0);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	(void)execvp(argv[0], argv);
	_exit(127);
}

int
mig_connect_argv(char *const *argv, struct mig_peer *ret, struct vps_err *e)
{
	int up[2], down[2];
	pid_t pid;

	if (pipe2(up, O_CLOEXEC) < 0)
		return vps_err_set(e, -errno, "pipe");
	if (pipe2(down, O_CLOEXEC) < 0) {
		(void)close(up[0]);
		(void)close(up[1]);
		return vps_err_set(e, -errno, "pipe");
	}
	pid = fork();
	if (pid == 0)
		child(argv, up[0], down[1]);
	(void)close(up[0]);
	(void)close(down[1]);
	if (pid < 0) {
		(void)close(up[1]);
		(void)close(down[0]);
		return vps_err_set(e, -EAGAIN, "start %s", argv[0]);
	}
	*ret = (struct mig_peer){pid, down[0], up[1]};
	return 0;
}

int
mig_connect(
    const char *ssh, const char *host, struct mig_peer *ret, struct vps_err *e)
{
	static char opts[][40] = {
	    "-T", "-oBatchMode=yes", "-oClearAllForwardings=yes", "--"};
	static char recv[] = "vps-recv";
	auto_free char *words = strdup(ssh != NULL ? ssh : "ssh");
	auto_free char *name = strdup(host);
	char *argv[ARGS_MAX + 1] = {0}, *save = NULL;
	int n = 0;

	if (words == NULL || name == NULL)
		return vps_err_set(e, -ENOMEM, "connect to %s", host);
	if (host[0] == '-' || host[0] == '\0')
		return vps_err_say(e, -EINVAL, "'%s' is no host", host);
	for (char *w = strtok_r(words, " \t", &save); w != NULL;
	     w = strtok_r(NULL, " \t", &save)) {
		if (n >= ARGS_MAX - 8)
			return vps_err_say(e, -E2BIG, "--ssh: too many words");
		argv[n++] = w;
	}
	if (n == 0)
		return vps_err_say(e, -EINVAL, "--ssh: no command");
	for (size_t i = 0; i < ARRAY_LEN(opts); i++)
		argv[n++] = opts[i];
	argv[n++] = name;
	argv[n] = recv;
	return mig_connect_argv(argv, ret, e);
}

void
mig_disconnect(struct mig_peer *p)
{
	int pidfd;

	if (p->in >= 0)
		(void)close(p->in);
	if (p->out >= 0)
		(void)close(p->out);
	if (p->pid <= 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (pidfd >= 0) {
		struct pollfd f = {.fd = pidfd, .events = POLLIN};

		/* A link that hangs isn't waited for. */
		if (poll(&f, 1, LINGER_MS) != 1)
			(void)kill(p->pid, SIGKILL);
		(void)close(pidfd);
	}
	(void)waitpid(p->pid, NULL, 0);
	*p = (struct mig_peer){-1, -1, -1};
}

int
mig_take_stdio(int *ret_in, int *ret_out)
{
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_close int in = fcntl(0, F_DUPFD_CLOEXEC, 3);
	auto_close int out = fcntl(1, F_DUPFD_CLOEXEC, 3);

	if (null < 0 || in < 0 || out < 0 || dup2(null, 0) < 0 ||
	    dup2(null, 1) < 0)
		return -errno;
	*ret_in = take_fd(&in);
	*ret_out = take_fd(&out);
	return 0;
}
