/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every payload has in common. A payload sets up one kind of kernel
 * object, waits, and checks afterwards that nothing about it has changed. What
 * happens in between (suspended, written to a file and restored, moved) it
 * doesn't know.
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		int p[2];
 *
 *		pl_init(argc, argv);
 *		pl_ok(pipe(p));
 *		pl_eq(write(p[1], "x", 1), 1);
 *		pl_wait();
 *		pl_eq(read(p[0], &c, 1), 1);
 *		return pl_pass();
 *	}
 *
 * tests/cr/crinit.c, pid 1 of the instance, starts each payload as a child of
 * its own with a directory to work in; run.py says when to go on. Payloads are
 * linked statically; whatever they need besides, they make. A line `@cr WORD
 * ...` in the head comment of a payload tells run.py:
 *
 *	alone		an instance of its own
 *	userns, nouserns only with, only without a user namespace
 *	net		the instance has an interface
 *	not=MODE,...	modes (see run.py) that can't be used
 *	refused=TEXT	must be refused before the freeze, with TEXT in the
 *			message, and run on
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PL_OUT "/out"

static const char *pl_name;
static volatile sig_atomic_t pl_go;
static pid_t pl_main;

__attribute__((unused, format(printf, 2, 3), noreturn)) static void
pl_die(int line, const char *fmt, ...)
{
	va_list ap;
	int err = errno;

	fprintf(stderr, "FAIL %s: line %d: ", pl_name, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, " (errno %d)\n", err);
	_exit(1);
}

#define pl_fail(...) pl_die(__LINE__, __VA_ARGS__)
#define pl_check(x)                                \
	do {                                       \
		if (!(x))                          \
			pl_fail("not so: %s", #x); \
	} while (0)
/* A system call or libc function that gives -1 on failure. */
#define pl_ok(x)                                                        \
	({                                                              \
		__typeof__(x) pl_v_ = (x);                              \
		if (pl_v_ == (__typeof__(x))-1)                         \
			pl_fail("failed: %s: %s", #x, strerror(errno)); \
		pl_v_;                                                  \
	})
#define pl_eq(a, b)                                                         \
	do {                                                                \
		long long pl_a_ = (long long)(a), pl_b_ = (long long)(b);   \
		if (pl_a_ != pl_b_)                                         \
			pl_fail("%s is %lld, must be %s = %lld", #a, pl_a_, \
			    #b, pl_b_);                                     \
	} while (0)

static void
pl_on_term(int sig)
{
	(void)sig;
	pl_go = 1;
}

__attribute__((unused)) static void
pl_init(int argc, char **argv)
{
	const char *slash;

	(void)argc;
	slash = strrchr(argv[0], '/');
	pl_name = slash == NULL ? argv[0] : slash + 1;
	pl_main = getpid();
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Says that all is set up; returns when what happens has happened. Only the
 * payload's first process calls it, with its children in place. SIGTERM is
 * blocked but for this wait. */
__attribute__((unused)) static void
pl_wait(void)
{
	struct sigaction sa = {.sa_handler = pl_on_term}, old;
	char tmp[256], path[256];
	sigset_t term, mask;
	int fd;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pl_ok(sigprocmask(SIG_BLOCK, &term, &mask));
	pl_ok(sigaction(SIGTERM, &sa, &old));
	snprintf(tmp, sizeof(tmp), PL_OUT "/%s.new", pl_name);
	snprintf(path, sizeof(path), PL_OUT "/%s.ready", pl_name);
	fd = pl_ok(open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	dprintf(fd, "%d\n", (int)pl_main);
	close(fd);
	pl_ok(rename(tmp, path));
	term = mask;
	sigdelset(&term, SIGTERM);
	while (!pl_go)
		sigsuspend(&term);
	pl_ok(sigaction(SIGTERM, &old, NULL));
	pl_ok(sigprocmask(SIG_SETMASK, &mask, NULL));
}

/* main()'s last statement: return pl_pass(); */
__attribute__((unused)) static int
pl_pass(void)
{
	printf("PASS %s\n", pl_name);
	return 0;
}

/* A child that must end with status 0. */
__attribute__((unused)) static void
pl_join(pid_t pid)
{
	int st = 0;

	pl_eq(waitpid(pid, &st, 0), pid);
	if (!WIFEXITED(st) || WEXITSTATUS(st) != 0)
		pl_fail(
		    "child %d ended with status 0x%x", (int)pid, (unsigned)st);
}

__attribute__((unused)) static int64_t
pl_now_ns(clockid_t clock)
{
	struct timespec t;

	pl_ok(clock_gettime(clock, &t));
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Bytes that depend on where they are, to see that none is out of place. */
__attribute__((unused)) static void
pl_fill(void *buf, size_t len, unsigned seed)
{
	unsigned char *p = buf;
	uint32_t x = seed * 2654435761U + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		p[i] = (unsigned char)(x >> 24);
	}
}

__attribute__((unused)) static bool
pl_filled(const void *buf, size_t len, unsigned seed)
{
	const unsigned char *p = buf;
	uint32_t x = seed * 2654435761U + 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		if (p[i] != (unsigned char)(x >> 24))
			return false;
	}
	return true;
}
