/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "base/str.h"
#include "core/cgroup.h"
#include "core/control.h"
#include "core/enter.h"
#include "core/holder.h"
#include "core/keeper.h"
#include "core/term.h"
#include "sys/path.h"

#define PASSWD_MAX 65536

struct env {
	char home[264], shell[264], term[80];
	char *v[8];
};

/* Copies field `nr` of the line of uid 0 in the instance's passwd(5). */
static void
passwd_field(char *text, int nr, const char *name, char *ret, size_t n)
{
	char *line, *f, *uid;
	int i;

	while ((line = strsep(&text, "\n")) != NULL) {
		char *p = line;

		(void)strsep(&p, ":");
		(void)strsep(&p, ":");
		uid = strsep(&p, ":");
		if (uid == NULL || strcmp(uid, "0") != 0)
			continue;
		for (i = 3, f = NULL; i <= nr; i++)
			f = strsep(&p, ":");
		if (f != NULL && f[0] == '/')
			(void)str_fmt(ret, n, "%s=%s", name, f);
		return;
	}
}

static void
read_passwd(const struct core_inst *in, struct env *env)
{
	auto_close int root = sys_root_of(core_get_proc(in, "init").pid);
	auto_close int fd = -1;
	auto_free char *a = malloc(PASSWD_MAX), *b = NULL;
	ssize_t n;

	if (root < 0 || a == NULL)
		return;
	fd = sys_open_in(root, "/etc/passwd",
	    O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0);
	n = fd < 0 ? -1 : read(fd, a, PASSWD_MAX - 1);
	if (n < 0)
		return;
	a[n] = '\0';
	b = strdup(a);
	passwd_field(a, 5, "HOME", env->home, sizeof(env->home));
	if (b != NULL)
		passwd_field(b, 6, "SHELL", env->shell, sizeof(env->shell));
}

static bool
term_ok(const char *s)
{
	return s != NULL && *s != '\0' && strlen(s) < 64 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789-+._") == strlen(s);
}

static void
make_env(const struct core_inst *in, struct env *env)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			     "/usr/bin:/sbin:/bin",
		    user[] = "USER=root", logname[] = "LOGNAME=root";
	const char *term = getenv("TERM");
	char *v[] = {env->home, env->shell, env->term, path, user, logname};

	(void)strcpy(env->home, "HOME=/root");
	(void)strcpy(env->shell, "SHELL=/bin/sh");
	(void)snprintf(env->term, sizeof(env->term), "TERM=%s",
	    term_ok(term) ? term : "linux");
	read_passwd(in, env);
	memcpy(env->v, v, sizeof(v));
	env->v[ARRAY_LEN(v)] = NULL;
}

static int
exec_status(int code)
{
	return code == -ENOENT || code == -ENOTDIR ? CORE_EXEC_NOT_FOUND
						   : CORE_EXEC_CANT_RUN;
}

int
core_execin(struct core_inst *in, char *const argv[], struct vps_err *e)
{
	struct core_entered out;
	struct env env;
	struct core_enter what = {.cgroup = CORE_CG_PAYLOAD,
	    .program = -1,
	    .argv = argv,
	    .envp = env.v,
	    .home = true,
	    .detach = true};
	int r, exec = 0;

	r = core_need(in, 1U << CORE_ST_RUNNING, "execin", e);
	if (r < 0)
		return r;
	make_env(in, &env);
	r = core_enter(in, &what, &out, &exec, e);
	if (exec < 0)
		return exec_status(exec);
	return r < 0 ? r : 0;
}

/* Both keep a copy, so that neither's end hangs the terminal up. */
static int
keep_master(const struct core_inst *in, int master, struct vps_err *e)
{
	auto_close int h = core_holder_open(in, e);
	int num;

	if (h < 0)
		return h;
	num = core_hold_new(h, HOLD_CONSOLE + 1, master, e);
	if (num > 0) {
		auto_close int k = core_keeper_open(in, NULL);

		if (k >= 0)
			(void)core_keeper_ask(
			    k, KEEP_HOLD, (uint32_t)num, master, NULL);
	}
	return num;
}

static void
drop_master(const struct core_inst *in, int num)
{
	auto_close int h = core_holder_open(in, NULL);
	auto_close int k = -1;
	char path[96];

	if (h >= 0)
		(void)core_hold_drop(h, (uint32_t)num);
	/* Not core_keeper_open(): no reason to start one. */
	if (core_path(in->id, "control", path, sizeof(path)) == 0)
		k = sys_unix_connect(path);
	if (k >= 0)
		(void)core_keeper_ask(k, KEEP_DROP, (uint32_t)num, -1, NULL);
}

static int
end_status(const struct core_inst *in, int status, struct vps_err *e)
{
	char host[256];

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGKILL &&
	    core_moved_to(in->id, host, sizeof(host)) == 0)
		return vps_err_say(e, -ECHILD, "%s: moved to %s", in->id, host);
	return 128 + WTERMSIG(status);
}

int
core_execwt(struct core_inst *in, char *const argv[], int fd_in, int fd_out,
    struct vps_err *e)
{
	struct core_entered out;
	struct env env;
	struct core_enter what = {.cgroup = CORE_CG_PAYLOAD,
	    .program = -1,
	    .argv = argv,
	    .envp = env.v,
	    .tty = true,
	    .home = true,
	    .raw_in = !isatty(fd_in),
	    .raw_out = !isatty(fd_out)};
	int r, exec = 0, num, status = 0;

	r = core_need(in, 1U << CORE_ST_RUNNING, "execwt", e);
	if (r < 0)
		return r;
	make_env(in, &env);
	if (ioctl(fd_in, TIOCGWINSZ, &what.ws) < 0)
		(void)ioctl(fd_out, TIOCGWINSZ, &what.ws);
	r = core_enter(in, &what, &out, &exec, e);
	if (exec < 0)
		return exec_status(exec);
	if (r < 0)
		return r;
	num = keep_master(in, out.master, e);
	core_unlock(in);
	r = num < 0 ? num
		    : core_term_run(out.master, out.pidfd, fd_in, fd_out, e);
	if (r < 0)
		(void)sys_pidfd_signal(out.pidfd, SIGHUP);
	while (r == 0 && waitpid(out.pid, &status, 0) < 0)
		if (errno != EINTR)
			r = vps_err_set(e, -errno, "wait for %s", argv[0]);
	if (num > 0)
		drop_master(in, num);
	(void)close(out.master);
	(void)close(out.pidfd);
	return r < 0 ? r : end_status(in, status, e);
}

pid_t
core_spawn_inside(const struct core_inst *in, pid_t pid_in, int program,
    char *const argv[], char *const envp[], const int *fds, unsigned n,
    struct vps_err *e)
{
	static char *const no_env[] = {NULL};
	struct core_entered out;
	struct core_enter what = {.cgroup = CORE_CG_SYS,
	    .pid_in = pid_in,
	    .program = program,
	    .argv = argv,
	    .envp = envp != NULL ? envp : no_env,
	    .fds = fds,
	    .nfds = n};
	int r = core_enter(in, &what, &out, NULL, e);

	if (r < 0)
		return r;
	(void)close(out.pidfd);
	return out.pid;
}
