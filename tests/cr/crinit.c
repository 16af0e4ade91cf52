/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pid 1 of the instances in which payloads run: starts each payload that is
 * named in its arguments, reaps, and writes how each ended to /out/NAME.status.
 * It ends when it is told to shut down, by whatever signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PAYLOADS 256

static void
on_shutdown(int sig)
{
	(void)sig;
	_exit(0);
}

static pid_t
start(char *name)
{
	char path[256], out[256], dir[256];
	char *argv[2] = {path, NULL};
	int fd, nul;
	pid_t pid;

	snprintf(path, sizeof(path), "/pl/%s", name);
	snprintf(out, sizeof(out), "/out/%s.log", name);
	snprintf(dir, sizeof(dir), "/work/%s", name);
	mkdir(dir, 0755);
	pid = fork();
	if (pid != 0)
		return pid;
	setsid();
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	nul = open("/dev/null", O_RDWR);
	fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd < 0 || nul < 0 || chdir(dir) < 0)
		_exit(126);
	dup2(nul, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	close_range(3, ~0U, 0);
	execv(path, argv);
	_exit(127);
}

static void
note(const char *name, int status)
{
	char tmp[256], path[256];
	FILE *f;

	snprintf(tmp, sizeof(tmp), "/out/%s.tmp", name);
	snprintf(path, sizeof(path), "/out/%s.status", name);
	f = fopen(tmp, "we");
	if (f == NULL)
		return;
	if (WIFEXITED(status))
		fprintf(f, "%d\n", WEXITSTATUS(status));
	else
		fprintf(f, "signal %d\n", WTERMSIG(status));
	fclose(f);
	rename(tmp, path);
}

int
main(int argc, char **argv)
{
	const int stop[] = {SIGTERM, SIGINT, SIGPWR, SIGUSR1, SIGUSR2, SIGHUP};
	pid_t pids[MAX_PAYLOADS];
	int n = argc - 1, st;

	if (n > MAX_PAYLOADS)
		return 2;
	umask(022);
	mkdir("/out", 0755);
	mkdir("/work", 0755);
	for (unsigned i = 0; i < sizeof(stop) / sizeof(*stop); i++)
		signal(stop[i], on_shutdown);
	signal(SIGRTMIN + 3, on_shutdown);
	signal(SIGRTMIN + 4, on_shutdown);
	for (int i = 0; i < n; i++)
		pids[i] = start(argv[i + 1]);
	for (;;) {
		pid_t p = waitpid(-1, &st, 0);

		if (p < 0) {
			if (errno == ECHILD)
				pause();
			continue;
		}
		for (int i = 0; i < n; i++)
			if (pids[i] == p)
				note(argv[i + 1], st);
	}
}
