/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Measures, a line at a time, so that floors and what is compared with them
 * alternate in one run. Reads a request per line, words separated by tabs;
 * answers with nanoseconds, and for commands the wait status:
 *
 *	fork			fork + exec + wait of /bin/true
 *	memcpy BYTES		one copy between two warm buffers
 *	run OUT ERR CMD ...	fork + exec + wait of CMD. OUT is opened without
 *				truncation, "-": /dev/null; ERR is truncated
 *
 * A small C program, since the fork of a large one costs more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORDS 32

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
run(const char *out, const char *err, char *const argv[])
{
	uint64_t t = now_ns();
	int st = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open("/dev/null", O_RDWR);

		dup2(fd, 0);
		if (strcmp(out, "-") != 0)
			fd = open(out, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		dup2(fd, 1);
		if (strcmp(err, "-") != 0)
			fd = open(
			    err, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		dup2(fd, 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &st, 0) != pid) {
		printf("0 -1\n");
		return;
	}
	t = now_ns() - t;
	printf("%llu %d\n", (unsigned long long)t,
	    WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st));
}

static void
copy(size_t len)
{
	static char *a, *b;
	static size_t have;
	uint64_t t;

	if (have != len) {
		if (a != NULL) {
			munmap(a, have);
			munmap(b, have);
		}
		a = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		b = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (a == MAP_FAILED || b == MAP_FAILED) {
			printf("0 %d\n", errno);
			exit(1);
		}
		have = len;
		memset(a, 1, len);
		memcpy(b, a, len);
	}
	t = now_ns();
	memcpy(b, a, len);
	t = now_ns() - t;
	__asm__ volatile("" : : "r"(b) : "memory");
	printf("%llu 0\n", (unsigned long long)t);
}

int
main(void)
{
	char true_path[] = "/bin/true";
	char *true_argv[] = {true_path, NULL};
	char line[4096];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *w[MAX_WORDS + 1] = {NULL}, *save = NULL;
		int n = 0;

		line[strcspn(line, "\n")] = '\0';
		for (char *p = strtok_r(line, "\t", &save);
		     p != NULL && n < MAX_WORDS;
		     p = strtok_r(NULL, "\t", &save))
			w[n++] = p;
		if (n >= 1 && strcmp(w[0], "fork") == 0)
			run("-", "-", true_argv);
		else if (n >= 2 && strcmp(w[0], "memcpy") == 0)
			copy(strtoull(w[1], NULL, 10));
		else if (n >= 4 && strcmp(w[0], "run") == 0)
			run(w[1], w[2], w + 3);
		else
			printf("0 -1\n");
		fflush(stdout);
	}
	return 0;
}
