/* SPDX-License-Identifier: BSD-2-Clause
 * Credentials and what goes with a process: ids, groups, capabilities, limits,
 * umask, nice, affinity, prctl() settings. In children, since they are dropped
 * for good. */
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "payload.h"

struct caps {
	struct __user_cap_data_struct d[2];
};

static struct caps
getcaps(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct caps c;

	pl_ok(syscall(SYS_capget, &h, c.d));
	return c;
}

static void
child_user(int up, int go)
{
	gid_t g[3] = {100, 200, 300}, got[8];
	struct rlimit rl = {.rlim_cur = 123, .rlim_max = 456}, r2;
	uid_t r, e, s;
	char c;

	pl_ok(setgroups(3, g));
	pl_ok(setresgid(1001, 1002, 1003));
	umask(0137);
	pl_ok(setrlimit(RLIMIT_NOFILE, &rl));
	pl_ok(setpriority(PRIO_PROCESS, 0, 7));
	pl_ok(setresuid(2001, 2002, 2003));
	pl_ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	pl_ok(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	pl_eq(write(up, "u", 1), 1);
	pl_eq(read(go, &c, 1), 0);
	pl_eq(getgroups(8, got), 3);
	pl_check(got[0] == 100 && got[1] == 200 && got[2] == 300);
	pl_ok(getresuid(&r, &e, &s));
	pl_check(r == 2001 && e == 2002 && s == 2003);
	pl_ok(getresgid(&r, &e, &s));
	pl_check(r == 1001 && e == 1002 && s == 1003);
	pl_eq(setfsuid((uid_t)-1), 2002);
	pl_eq(umask(0), 0137);
	pl_ok(getrlimit(RLIMIT_NOFILE, &r2));
	pl_check(r2.rlim_cur == 123 && r2.rlim_max == 456);
	errno = 0;
	pl_eq(getpriority(PRIO_PROCESS, 0), 7);
	pl_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	pl_eq(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	_exit(0);
}

static void
child_caps(int up, int go)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct caps c = {0}, now;
	char b;

	pl_ok(prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0));
	pl_ok(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_KEEP_CAPS));
	c.d[0].permitted = 1 << CAP_NET_RAW | 1 << CAP_KILL | 1 << CAP_CHOWN;
	c.d[0].effective = 1 << CAP_KILL;
	c.d[0].inheritable = 1 << CAP_NET_RAW;
	pl_ok(syscall(SYS_capset, &h, c.d));
	pl_ok(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, 0, 0));
	pl_eq(write(up, "c", 1), 1);
	pl_eq(read(go, &b, 1), 0);
	now = getcaps();
	pl_eq(now.d[0].permitted, c.d[0].permitted);
	pl_eq(now.d[0].effective, c.d[0].effective);
	pl_eq(now.d[0].inheritable, c.d[0].inheritable);
	pl_eq(now.d[1].permitted, 0);
	pl_eq(prctl(PR_CAPBSET_READ, CAP_SYS_NICE, 0, 0, 0), 0);
	pl_eq(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0), 1);
	pl_eq(
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0), 1);
	pl_eq(prctl(PR_GET_SECUREBITS), SECBIT_NOROOT | SECBIT_KEEP_CAPS);
	_exit(0);
}

static void
child_misc(int up, int go)
{
	struct sched_param sp = {0};
	cpu_set_t set, now;
	char c;

	pl_ok(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	pl_ok(prctl(PR_SET_TIMERSLACK, 123456, 0, 0, 0));
	pl_ok(sched_setscheduler(0, SCHED_BATCH, &sp));
	CPU_ZERO(&set);
	pl_ok(sched_getaffinity(0, sizeof(set), &set));
	for (int i = 0, left = CPU_COUNT(&set); i < CPU_SETSIZE && left > 1;
	     i++)
		if (CPU_ISSET(i, &set)) {
			CPU_CLR(i, &set);
			left--;
		}
	pl_ok(sched_setaffinity(0, sizeof(set), &set));
	pl_eq(write(up, "m", 1), 1);
	pl_eq(read(go, &c, 1), 0);
	pl_ok(prctl(PR_GET_CHILD_SUBREAPER, &(int){0}, 0, 0, 0));
	pl_eq(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), 123456);
	pl_eq(sched_getscheduler(0), SCHED_BATCH);
	CPU_ZERO(&now);
	pl_ok(sched_getaffinity(0, sizeof(now), &now));
	pl_check(CPU_EQUAL(&set, &now));
	_exit(0);
}

int
main(int argc, char **argv)
{
	void (*const what[])(int, int) = {child_user, child_caps, child_misc};
	pid_t pid[3];
	int up[2], go[2];
	char c;

	pl_init(argc, argv);
	pl_ok(pipe(up));
	pl_ok(pipe(go));
	for (int i = 0; i < 3; i++) {
		pid[i] = pl_ok(fork());
		if (pid[i] == 0) {
			close(go[1]);
			what[i](up[1], go[0]);
		}
		pl_eq(read(up[0], &c, 1), 1);
	}
	pl_wait();
	close(go[1]);
	for (int i = 0; i < 3; i++)
		pl_join(pid[i]);
	return pl_pass();
}
