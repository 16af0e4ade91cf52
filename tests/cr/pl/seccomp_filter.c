/* SPDX-License-Identifier: BSD-2-Clause
 * A process under filters of its own: still there, still the same, in force. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "payload.h"

static void
deny(unsigned nr, unsigned err)
{
	struct sock_filter f[] = {
	    BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {.len = 4, .filter = f};

	pl_ok(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
}

int
main(int argc, char **argv)
{
	int up[2], go[2];
	pid_t pid;
	char c;

	pl_init(argc, argv);
	pl_ok(pipe(up));
	pl_ok(pipe(go));
	pid = pl_ok(fork());
	if (pid == 0) {
		close(go[1]);
		pl_ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		deny(SYS_getpriority, 77);
		deny(SYS_uname, 88);
		/* What restoring would like to use. */
		deny(SYS_mremap, 99);
		pl_eq(write(up[1], "u", 1), 1);
		pl_eq(read(go[0], &c, 1), 0);
		pl_eq(syscall(SYS_getpriority, 0, 0), -1);
		pl_eq(errno, 77);
		pl_eq(syscall(SYS_uname, NULL), -1);
		pl_eq(errno, 88);
		pl_eq(syscall(SYS_mremap, NULL, 0, 0, 0), -1);
		pl_eq(errno, 99);
		pl_eq(prctl(PR_GET_SECCOMP), 2);
		_exit(0);
	}
	close(go[0]);
	pl_eq(read(up[0], &c, 1), 1);
	pl_wait();
	close(go[1]);
	pl_join(pid);
	return pl_pass();
}
