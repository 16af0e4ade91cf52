/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Root inside an instance that attaches to every process it can find, until
 * /tmp/spy-stop is there, and looks for descriptors, roots, working directories
 * and programs that aren't of this instance. The report is /tmp/spy-done.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static FILE *out;
static unsigned attached, refused;

/* Whether a link of /proc shows something that has no business here. */
static int
is_foreign(const char *name, const char *link)
{
	if (strcmp(name, "exe") == 0)
		return strstr(link, "/work/") != NULL ||
		       strstr(link, "vps-") != NULL ||
		       strstr(link, "priv-core") != NULL;
	return strncmp(link, "/dev/null", 9) != 0 &&
	       strncmp(link, "/dev/pts/", 9) != 0 &&
	       strncmp(link, "/dev/console", 12) != 0;
}

static void
look_at_link(int pid, const char *name, const char *path)
{
	char link[4096];
	ssize_t n = readlink(path, link, sizeof(link) - 1);

	if (n < 0)
		return;
	link[n] = '\0';
	if (is_foreign(name, link))
		(void)fprintf(out, "FOUND %d %s -> %s\n", pid, name, link);
}

static void
look_at(int pid)
{
	char path[300];
	struct dirent *de;
	DIR *d;
	int fd, pidfd;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	look_at_link(pid, "exe", path);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d != NULL && (de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		(void)snprintf(
		    path, sizeof(path), "/proc/%d/fd/%s", pid, de->d_name);
		look_at_link(pid, de->d_name, path);
	}
	if (d != NULL)
		(void)closedir(d);
	/* A descriptor that we get is as good as escaped. */
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	for (fd = 3; pidfd >= 0 && fd < 16; fd++) {
		int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

		if (got >= 0) {
			(void)snprintf(
			    path, sizeof(path), "/proc/self/fd/%d", got);
			(void)fprintf(out, "FOUND %d getfd %d\n", pid, fd);
			(void)close(got);
		}
	}
	if (pidfd >= 0)
		(void)close(pidfd);
}

static void
attach(int pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0) {
		refused++;
		return;
	}
	attached++;
	if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0 &&
	    waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		look_at(pid);
		(void)ptrace(PTRACE_DETACH, pid, 0, 0);
	}
}

int
main(void)
{
	int last = getpid(), pid, miss;

	out = fopen("/tmp/spy-report", "we");
	if (out == NULL)
		return 1;
	(void)close(
	    open("/tmp/spy-ready", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	/* Pids go up one by one: the next is tried until it is there. */
	for (pid = last + 1, miss = 0; access("/tmp/spy-stop", F_OK) < 0;) {
		if (syscall(SYS_kill, pid, 0) < 0) {
			/* It may have come and gone between two looks. */
			if (++miss % 64 == 0 &&
			    syscall(SYS_kill, pid + 1, 0) == 0)
				pid++;
			continue;
		}
		look_at(pid);
		attach(pid);
		pid++;
		miss = 0;
	}
	(void)fprintf(out, "attached %u refused %u\n", attached, refused);
	(void)fclose(out);
	return rename("/tmp/spy-report", "/tmp/spy-done") != 0;
}
