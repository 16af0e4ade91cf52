/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The engine without the rest: a program in namespaces of its own is frozen,
 * written to an image, killed, rebuilt in new namespaces from the image, and
 * thawed; then it must find everything as it was.
 *
 * usage: engine             all payloads
 *        engine NAME        one
 *        engine NAME DIR    (inside) the payload itself
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fdio.h"
#include "base/log.h"
#include "libdump/vd.h"
#include "restore/build.h"
#include "snapst/snapshot.h"
#include "sys/freezer.h"

static char cgroup[256], self[4096], dir[256];

/*
 * Payloads: set up, say ready, wait for "go", verify.
 */
static void
say(const char *word)
{
	char path[300];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, word);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
	assert(fd >= 0);
	(void)close(fd);
}

static bool
said(const char *word)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, word);
	return access(path, F_OK) == 0;
}

static void
wait_go(void)
{
	say("ready");
	while (!said("go")) {
		struct timespec ts = {0, 5000000};

		if (nanosleep(&ts, NULL) != 0)
			abort();
	}
}

static int
payload_idle(void)
{
	wait_go();
	return 0;
}

static volatile unsigned long ticks;
static __thread int tls;

static void *
ticker(void *arg)
{
	tls = (int)(long)arg;
	for (;;) {
		if (tls != (int)(long)arg)
			abort();
		ticks++;
		(void)usleep(1000);
	}
	return NULL;
}

static int
payload_threads(void)
{
	pthread_t t[20];
	unsigned long before;

	for (long i = 0; i < 20; i++)
		if (pthread_create(&t[i], NULL, ticker, (void *)(i + 1)) != 0)
			return 1;
	wait_go();
	before = ticks;
	(void)usleep(50000);
	return ticks > before + 20 ? 0 : 2;
}

static int
payload_memory(void)
{
	size_t n = 64u << 20;
	uint8_t *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *ro = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *sh = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *brk0 = sbrk(65536);
	pid_t pid;
	int status;

	for (size_t i = 0; i < n; i += 4096)
		p[i] = (uint8_t)(i >> 12);
	memset(ro, 7, 8192);
	(void)mprotect(ro, 4096, PROT_READ);
	(void)mprotect(ro + 4096, 4096, PROT_NONE);
	memset(brk0, 9, 65536);
	sh[0] = 1;
	pid = fork();
	if (pid == 0) {
		while (sh[0] != 2)
			(void)usleep(1000);
		sh[4096] = 3;
		_exit(p[4096] == 1 ? 42 : 1);
	}
	wait_go();
	for (size_t i = 0; i < n; i += 4096)
		if (p[i] != (uint8_t)(i >> 12))
			return 1;
	(void)mprotect(ro + 4096, 4096, PROT_READ);
	if (ro[0] != 7 || ro[4096] != 7 || brk0[65535] != 9 ||
	    sbrk(0) != brk0 + 65536)
		return 2;
	sh[0] = 2;
	if (waitpid(pid, &status, 0) != pid || status != 42 << 8)
		return 3;
	return sh[4096] == 3 ? 0 : 4;
}

static volatile int alarms, usr1, usr2_code;

static void
on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void
on_usr(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (sig == SIGUSR1)
		usr1++;
	else
		usr2_code = si->si_value.sival_int;
}

static int
payload_signals(void)
{
	struct sigaction a = {.sa_sigaction = on_usr, .sa_flags = SA_SIGINFO};
	struct itimerval it = {{0, 10000}, {0, 10000}};
	struct itimerspec its = {{0, 10000000}, {0, 10000000}};
	struct sigevent ev = {
	    .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	union sigval v = {.sival_int = 4711};
	timer_t timer;
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536}, got;
	sigset_t set;

	(void)signal(SIGALRM, on_alarm);
	(void)signal(SIGHUP, SIG_IGN);
	(void)sigaction(SIGUSR1, &a, NULL);
	(void)sigaction(SIGUSR2, &a, NULL);
	(void)sigaltstack(&ss, NULL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)sigqueue(getpid(), SIGUSR2, v);
	(void)sigaddset(&set, SIGALRM);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)setitimer(ITIMER_REAL, &it, NULL);
	if (timer_create(CLOCK_MONOTONIC, &ev, &timer) != 0 ||
	    timer_settime(timer, 0, &its, NULL) != 0)
		return 1;
	wait_go();
	(void)sigaltstack(NULL, &got);
	if (got.ss_sp != ss.ss_sp || got.ss_size != ss.ss_size)
		return 2;
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (usr2_code != 4711)
		return 3;
	alarms = usr1 = 0;
	for (int i = 0; i < 100 && (alarms < 3 || usr1 < 3); i++)
		(void)usleep(5000);
	return alarms >= 3 && usr1 >= 3 ? 0 : 4;
}

/* Sessions, groups, a zombie, an orphan, a stopped child, a nohup'ed job. */
static int
payload_tree(void)
{
	pid_t zombie, stopped, session, gone, job = 0;
	int status, p[2];
	siginfo_t si;

	zombie = fork();
	if (zombie == 0)
		_exit(7);
	stopped = fork();
	if (stopped == 0) {
		(void)raise(SIGSTOP);
		_exit(8);
	}
	session = fork();
	if (session == 0) {
		(void)setsid();
		if (fork() == 0) {
			(void)setpgid(0, 0);
			for (;;)
				(void)pause();
		}
		for (;;)
			(void)pause();
	}
	if (pipe(p) < 0)
		return 1;
	gone = fork();
	if (gone == 0) {
		/* a session whose leader goes, its member left to init */
		(void)setsid();
		job = fork();
		if (job == 0) {
			while (getppid() == gone)
				(void)usleep(1000);
			for (;;)
				(void)pause();
		}
		(void)!write(p[1], &job, sizeof(job));
		_exit(0);
	}
	(void)!read(p[0], &job, sizeof(job));
	(void)waitpid(gone, &status, 0);
	(void)close(p[0]);
	(void)close(p[1]);
	(void)waitid(P_PID, (id_t)zombie, &si, WEXITED | WNOWAIT);
	(void)waitid(P_PID, (id_t)stopped, &si, WSTOPPED | WNOWAIT);
	wait_go();
	if (getpid() != 1 || waitpid(zombie, &status, WNOHANG) != zombie ||
	    status != 7 << 8)
		return 2;
	if (getsid(session) != session || getpgid(session) != session)
		return 3;
	if (getsid(job) != gone || getpgid(job) != gone)
		return 4;
	if (waitpid(stopped, &status, WNOHANG) != 0)
		return 5;
	(void)kill(stopped, SIGCONT);
	if (waitpid(stopped, &status, 0) != stopped || status != 8 << 8)
		return 6;
	return 0;
}

static int
payload_creds(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		gid_t groups[] = {5, 6, 7}, g[8];

		(void)setgroups(3, groups);
		(void)setresgid(10, 11, 12);
		(void)setresuid(20, 21, 22);
		(void)umask(0123);
		while (!said("go2"))
			(void)usleep(1000);
		uid_t a, b, c;
		(void)getresuid(&a, &b, &c);
		if (a != 20 || b != 21 || c != 22)
			_exit(1);
		(void)getresgid(&a, &b, &c);
		if (a != 10 || b != 11 || c != 12)
			_exit(2);
		if (getgroups(8, g) != 3 || g[2] != 7)
			_exit(3);
		if (umask(0) != 0123 || prctl(PR_GET_DUMPABLE) != 0)
			_exit(4);
		_exit(0);
	}
	(void)usleep(20000);
	wait_go();
	say("go2");
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	return status == 0 ? 0 : 10 + (status >> 8);
}

static const struct {
	const char *name;
	int (*fn)(void);
} payloads[] = {
    {"idle", payload_idle},
    {"threads", payload_threads},
    {"memory", payload_memory},
    {"signals", payload_signals},
    {"tree", payload_tree},
    {"creds", payload_creds},
};

static int
run_payload(const char *name)
{
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		if (strcmp(payloads[i].name, name) == 0) {
			int r = payloads[i].fn();
			char word[32];

			(void)snprintf(word, sizeof(word), "result%d", r);
			say(word);
			for (;;)
				(void)pause();
		}
	}
	return 1;
}

/*
 * The harness.
 */
static const uint64_t all_ns = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			       CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

static void
write_map(pid_t pid, const char *file)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	assert(file_write(AT_FDCWD, path, "0 100000 65536\n") == 0);
}

static void
become_root(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
	assert(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

/* Starts init: argv[0] is opened before the namespaces change. */
static pid_t
start(char *const argv[])
{
	/* Linux 6.18 kills at birth what is cloned into a cgroup that has once
	 * been killed: a new one each time */
	int made = mkdir(cgroup, 0755);
	int cg = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), go[2];
	int prog = open(argv[0], O_RDONLY | O_CLOEXEC);
	struct clone_args a = {.flags = all_ns | CLONE_INTO_CGROUP,
	    .exit_signal = SIGCHLD,
	    .cgroup = (uint64_t)cg};
	char byte;
	pid_t pid;

	assert(made == 0 && cg >= 0 && prog >= 0 && pipe(go) == 0);
	pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	assert(pid >= 0);
	if (pid == 0) {
		(void)close(go[1]);
		(void)!read(go[0], &byte, 1);
		become_root();
		assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		assert(mount("proc", "/proc", "proc", 0, NULL) == 0);
		(void)close_range(0, 2, 0);
		(void)close(go[0]);
		(void)syscall(SYS_execveat, prog, "", argv,
		    (char *const[]){NULL}, AT_EMPTY_PATH);
		_exit(99);
	}
	write_map(pid, "uid_map");
	write_map(pid, "gid_map");
	(void)close(go[0]);
	(void)close(go[1]);
	(void)close(prog);
	(void)close(cg);
	return pid;
}

static int
snapshot(pid_t init, int fd, struct vps_err *e)
{
	int cg = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct vd_system sys = {0};
	struct vd_instance ins = {0};
	struct snap_target t = {.id = "test",
	    .init = init,
	    .cgroup = cg,
	    .undo = -1,
	    .system = &sys,
	    .instance = &ins};
	struct vd_writer *w;

	assert(vd_writer_new(fd, &w) == 0);
	assert(sys_freeze(cg, 1000) == 0);
	r = snap_write(&t, w, e);
	vd_writer_free(w);
	(void)close(cg);
	return r;
}

static void
enter(pid_t init)
{
	int pidfd = (int)syscall(SYS_pidfd_open, init, 0);

	assert(pidfd >= 0 && setns(pidfd, (int)all_ns) == 0);
}

static int
rebuild(pid_t init, int image, struct vps_err *e)
{
	int sv[2], cg = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char builder[4200];
	struct rst_msg m;
	int prog, status;
	pid_t pid;

	(void)snprintf(
	    builder, sizeof(builder), "%s/../../src/helpers/vps-builder", self);
	prog = open(builder, O_RDONLY | O_CLOEXEC);
	assert(prog >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) == 0);
	pid = fork();
	if (pid == 0) {
		(void)close(sv[0]);
		enter(init);
		{
			pid_t tid = 30000;
			struct clone_args a = {.exit_signal = SIGCHLD,
			    .set_tid = (uint64_t)(uintptr_t)&tid,
			    .set_tid_size = 1};

			pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
		}
		if (pid == 0) {
			char a1[16], a2[16];

			become_root();
			(void)snprintf(a1, sizeof(a1), "%d", image);
			(void)snprintf(a2, sizeof(a2), "%d", sv[1]);
			(void)syscall(SYS_execveat, prog, "",
			    (char *[]){builder, a1, a2, NULL}, environ,
			    AT_EMPTY_PATH);
			_exit(99);
		}
		(void)waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
	}
	(void)close(sv[1]);
	(void)close(prog);
	if (recv(sv[0], &m, sizeof(m), 0) != (ssize_t)sizeof(m))
		return vps_err_say(e, -EPIPE, "the builder is gone");
	if (m.what != RST_MSG_READY) {
		*e = m.err;
		return m.err.code;
	}
	assert(sys_freeze(cg, 1000) == 0);
	m.what = RST_MSG_FROZEN;
	(void)send(sv[0], &m, sizeof(m), 0);
	(void)waitpid(pid, &status, 0);
	(void)close(sv[0]);
	(void)close(cg);
	return status == 0 ? 0 : vps_err_say(e, -EPROTO, "builder: %x", status);
}

static bool
wait_word(const char *word, int ms)
{
	for (int i = 0; i < ms; i++) {
		if (said(word))
			return true;
		(void)usleep(1000);
	}
	return false;
}

static void
kill_all(void)
{
	int cg = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)file_write(cg, "cgroup.kill", "1");
	(void)sys_thaw(cg);
	while (waitpid(-1, NULL, 0) > 0)
		;
	(void)close(cg);
	for (int i = 0; i < 100 && rmdir(cgroup) < 0; i++)
		(void)usleep(10000);
}

static double
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int
test_one(const char *name, bool restore)
{
	char prog[4200], skel[4200], cmd[600];
	struct vps_err e = {0};
	int image, cg, r;
	double t0, t1, t2;
	pid_t init;
	off_t size;

	(void)snprintf(prog, sizeof(prog), "%s/priv-engine", self);
	(void)snprintf(
	    skel, sizeof(skel), "%s/../../src/helpers/vps-skel", self);
	(void)snprintf(
	    cmd, sizeof(cmd), "rm -rf %s; mkdir -m 777 %s", dir, dir);
	assert(system(cmd) == 0);
	init = start((char *[]){prog, (char *)(uintptr_t)name, dir, NULL});
	if (!wait_word("ready", 3000)) {
		printf("%s: didn't start\n", name);
		kill_all();
		return 1;
	}
	image = memfd_create("image", 0);
	t0 = now();
	r = snapshot(init, image, &e);
	t1 = now();
	size = lseek(image, 0, SEEK_CUR);
	cg = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r < 0) {
		printf("%s: snapshot: %s\n", name, e.msg);
	} else if (restore) {
		(void)close(cg);
		kill_all();
		init = start((char *[]){skel, NULL});
		cg = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)usleep(10000);
		(void)lseek(image, 0, SEEK_SET);
		t2 = now();
		r = rebuild(init, image, &e);
		if (r < 0)
			printf("%s: restore: %s\n", name, e.msg);
		else
			printf(
			    "%s: %ld KiB, snapshot %.2f ms, restore %.2f ms\n",
			    name, (long)size >> 10, t1 - t0, now() - t2);
	}
	if (getenv("KEEP") != NULL) {
		(void)sys_thaw(cg);
		(void)sleep(1000);
	}
	if (r == 0) {
		(void)sys_thaw(cg);
		say("go");
		if (!wait_word("result0", 3000)) {
			printf("%s: failed after %s\n", name,
			    restore ? "restore" : "snapshot");
			r = 1;
		}
	}
	(void)close(cg);
	(void)close(image);
	kill_all();
	return r != 0;
}

int
main(int argc, char **argv)
{
	int bad = 0, only = argc == 2;

	log_init(NULL);
	if (argc == 3) {
		(void)snprintf(dir, sizeof(dir), "%s", argv[2]);
		return run_payload(argv[1]);
	}
	if (geteuid() != 0)
		return 77;
	(void)umask(0);
	assert(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	*strrchr(self, '/') = '\0';
	(void)snprintf(cgroup, sizeof(cgroup), "%s/vps-engine-%d",
	    access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) == 0
		? "/sys/fs/cgroup/unified"
		: "/sys/fs/cgroup",
	    getpid());
	(void)snprintf(dir, sizeof(dir), "/tmp/vps-engine-%d", getpid());
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		if (only && strcmp(argv[1], payloads[i].name) != 0)
			continue;
		bad += test_one(payloads[i].name, false);
		bad += test_one(payloads[i].name, true);
	}
	(void)snprintf(self, sizeof(self), "rm -rf %s", dir);
	(void)!system(self);
	return bad != 0;
}
