/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pid 1 of the instance of test_kill.py: processes, threads, a terminal, unread
 * data, and a server that answers each line with `ok NUMBER`, or with what is
 * wrong: somebody has stopped, or something about itself has changed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define NPROC   4
#define NTHREAD 3
#define NWORK   (NPROC * (NTHREAD + 1))
#define STILL_S 5
#define QUEUED  "waits to be read"

struct shared {
	volatile unsigned long count[NWORK];
	volatile int bad[NWORK]; /* line */
};

static struct shared *sh;
static int master, pair[2];

static void
work(int i)
{
	double x = 1.0;

	for (;;) {
		struct timespec ts = {0, 1000000 * (1 + i % 3)}, rem;
		sigset_t mask;

		/* computes, or waits in different ways */
		for (int k = 0; k < 20000; k++)
			x = x * 1.0000001 + 1e-9;
		if (!(x > 1.0))
			sh->bad[i] = __LINE__;
		while (x > 1e6)
			x /= 10;
		if (nanosleep(&ts, &rem) < 0)
			sh->bad[i] = __LINE__;
		if (sigprocmask(SIG_SETMASK, NULL, &mask) < 0)
			sh->bad[i] = __LINE__;
		for (int s = 1; s < 32; s++)
			if (sigismember(&mask, s))
				sh->bad[i] = __LINE__;
		sh->count[i]++;
	}
}

static void *
thread_main(void *arg)
{
	work((int)(long)arg);
	return NULL;
}

static void
worker(int p)
{
	pthread_t t;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 1; i <= NTHREAD; i++)
		if (pthread_create(&t, NULL, thread_main,
			(void *)(long)(p * (NTHREAD + 1) + i)) != 0)
			_exit(1);
	work(p * (NTHREAD + 1));
}

/* Sends back what it reads, on a terminal. */
static void
echo_main(int slave)
{
	char b[64];
	ssize_t n;

	(void)setsid();
	(void)ioctl(slave, TIOCSCTTY, 0);
	while ((n = read(slave, b, sizeof(b))) > 0)
		if (write(slave, b, (size_t)n) != n)
			_exit(1);
	_exit(2);
}

static int
terminal(void)
{
	struct termios t;
	int s;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	s = open(ptsname(master), O_RDWR | O_NOCTTY);
	if (s < 0 || tcgetattr(s, &t) < 0)
		return -1;
	cfmakeraw(&t);
	if (tcsetattr(s, TCSANOW, &t) < 0)
		return -1;
	if (fork() == 0)
		echo_main(s);
	(void)close(s);
	return 0;
}

static int
opt_of(int fd, int level, int name)
{
	int v = -99;
	socklen_t n = sizeof(v);

	(void)getsockopt(fd, level, name, &v, &n);
	return v;
}

static const char *
tty_check(void)
{
	static unsigned n;
	char a[32], b[32];
	int len = snprintf(a, sizeof(a), "tty %u.", n++), got = 0;

	if (write(master, a, (size_t)len) != len)
		return "write to the terminal";
	while (got < len) {
		ssize_t k = read(master, b + got, (size_t)(len - got));

		if (k <= 0)
			return "read from the terminal";
		got += (int)k;
	}
	return memcmp(a, b, (size_t)len) == 0 ? NULL : "echo of the terminal";
}

static const char *
sockets_check(int c, int l, int idle)
{
	char b[64];

	if (opt_of(c, SOL_SOCKET, SO_REUSEADDR) != 1)
		return "SO_REUSEADDR of the connection";
	if (opt_of(idle, SOL_SOCKET, SO_REUSEADDR) != 0)
		return "SO_REUSEADDR of a client's socket";
	if (opt_of(l, SOL_SOCKET, SO_REUSEADDR) != 1)
		return "SO_REUSEADDR of the listener";
	if (opt_of(c, SOL_SOCKET, SO_PEEK_OFF) != -1 ||
	    opt_of(pair[1], SOL_SOCKET, SO_PEEK_OFF) != -1 ||
	    opt_of(idle, SOL_SOCKET, SO_PEEK_OFF) != -1)
		return "SO_PEEK_OFF";
	for (int i = 0; i < 2; i++) {
		if (recv(pair[1], b, sizeof(b), MSG_PEEK | MSG_DONTWAIT) !=
			(ssize_t)strlen(QUEUED) ||
		    memcmp(b, QUEUED, strlen(QUEUED)) != 0)
			return "what waits in a unix socket";
	}
	return NULL;
}

/* Everybody must count on from here. */
static const char *
progress(char *text, size_t n)
{
	unsigned long was[NWORK];
	struct timespec nap = {0, 1000000};
	time_t end = time(NULL) + STILL_S;

	for (int i = 0; i < NWORK; i++)
		was[i] = sh->count[i];
	for (int i = 0; i < NWORK; i++) {
		while (sh->count[i] == was[i] && time(NULL) < end)
			(void)nanosleep(&nap, NULL);
		if (sh->count[i] != was[i] && sh->bad[i] == 0)
			continue;
		(void)snprintf(text, n, "worker %d: %s, line %d", i,
		    sh->bad[i] ? "changed" : "stands still", sh->bad[i]);
		return text;
	}
	return NULL;
}

static void
serve(int l, int idle)
{
	char b[64], text[128], out[160];
	unsigned long n = 0;

	for (;;) {
		int c = accept4(l, NULL, NULL, SOCK_CLOEXEC);

		while (c >= 0 && read(c, b, sizeof(b)) > 0) {
			const char *bad = tty_check();
			int len;

			if (bad == NULL)
				bad = sockets_check(c, l, idle);
			if (bad == NULL && waitpid(-1, NULL, WNOHANG) != 0)
				bad = "a process has ended";
			if (bad == NULL)
				bad = progress(text, sizeof(text));
			len = snprintf(out, sizeof(out), "%s%s %lu\n",
			    bad ? "bad: " : "ok", bad ? bad : "", ++n);
			if (write(c, out, (size_t)len) != len)
				break;
		}
		if (c >= 0)
			(void)close(c);
	}
}

static void
bye(int sig)
{
	(void)sig;
	_exit(0);
}

/* A connection over lo that nobody uses: *ret_peer is its other end. */
static int
idle_connection(int l, int *ret_peer)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (getsockname(l, (struct sockaddr *)&a, &n) < 0)
		return -1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (c < 0 || connect(c, (struct sockaddr *)&a, n) < 0)
		return -1;
	*ret_peer = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	return *ret_peer < 0 ? -1 : c;
}

int
main(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7007)};
	int l, one = 1, idle, peer;

	(void)signal(SIGPWR, bye);
	(void)signal(SIGTERM, bye);
	(void)signal(SIGPIPE, SIG_IGN);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sh == MAP_FAILED || terminal() < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    write(pair[0], QUEUED, strlen(QUEUED)) < 0)
		return 3;
	l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 ||
	    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(l, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(l, 8) < 0)
		return 4;
	idle = idle_connection(l, &peer);
	if (idle < 0)
		return 5;
	for (int p = 0; p < NPROC; p++)
		if (fork() == 0)
			worker(p);
	serve(l, idle);
	return 0;
}
