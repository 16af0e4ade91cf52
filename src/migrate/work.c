/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fdio.h"

static void
child(int (*fn)(void *arg, struct vps_err *e), void *arg, int fd)
{
	struct vps_err e = {0};
	sigset_t none;
	int r;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_DFL);
	r = fn(arg, &e);
	if (r < 0 && e.code == 0)
		(void)vps_err_set(&e, r, "failed");
	(void)fd_write_all(fd, &e, sizeof(e));
	_exit(r < 0);
}

int
mig_work_start(struct mig_work *w, int (*fn)(void *arg, struct vps_err *e),
    void *arg, struct vps_err *e)
{
	int p[2], pidfd = -1, r;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return vps_err_set(e, -errno, "pipe");
	pid = fork();
	if (pid == 0) {
		(void)close(p[0]);
		child(fn, arg, p[1]);
	}
	r = -errno;
	(void)close(p[1]);
	if (pid > 0) {
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		r = -errno;
	}
	if (pidfd < 0) {
		(void)close(p[0]);
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		return vps_err_set(e, r, "fork");
	}
	*w = (struct mig_work){pid, pidfd, p[0]};
	return 0;
}

static int
reap(struct mig_work *w)
{
	int st = 0;

	while (waitpid(w->pid, &st, 0) < 0 && errno == EINTR)
		;
	(void)close(w->pidfd);
	(void)close(w->err);
	*w = (struct mig_work)MIG_WORK_INIT;
	return st;
}

int
mig_work_end(struct mig_work *w, struct vps_err *e)
{
	struct vps_err ce = {0};
	int r = fd_read_all(w->err, &ce, sizeof(ce));
	int st = reap(w);

	if (r < 0 || !WIFEXITED(st))
		return vps_err_say(e, -EINTR, "its process was killed");
	ce.msg[sizeof(ce.msg) - 1] = '\0';
	if (WEXITSTATUS(st) != 0 || ce.code < 0)
		return vps_err_say(
		    e, ce.code < 0 ? ce.code : -EIO, "%s", ce.msg);
	return 0;
}

void
mig_work_stop(struct mig_work *w)
{
	if (w->pid <= 0)
		return;
	(void)kill(w->pid, SIGKILL);
	(void)reap(w);
}
