/* SPDX-License-Identifier: BSD-2-Clause
 * Sessions and groups whose leader is gone, a stopped job, an orphan. */
#include "payload.h"

static bool
is_stopped(int pid)
{
	char path[64], buf[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	pl_check(f != NULL && fgets(buf, sizeof(buf), f) != NULL);
	fclose(f);
	return strstr(buf, ") T 1 ") != NULL;
}

int
main(int argc, char **argv)
{
	int p[2], go[2], got[4], st;
	pid_t leader;
	char c;

	pl_init(argc, argv);
	pl_ok(pipe(p));
	pl_ok(pipe(go));
	/* A session leader that starts two and ends: `nohup x &`, logout. */
	leader = pl_ok(fork());
	if (leader == 0) {
		pl_ok(setsid());
		for (int i = 0; i < 2; i++)
			if (pl_ok(fork()) == 0) {
				int me[2] = {getpid(), 0};

				close(go[1]);
				if (i == 1)
					pl_ok(setpgid(0, 0));
				me[1] = getpgid(0);
				signal(SIGHUP, SIG_IGN);
				pl_eq(write(p[1], me, sizeof(me)), sizeof(me));
				/* A group that loses its leader's session is
				 * woken: stop only after that. */
				while (getppid() != 1)
					usleep(1000);
				if (i == 1)
					raise(SIGSTOP);
				pl_eq(read(go[0], &c, 1), 0);
				_exit(0);
			}
		_exit(0);
	}
	close(go[0]);
	pl_eq(waitpid(leader, &st, 0), leader);
	pl_eq(read(p[0], got, 8), 8);
	pl_eq(read(p[0], got + 2, 8), 8);
	for (int i = 0; i < 4; i += 2) {
		pl_eq(getsid(got[i]), leader);
		while (got[i] == got[i + 1] && !is_stopped(got[i]))
			usleep(1000);
	}
	pl_wait();
	for (int i = 0; i < 4; i += 2) {
		pl_eq(getsid(got[i]), leader);
		pl_eq(getpgid(got[i]), got[i + 1]);
	}
	pl_eq(kill(leader, 0), -1);
	for (int i = 0; i < 4; i += 2) {
		pl_eq(is_stopped(got[i]), got[i] == got[i + 1]);
		pl_ok(kill(got[i], SIGCONT));
	}
	close(go[1]);
	for (int i = 0; i < 4; i += 2)
		for (int k = 0; k < 200 && kill(got[i], 0) == 0; k++)
			usleep(10000);
	pl_eq(kill(got[0], 0), -1);
	pl_eq(kill(got[2], 0), -1);
	return pl_pass();
}
