/* SPDX-License-Identifier: BSD-2-Clause
 * A working directory without a name, a root of one's own, the name of the
 * host. */
#include "payload.h"

int
main(int argc, char **argv)
{
	pid_t gone, jail;
	int up[2], go[2];
	char buf[256], c;

	pl_init(argc, argv);
	pl_ok(pipe(up));
	pl_ok(pipe(go));
	pl_ok(mkdir("jail", 0755));
	pl_ok(mkdir("jail/in", 0755));
	pl_ok(mkdir("gone", 0755));
	gone = pl_ok(fork());
	if (gone == 0) {
		close(go[1]);
		pl_ok(chdir("gone"));
		pl_ok(rmdir("../gone"));
		pl_eq(write(up[1], "u", 1), 1);
		pl_eq(read(go[0], &c, 1), 0);
		pl_eq(readlink("/proc/self/cwd", buf, sizeof(buf)) > 10, 1);
		pl_eq(open("x", O_WRONLY | O_CREAT, 0600), -1);
		pl_eq(errno, ENOENT);
		_exit(0);
	}
	pl_eq(read(up[0], &c, 1), 1);
	jail = pl_ok(fork());
	if (jail == 0) {
		close(go[1]);
		pl_ok(chroot("jail"));
		pl_ok(chdir("/in"));
		pl_eq(write(up[1], "u", 1), 1);
		pl_eq(read(go[0], &c, 1), 0);
		pl_check(getcwd(buf, sizeof(buf)) != NULL);
		pl_check(strcmp(buf, "/in") == 0);
		pl_eq(access("/pl", F_OK), -1);
		pl_ok(access("/in", F_OK));
		_exit(0);
	}
	pl_eq(read(up[0], &c, 1), 1);
	close(go[0]);
	pl_wait();
	close(go[1]);
	pl_join(gone);
	pl_join(jail);
	return pl_pass();
}
