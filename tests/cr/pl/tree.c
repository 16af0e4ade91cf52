/* SPDX-License-Identifier: BSD-2-Clause
 * A tree of processes: pids, parents, groups, a zombie, a stopped one, and one
 * that asks its parent for a number after all. */
#include "payload.h"

#define DEPTH 4

/* Each process of the chain waits for the next one; the last one for ever. */
static void
chain(int out)
{
	for (int i = 0; i < DEPTH; i++) {
		pid_t pid = pl_ok(fork());

		if (pid != 0) {
			while (waitpid(pid, NULL, 0) < 0)
				;
			_exit(0);
		}
		if (i == 2)
			pl_ok(setpgid(0, 0));
		pl_eq(write(out, (int[1]){getpid()}, sizeof(int)), sizeof(int));
	}
	for (;;)
		pause();
}

int
main(int argc, char **argv)
{
	int p[2], pids[DEPTH], st;
	pid_t first, zombie, stopped;
	siginfo_t si;

	pl_init(argc, argv);
	pl_ok(pipe(p));
	first = pl_ok(fork());
	if (first == 0)
		chain(p[1]);
	for (int i = 0; i < DEPTH; i++)
		pl_eq(read(p[0], &pids[i], sizeof(int)), sizeof(int));
	zombie = pl_ok(fork());
	if (zombie == 0)
		_exit(42);
	pl_ok(waitid(P_PID, (id_t)zombie, &si, WEXITED | WNOWAIT));
	stopped = pl_ok(fork());
	if (stopped == 0) {
		raise(SIGSTOP);
		_exit(43);
	}
	pl_eq(waitpid(stopped, &st, WUNTRACED), stopped);
	pl_check(WIFSTOPPED(st));
	pl_wait();
	pl_eq(waitpid(zombie, &st, 0), zombie);
	pl_check(WIFEXITED(st) && WEXITSTATUS(st) == 42);
	/* Still stopped, and not stopped anew. */
	pl_eq(waitpid(stopped, &st, WNOHANG | WUNTRACED), 0);
	pl_ok(kill(stopped, SIGCONT));
	pl_eq(waitpid(stopped, &st, 0), stopped);
	pl_check(WIFEXITED(st) && WEXITSTATUS(st) == 43);
	for (int i = 0; i < DEPTH; i++)
		pl_ok(kill(pids[i], 0));
	pl_eq(getpgid(pids[2]), pids[2]);
	pl_eq(getpgid(pids[3]), pids[2]);
	pl_eq(getpgid(pids[1]), getpgid(0));
	/* The last one's end is the end of each before it, in turn. */
	pl_ok(kill(pids[DEPTH - 1], SIGKILL));
	pl_join(first);
	return pl_pass();
}
