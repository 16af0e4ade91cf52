/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is measured: pid 1 of an instance that holds a known amount of one
 * thing.
 *
 *	load idle
 *	load tree N		N processes, itself included
 *	load threads N		N threads
 *	load mem MIB		so much written memory
 *	load tcp N		N established connections on port 5000
 *	load connect ADDRESS N	opens those, from outside
 *
 * By the name `true` it ends at once.
 * Writes /ready when it is so (`connect`: a line to standard output).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 5000

static void
on_shutdown(int sig)
{
	(void)sig;
	_exit(0);
}

static void
ready(void)
{
	int fd = open("/ready", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd >= 0)
		close(fd);
}

static void
forever(void)
{
	for (;;)
		pause();
}

static void *
thread(void *arg)
{
	forever();
	return arg;
}

static void
many_files(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void
die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
tcp(int n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	many_files();
	(void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, n) < 0)
		die("port");
	ready();
	for (int i = 0; i < n; i++)
		if (accept4(s, NULL, NULL, SOCK_CLOEXEC) < 0)
			die("accept");
}

static void
connect_to(const char *addr, int n)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	many_files();
	if (inet_pton(AF_INET, addr, &a.sin_addr) != 1)
		die(addr);
	for (int i = 0; i < n; i++) {
		int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (s < 0 || connect(s, (struct sockaddr *)&a, sizeof(a)) < 0)
			die("connect");
	}
	printf("connected\n");
	fflush(stdout);
}

static void
memory(size_t mib)
{
	size_t len = mib << 20;
	uint64_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("memory");
	for (size_t i = 0; i < len / sizeof(*p); i++)
		p[i] = i * 0x9e3779b97f4a7c15ULL;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "idle";
	int n = argc > 2 ? atoi(argv[2]) : 1;
	pthread_attr_t at;
	pthread_t t;
	size_t len = strlen(argv[0]);

	if (len >= 4 && strcmp(argv[0] + len - 4, "true") == 0)
		return 0;
	signal(SIGTERM, on_shutdown);
	signal(SIGINT, on_shutdown);
	signal(SIGPWR, on_shutdown);
	signal(SIGRTMIN + 4, on_shutdown);
	if (strcmp(what, "tree") == 0) {
		for (int i = 1; i < n; i++)
			if (fork() == 0)
				forever();
	} else if (strcmp(what, "threads") == 0) {
		pthread_attr_init(&at);
		pthread_attr_setstacksize(&at, 64 * 1024);
		for (int i = 1; i < n; i++)
			if (pthread_create(&t, &at, thread, NULL) != 0)
				die("thread");
	} else if (strcmp(what, "mem") == 0) {
		memory((size_t)n);
	} else if (strcmp(what, "tcp") == 0) {
		tcp(n);
	} else if (strcmp(what, "connect") == 0 && argc > 3) {
		connect_to(argv[2], atoi(argv[3]));
	}
	if (strcmp(what, "connect") != 0)
		ready();
	forever();
}
