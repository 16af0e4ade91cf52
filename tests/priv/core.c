/* SPDX-License-Identifier: BSD-2-Clause
 * Instances for real: start, look inside, stop, and nothing is left. */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "base/log.h"
#include "conf/conf.h"
#include "core/cgroup.h"
#include "core/control.h"
#include "core/create.h"
#include "core/destroy.h"
#include "core/exec.h"
#include "core/holder.h"
#include "core/keeper.h"
#include "core/recover.h"
#include "core/stop.h"

#define DIR_ "/run/vps-test"

static void
die(const char *what, const struct vps_err *e)
{
	(void)fprintf(stderr, "%s: %s\n", what, e->msg);
	exit(1);
}

static void
sh(const char *cmd)
{
	if (system(cmd) != 0) {
		(void)fprintf(stderr, "failed: %s\n", cmd);
		exit(1);
	}
}

/* A root directory with what the host's busybox offers. */
static void
make_world(void)
{
	const char *fs = getenv("VPS_TEST_FS");
	char base[64];

	assert(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0);
	assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	(void)mkdir("/run/vps", 0700);
	assert(mount("tmpfs", "/run/vps", "tmpfs", 0, "mode=700") == 0);
	(void)mkdir(DIR_, 0700);
	/* A kernel may be unable to shift owners of files on a tmpfs. */
	if (fs != NULL)
		assert(mount(fs, DIR_, NULL, MS_BIND, NULL) == 0);
	else
		assert(mount("tmpfs", DIR_, "tmpfs", 0, "mode=700") == 0);
	(void)snprintf(base, sizeof(base), "vps-test-%d", getpid());
	(void)setenv("VPS_CGROUP", base, 1);
	sh("ip link set lo up && cd " DIR_
	   " && mkdir -p r/bin r/etc r/tmp r/root && cp -L /bin/busybox r/bin/ "
	   "&& for i in sh true sleep cat ps ls id mount reboot halt kill "
	   "touch tty; do "
	   "ln -s busybox r/bin/$i; done; "
	   "echo root:x:0:0::/root:/bin/sh > r/etc/passwd; "
	   "for l in $(ldd /bin/busybox 2>/dev/null | grep -o '/[^ ]*'); do "
	   "mkdir -p r$(dirname $l); cp -L $l r$l; done");
}

/* The kernel's names of what make_world() and instances left. */
static void
clear_world(void)
{
	sh("find /sys/fs/cgroup -depth -type d -path \"*/$VPS_CGROUP*\" "
	   "-exec rmdir {} +");
}

static void
spec_of(struct vps_spec *s, const char *init, bool net)
{
	auto_buf struct buf b = {0};
	struct vps_err e;

	buf_addf(&b, "NAME = t1\nFSROOT = " DIR_ "/r\n");
	if (init != NULL)
		buf_addf(&b, "INIT = \"%s\"\n", init);
	if (net)
		buf_adds(&b, "NETIF_0_ADDRESS = 10.99.0.1\n");
	if (conf_parse("test", buf_str(&b), b.len, s, &e) < 0)
		die("conf", &e);
}

static double
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void
start(const char *init, bool net)
{
	auto_spec struct vps_spec s;
	struct vps_err e = {0};

	spec_init(&s);
	spec_of(&s, init, net);
	if (core_start(&s, &e) < 0)
		die("start", &e);
}

static void
stop(void)
{
	struct core_stop_opt opt = {.grace_ms = 3000};
	struct core_inst *in;
	struct vps_err e = {0};

	if (core_open("t1", CORE_EXCL, NULL, &in, &e) < 0 ||
	    core_stop(in, &opt, &e) < 0)
		die("stop", &e);
	core_inst_close(in);
}

static struct core_inst *
open_t1(enum core_mode mode)
{
	struct core_inst *in;
	struct vps_err e = {0};

	if (core_open("t1", mode, NULL, &in, &e) < 0)
		die("open", &e);
	return in;
}

static enum core_st
state(void)
{
	struct core_inst *in;
	enum core_st st;

	if (core_inst_open("t1", CORE_READ, &in, NULL) < 0)
		return CORE_ST_MAX_;
	st = core_state(in);
	core_inst_close(in);
	return st;
}

#define UNTIL(cond)                                      \
	until_(__LINE__, __extension__({                 \
		int i_;                                  \
		for (i_ = 0; i_ < 1000 && !(cond); i_++) \
			(void)usleep(5000);              \
		i_ < 1000;                               \
	}))
static void
until_(int line, bool ok)
{
	if (!ok) {
		(void)fprintf(stderr, "line %d: waited in vain\n", line);
		exit(1);
	}
}

/* What is left on the host: mounts, cgroups, processes of ours, /run/vps. Pairs
 * named vps~N go with a namespace that the kernel is taking down. */
static char *
traces(void)
{
	struct buf b = {0};
	char s[4096];
	size_t n;

	(void)snprintf(s, sizeof(s),
	    "cat /proc/self/mountinfo | cut -d' ' -f5; "
	    "find /sys/fs/cgroup -path '*/%s*' -type d; "
	    "find /run/vps ! -name .ids; ip -o link | cut -d: -f2 | grep -v ' "
	    "vps~'; "
	    "for p in /proc/[0-9]*; do readlink $p/exe >/dev/null && "
	    "grep -ls %s $p/cgroup; done; true",
	    getenv("VPS_CGROUP"), getenv("VPS_CGROUP"));
	FILE *p = popen(s, "re");

	assert(p != NULL);
	while ((n = fread(s, 1, sizeof(s), p)) > 0)
		buf_add(&b, s, n);
	(void)pclose(p);
	buf_add(&b, "", 1);
	assert(buf_err(&b) == 0);
	return (char *)b.data;
}

static void
same_traces(const char *what, const char *before)
{
	auto_free char *after = NULL;
	int i;

	/* A killed process may take a moment to leave /proc. */
	for (i = 0; i < 100; i++) {
		free(take_ptr(&after));
		after = traces();
		if (strcmp(before, after) == 0)
			return;
		(void)usleep(10000);
	}
	(void)fprintf(stderr, "%s leaves traces\n--- before\n%s--- after\n%s",
	    what, before, after);
	exit(1);
}

/* Runs inside by execwt; the output; status in *ret. */
static const char *
run(int *ret, const char *cmd)
{
	static char out[65536];
	char sh_[] = "sh", c[] = "-c", *argv[] = {sh_, c, NULL, NULL};
	struct core_inst *in = open_t1(CORE_SHARED);
	struct vps_err e = {0};
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int p[2];
	ssize_t n;

	argv[2] = strdup(cmd);
	assert(pipe2(p, O_CLOEXEC) == 0);
	*ret = core_execwt(in, argv, null, p[1], &e);
	if (*ret < 0)
		die("execwt", &e);
	core_inst_close(in);
	(void)close(p[1]);
	n = read(p[0], out, sizeof(out) - 1);
	(void)close(p[0]);
	out[n > 0 ? n : 0] = '\0';
	free(argv[2]);
	return out;
}

static void
t_namespaces(void)
{
	static const char *const ns[] = {
	    "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
	char a[64], b[64], path[64];
	struct core_inst *in;
	struct stat st;
	size_t i;
	int r;

	start(NULL, true);
	in = open_t1(CORE_READ);
	for (i = 0; i < ARRAY_LEN(ns); i++) {
		pid_t pid = core_get_proc(in, "init").pid;
		ssize_t n, m;

		(void)snprintf(
		    path, sizeof(path), "/proc/%d/ns/%s", pid, ns[i]);
		n = readlink(path, a, sizeof(a));
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", ns[i]);
		m = readlink(path, b, sizeof(b));
		assert(n > 0 && m > 0);
		assert(n != m || memcmp(a, b, (size_t)n) != 0);
	}
	assert(strncmp(run(&r, "id -u; touch /tmp/f; echo $HOME $$"), "0\n",
		   2) == 0 &&
	       r == 0);
	assert(stat(DIR_ "/r/tmp/f", &st) == 0 && st.st_uid == 0);
	assert(strstr(run(&r, "cat /proc/1/comm; cat /proc/self/cgroup"),
		   "0::/\n") != NULL);
	/* Where the kernel has them /dev/null is in their place. */
	(void)run(&r, "for f in sysrq-trigger kcore; do "
		      "[ ! -e /proc/$f ] || [ -c /proc/$f ] || exit 1; done");
	assert(r == 0);
	(void)run(&r, "exit 7");
	assert(r == 7);
	(void)run(&r, "kill -9 $$");
	assert(r == 128 + 9);
	(void)run(&r, "test -c /dev/tty && tty 2>/dev/null; : < /dev/tty");
	assert(r == 0);
	core_inst_close(in);
	stop();
	assert(state() == CORE_ST_MAX_);
}

static void
t_exec_fails(void)
{
	char none[] = "/none", dir[] = "/tmp", *argv[] = {none, NULL};
	struct core_inst *in;
	struct vps_err e = {0};

	start(NULL, false);
	in = open_t1(CORE_SHARED);
	assert(core_execin(in, argv, &e) == 127);
	argv[0] = dir;
	assert(core_execin(in, argv, &e) == 126);
	core_inst_close(in);
	stop();
}

static void
t_init_ends(void)
{
	start("/bin/true", false);
	UNTIL(state() == CORE_ST_DEAD);
	stop();
	/* Halt from inside: dead; reboot: again. */
	start("/bin/sh -c 'sleep 0.2; halt -f'", false);
	UNTIL(state() == CORE_ST_DEAD);
	stop();
}

static void
t_reboot(void)
{
	struct core_inst *in;
	struct sys_proc_id a, b;
	int r;

	/* Pid 1 must not be the shell that calls reboot -f: it waits. */
	start("/bin/sh -c 'test -e /tmp/again && exec sleep 1000; "
	      "echo > /tmp/again; sleep 0.3; reboot -f'",
	    true);
	in = open_t1(CORE_READ);
	a = core_get_proc(in, "init");
	UNTIL(core_reload(in, NULL) == 0 && core_get_u64(in, "reboots") == 1 &&
	      state() == CORE_ST_RUNNING);
	b = core_get_proc(in, "init");
	assert(a.pid != b.pid);
	core_inst_close(in);
	assert(strstr(run(&r, "echo fine"), "fine") != NULL && r == 0);
	stop();
}

static pid_t
keeper_pid(void)
{
	struct core_inst *in = open_t1(CORE_READ);
	auto_free pid_t *v = NULL;
	struct core_cg cg;
	char path[64], comm[32];
	pid_t found = 0;
	int n, i;

	assert(core_cg_of(&cg, in, NULL) == 0);
	n = core_cg_pids(&cg, CORE_CG_SYS, &v);
	for (i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/comm", v[i]);
		if (file_read_str(AT_FDCWD, path, comm, sizeof(comm)) > 0 &&
		    strcmp(comm, "vps-keeper") == 0)
			found = v[i];
	}
	core_inst_close(in);
	return found;
}

static void
t_helpers_killed(void)
{
	struct core_inst *in;
	struct sys_proc_id h;
	struct vps_err e = {0};
	pid_t k;
	int r, c;

	start("/bin/sh -c 'echo hello; while :; do sleep 0.1; done'", false);
	UNTIL((k = keeper_pid()) != 0);
	in = open_t1(CORE_READ);
	c = core_keeper_open(in, &e);
	assert(c >= 0);
	assert(core_keeper_ask(c, KEEP_PING, 0, -1, &e) == 0);
	(void)close(c);
	assert(kill(k, SIGKILL) == 0);
	UNTIL(keeper_pid() != k); /* a second one may have been waiting */
	assert(state() == CORE_ST_RUNNING);
	c = core_keeper_open(in, &e);
	assert(c >= 0 && core_keeper_ask(c, KEEP_PING, 0, -1, &e) == 0);
	(void)close(c);
	/* The holder: the keeper makes another, with the console's master. */
	h = core_get_proc(in, "holder");
	assert(kill(h.pid, SIGKILL) == 0);
	UNTIL(core_reload(in, NULL) == 0 &&
	      core_get_proc(in, "holder").pid != h.pid);
	assert(state() == CORE_ST_RUNNING);
	assert(strstr(run(&r, "echo fine"), "fine") != NULL && r == 0);
	c = core_holder_open(in, &e);
	assert(c >= 0);
	{
		struct hold_rep rep;
		struct sys_fds fds;

		assert(core_hold_get(c, 0, &rep, &fds, &e) == 1);
		assert(rep.num[0] == HOLD_CONSOLE);
		sys_fds_close(&fds);
	}
	(void)close(c);
	/* Both, and then a command. */
	UNTIL((k = keeper_pid()) == 0 || kill(k, SIGKILL) < 0);
	assert(core_reload(in, NULL) == 0);
	(void)kill(core_get_proc(in, "holder").pid, SIGKILL);
	assert(state() == CORE_ST_RUNNING);
	core_inst_close(in);
	stop();
}

static void
t_console(void)
{
	auto_buf struct buf b = {0};
	int i;

	start("/bin/sh -c 'echo said on console; read x; echo got $x; "
	      "sleep 100'",
	    false);
	for (i = 0; i < 200; i++) {
		buf_reset(&b);
		(void)file_read(
		    AT_FDCWD, "/run/vps/t1/console.log", &b, 1 << 20);
		if (strstr(buf_str(&b), "said on console") != NULL)
			break;
		(void)usleep(10000);
	}
	assert(i < 200);
	stop();
}

/* Each operation of start fails, and nothing is left; then start is killed
 * there, and the next command clears up. */
static void
t_faults(void)
{
	static const char *const point[] = {"directory", "ids", "cgroup",
	    "processes", "mounts", "network", "init", "state", "keeper"};
	auto_free char *before = traces();
	size_t i;

	for (i = 0; i < ARRAY_LEN(point); i++) {
		auto_spec struct vps_spec s;
		struct vps_err e = {0};
		char fault[64];
		int status;
		pid_t pid;

		(void)snprintf(fault, sizeof(fault), "start.%s", point[i]);
		(void)setenv("VPS_FAULT", fault, 1);
		spec_init(&s);
		spec_of(&s, "/bin/sleep 1000", true);
		pid = fork(); /* faults are counted by process */
		if (pid == 0)
			_exit(core_start(&s, &e) != -EIO ||
			      strstr(e.msg, "VPS_FAULT") == NULL);
		assert(waitpid(pid, &status, 0) == pid && status == 0);
		same_traces(fault, before);
		(void)snprintf(fault, sizeof(fault), "kill:start.%s", point[i]);
		(void)setenv("VPS_FAULT", fault, 1);
		pid = fork();
		if (pid == 0)
			_exit(core_start(&s, &e) != 0);
		assert(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		(void)unsetenv("VPS_FAULT");
		if (state() == CORE_ST_RUNNING) {
			stop();
		} else {
			struct core_inst *in;

			assert(core_open("t1", CORE_EXCL, NULL, &in, &e) ==
			       -VPS_ENOINST);
		}
		same_traces(fault, before);
	}
	/* The same for the end. */
	static const char *const end[] = {
	    "begin", "killed", "network", "unmounted"};
	for (i = 0; i < ARRAY_LEN(end); i++) {
		struct core_inst *in;
		struct vps_err e = {0};
		char fault[64];
		int status;
		pid_t pid;

		start(NULL, true);
		(void)snprintf(fault, sizeof(fault), "kill:destroy.%s", end[i]);
		(void)setenv("VPS_FAULT", fault, 1);
		pid = fork();
		if (pid == 0)
			stop();
		assert(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		(void)unsetenv("VPS_FAULT");
		assert(
		    core_open("t1", CORE_EXCL, NULL, &in, &e) == -VPS_ENOINST);
		same_traces(fault, before);
	}
}

static void
t_states(void)
{
	struct core_stop_opt opt = {.grace_ms = 0};
	auto_spec struct vps_spec s;
	struct vps_err e = {0};
	struct core_inst *in;

	start(NULL, false);
	spec_init(&s);
	spec_of(&s, NULL, false);
	assert(core_start(&s, &e) == -EEXIST);
	in = open_t1(CORE_EXCL);
	assert(core_abort(in, &e) == 0);
	core_inst_close(in);
	assert(state() == CORE_ST_DEAD);
	in = open_t1(CORE_EXCL);
	assert(core_need(in, 1U << CORE_ST_RUNNING, "x", &e) == -VPS_ESTATE);
	assert(core_stop(in, &opt, &e) == 0);
	core_inst_close(in);
	assert(core_open("t1", CORE_EXCL, NULL, &in, &e) == -VPS_ENOINST);
}

/* Root inside traces every new process, as fast as it can, and looks for a
 * descriptor that isn't the instance's. */
static void
t_escape(void)
{
	char prog[] = "/bin/true", *argv[] = {prog, NULL};
	char spy[] = "/bin/spy", *sargv[] = {spy, NULL};
	struct core_inst *in;
	struct vps_err e = {0};
	struct stat st;
	int i;

	sh("cp $SPY " DIR_ "/r/bin/spy; chmod 755 " DIR_ "/r/bin/spy");
	start(NULL, false);
	in = open_t1(CORE_SHARED);
	assert(core_execin(in, sargv, &e) == 0);
	UNTIL(stat(DIR_ "/r/tmp/spy-ready", &st) == 0);
	for (i = 0; i < 300; i++)
		if (core_execin(in, argv, &e) != 0)
			die("execin", &e);
	(void)close(open(DIR_ "/r/tmp/spy-stop", O_CREAT | O_WRONLY, 0600));
	UNTIL(stat(DIR_ "/r/tmp/spy-done", &st) == 0);
	core_inst_close(in);
	stop();
	sh("cat " DIR_ "/r/tmp/spy-done >&2; "
	   "grep -q '^attached [1-9]' " DIR_ "/r/tmp/spy-done && "
	   "! grep -q '^FOUND' " DIR_ "/r/tmp/spy-done");
}

static void
t_speed(void)
{
	volatile double a, b, c, d, best = 1e9, floor = 1e9;
	volatile int i;
	int status;

	for (i = 0; i < 20; i++) {
		pid_t pid;

		a = now_ms();
		/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork) */
		pid = vfork();
		if (pid == 0) {
			(void)execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		(void)waitpid(pid, &status, 0);
		b = now_ms();
		start("/bin/true", true);
		c = now_ms();
		stop();
		d = now_ms();
		best = d - b < best ? d - b : best;
		floor = b - a < floor ? b - a : floor;
		if (i == 19)
			(void)printf("start %.2f stop %.2f ms\n", c - b, d - c);
	}
	(void)printf("best start + stop %.2f ms, true %.2f ms\n", best, floor);
}

static const struct {
	const char *name;
	void (*fn)(void);
} tests[] = {{"namespaces", t_namespaces}, {"exec-fails", t_exec_fails},
    {"init-ends", t_init_ends}, {"reboot", t_reboot},
    {"helpers-killed", t_helpers_killed}, {"console", t_console},
    {"faults", t_faults}, {"states", t_states}, {"escape", t_escape},
    {"speed", t_speed}};

int
main(int argc, char **argv)
{
	auto_free char *before = NULL;
	size_t i;

	if (geteuid() != 0)
		return 77;
	log_init(NULL);
	make_world();
	if (argc >= 3 && strcmp(argv[1], "-c") == 0) {
		start(argv[3], true); /* NULL: none */
		sh(argv[2]);
		stop();
		clear_world();
		return 0;
	}
	start("/bin/true", true); /* makes the directories above */
	stop();
	before = traces();
	for (i = 0; i < ARRAY_LEN(tests); i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		(void)fprintf(stderr, "%s\n", tests[i].name);
		tests[i].fn();
		same_traces(tests[i].name, before);
	}
	clear_world();
	return 0;
}
