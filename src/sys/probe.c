/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Constants that Debian 12's headers lack are defined here; a kernel that
 * doesn't know them says EINVAL, ENOTTY or ENOSYS.
 */
#include "sys/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/kcmp.h>
#include <linux/mount.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/str.h"
#include "sys/netlink.h"

#define CGROUP2_MAGIC      0x63677270
#define NETLINK_SOCK_DIAG_ 4
#define PTRACE_GET_RSEQ    0x420f

/* _IOWR('f', 16, struct pm_scan_arg), Linux 6.7 */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages,
	    inverted, mask, anyof, ret_mask;
};
#define PAGEMAP_SCAN_ _IOWR('f', 16, struct scan_arg)

/* Runs `fn` in a child, for what can't be taken back. */
static int
in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int st, r;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		r = fn();
		_exit(-r & 0xff);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(st) ? -WEXITSTATUS(st) : -EIO;
}

/* A syscall that must exist: whatever it says of nonsense but ENOSYS is good.
 */
static int
exists(long ret)
{
	return ret < 0 && errno == ENOSYS ? -ENOSYS : 0;
}

static int
try_namespaces(void)
{
	int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
		    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	return unshare(flags) < 0 ? -errno : 0;
}

static int
probe_namespaces(void)
{
	return in_child(try_namespaces);
}

static int
try_timens(void)
{
	return unshare(0x80 /* CLONE_NEWTIME */) < 0 ? -errno : 0;
}

static int
probe_timens(void)
{
	return in_child(try_timens);
}

static int
probe_cgroup2(void)
{
	static const char *const at[] = {
	    "/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
	struct statfs f;

	for (size_t i = 0; i < ARRAY_LEN(at); i++)
		if (statfs(at[i], &f) == 0 && f.f_type == CGROUP2_MAGIC)
			return 0;
	return -ENOENT;
}

static int
probe_clone3(void)
{
	return exists(syscall(SYS_clone3, NULL, 0));
}

static int
probe_pidfd(void)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, (long)getpid(), 0L);
	auto_close int copy = -1;

	if (pidfd < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, (long)pidfd, (long)pidfd, 0L);
	return copy < 0 ? -errno : 0;
}

static int
probe_kcmp(void)
{
	long pid = getpid();

	return syscall(SYS_kcmp, pid, pid, (long)KCMP_FILES, 0L, 0L) < 0
		   ? -errno
		   : 0;
}

static int
probe_openat2(void)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
	    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	auto_close int fd =
	    (int)syscall(SYS_openat2, (long)AT_FDCWD, "/", &how, sizeof(how));

	return fd < 0 ? -errno : 0;
}

static int
probe_mount_setattr(void)
{
	return exists(syscall(SYS_mount_setattr, -1L, NULL, 0L, NULL, 0L));
}

static int
probe_fsmount(void)
{
	auto_close int fd =
	    (int)syscall(SYS_fsopen, "tmpfs", (long)FSOPEN_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static int
probe_memfd(void)
{
	auto_close int fd =
	    memfd_create("probe", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK) < 0 ? -errno
									: 0;
}

/* A child that waits, seized; then `ask` of it. */
static int
on_seized(int (*ask)(pid_t pid))
{
	pid_t pid = fork();
	int r = 0, st;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		(void)alarm(5); /* in case nobody is left to kill it */
		for (;;)
			(void)pause();
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0 ||
	    ptrace(PTRACE_INTERRUPT, pid, 0, 0) < 0 ||
	    waitpid(pid, &st, __WALL) < 0)
		r = -errno;
	else
		r = ask(pid);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &st, __WALL);
	return r;
}

static int
ask_rseq(pid_t pid)
{
	uint64_t conf[3] = {0};

	return ptrace((enum __ptrace_request)PTRACE_GET_RSEQ, pid, sizeof(conf),
		   conf) < 0
		   ? -errno
		   : 0;
}

static int
probe_rseq(void)
{
	return on_seized(ask_rseq);
}

static int
ask_suspend_seccomp(pid_t pid)
{
	return ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_SUSPEND_SECCOMP) < 0
		   ? -errno
		   : 0;
}

static int
probe_suspend_seccomp(void)
{
	return on_seized(ask_suspend_seccomp);
}

static int
probe_tcp_repair(void)
{
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) < 0
		   ? -errno
		   : 0;
}

static int
probe_sock_diag(void)
{
	auto_close int fd = nl_open(NETLINK_SOCK_DIAG_);

	return fd < 0 ? fd : 0;
}

static int
probe_ipv6(void)
{
	auto_close int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : 0;
}

static int
probe_bpf_tc(void)
{
	/* r0 = 0; exit */
	static const struct bpf_insn insn[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr at = {0};
	auto_close int fd = -1;

	at.prog_type = BPF_PROG_TYPE_SCHED_CLS;
	at.insns = (uint64_t)(uintptr_t)insn;
	at.insn_cnt = ARRAY_LEN(insn);
	at.license = (uint64_t)(uintptr_t) "BSD";
	fd = (int)syscall(SYS_bpf, (long)BPF_PROG_LOAD, &at, sizeof(at));
	return fd < 0 ? -errno : 0;
}

static int
probe_pagemap_scan(void)
{
	auto_close int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct scan_arg arg = {.size = sizeof(arg)};

	if (fd < 0)
		return -errno;
	return ioctl(fd, PAGEMAP_SCAN_, &arg) < 0 ? -errno : 0;
}

static int
probe_uffd(void)
{
	auto_close int fd =
	    (int)syscall(SYS_userfaultfd, (long)(O_CLOEXEC | O_NONBLOCK));
	/* UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_WP_ASYNC */
	struct uffdio_api api = {
	    .api = UFFD_API, .features = 1 << 13 | 1 << 15};

	if (fd < 0)
		return -errno;
	return ioctl(fd, UFFDIO_API, &api) < 0 ? -errno : 0;
}

const struct sys_feature sys_features[] = {
    {"namespaces", true,
	"instances: user, mount, pid, net, ipc, uts, "
	"cgroup namespaces",
	probe_namespaces},
    {"time-namespace", true, "clocks that go on after a move", probe_timens},
    {"cgroup2", true, "freezing and killing", probe_cgroup2},
    {"clone3", true, "processes with their old ids", probe_clone3},
    {"pidfd-getfd", true, "looking at descriptors", probe_pidfd},
    {"kcmp", true, "telling which descriptors are shared", probe_kcmp},
    {"openat2", true, "paths that stay inside", probe_openat2},
    {"fsmount", true, "mounts without a path", probe_fsmount},
    {"idmapped-mounts", true, "files with the ids of the instance",
	probe_mount_setattr},
    {"memfd-seals", true, "own programs inside as sealed copies", probe_memfd},
    {"ptrace-rseq", true, "restartable sequences", probe_rseq},
    {"suspend-seccomp", true, "processes with filters", probe_suspend_seccomp},
    {"tcp-repair", true, "TCP connections", probe_tcp_repair},
    {"sock-diag", true, "sockets without a descriptor", probe_sock_diag},
    {"bpf-tc", true, "holding the network", probe_bpf_tc},
    {"ipv6", false, "IPv6 addresses", probe_ipv6},
    {"pagemap-scan", false, "finding pages fast", probe_pagemap_scan},
    {"uffd-wp-async", false, "finding changed pages (for pre-copy, later)",
	probe_uffd},
    {0},
};
