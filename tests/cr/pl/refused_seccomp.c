/* SPDX-License-Identifier: BSD-2-Clause
 * @cr refused=without no_new_privs
 * A filter installed by a privileged process that has become another user. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "payload.h"

int
main(int argc, char **argv)
{
	struct sock_filter f = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
	struct sock_fprog prog = {1, &f};
	int up[2], go[2];
	pid_t pid;
	char c;

	pl_init(argc, argv);
	pl_ok(pipe(up));
	pl_ok(pipe(go));
	pid = pl_ok(fork());
	if (pid == 0) {
		close(go[1]);
		pl_ok(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
		pl_ok(setresuid(1000, 1000, 1000));
		pl_eq(write(up[1], "u", 1), 1);
		pl_eq(read(go[0], &c, 1), 0);
		_exit(0);
	}
	pl_eq(read(up[0], &c, 1), 1);
	pl_wait();
	close(go[1]);
	pl_join(pid);
	return pl_pass();
}
