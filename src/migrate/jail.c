/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The mount namespace is built and left behind by the host's root before the
 * child enters its user namespace, so that the program, root there, has no
 * power over its own mounts.
 */
#include "migrate/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "migrate/proglibs.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

/* <sys/mount.h> and <linux/mount.h> of Debian 12 can't be had together. */
extern int
mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
#define MS_REC_PRIVATE (16384ul | (1ul << 18))
#define MNT_DETACH_    2

#define FD_HIGH 20

/* Where the new root is put together; any directory that every host has. */
#define SCAFFOLD "/run"

/* Over files of its user namespace, nothing else. */
static const int keep_caps[] = {CAP_CHOWN, CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP};

static int
do_mount_setattr(int fd, const char *path, unsigned flags, uint64_t set)
{
	struct mount_attr a = {.attr_set = set};

	return syscall(SYS_mount_setattr, fd, path, flags, &a, sizeof(a)) < 0
		   ? -errno
		   : 0;
}

static int
do_move_mount(int from, int to, const char *path)
{
	return syscall(SYS_move_mount, from, "", to, path,
		   MOVE_MOUNT_F_EMPTY_PATH) < 0
		   ? -errno
		   : 0;
}

static int
touch(int root, const char *path)
{
	auto_close int fd =
	    openat(root, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

	return fd < 0 ? -errno : 0;
}

/* The directories above `path`, relative to root. */
static int
parents(int root, const char *path)
{
	char p[PATH_MAX];

	if (strlen(path) >= sizeof(p))
		return -ENAMETOOLONG;
	strcpy(p, path);
	for (char *s = strchr(p, '/'); s != NULL; s = strchr(s + 1, '/')) {
		*s = '\0';
		if (mkdirat(root, p, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	return 0;
}

/* Binds one file of the host read-only to a path below root. */
static int
bind_file(int root, const char *host, const char *path)
{
	auto_close int t = (int)syscall(
	    SYS_open_tree, AT_FDCWD, host, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int r;

	if (t < 0)
		return -errno;
	while (*path == '/')
		path++;
	r = parents(root, path);
	if (r == 0)
		r = touch(root, path);
	if (r == 0)
		r = do_mount_setattr(t, "", AT_EMPTY_PATH,
		    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return r < 0 ? r : do_move_mount(t, root, path);
}

static int
new_tmpfs(void)
{
	auto_close int c = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	int m;

	if (c < 0)
		return -errno;
	if (syscall(SYS_fsconfig, c, FSCONFIG_SET_STRING, "size", "1m", 0) <
		0 ||
	    syscall(SYS_fsconfig, c, FSCONFIG_SET_STRING, "mode", "0755", 0) <
		0 ||
	    syscall(SYS_fsconfig, c, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	m = (int)syscall(SYS_fsmount, c, FSMOUNT_CLOEXEC,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return m < 0 ? -errno : m;
}

static int
populate(const struct mig_jail *j, const struct mig_proglibs *libs, int root,
    struct vps_err *e)
{
	uint64_t attr = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
			MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW;
	int r;

	r = bind_file(root, j->prog, MIG_JAIL_PROG);
	if (r == 0)
		r = bind_file(root, libs->interp, libs->interp);
	if (r < 0)
		return vps_err_set(e, r, "bind %s", j->prog);
	for (unsigned i = 0; i < libs->n; i++) {
		char to[NAME_MAX + 8];

		(void)snprintf(to, sizeof(to), "/lib/%s", libs->name[i]);
		r = bind_file(root, libs->path[i], to);
		if (r < 0)
			return vps_err_set(e, r, "bind %s", libs->path[i]);
	}
	if (j->helper != NULL) {
		r = bind_file(root, j->helper, MIG_JAIL_HELPER);
		if (r < 0)
			return vps_err_set(e, r, "bind %s", j->helper);
	}
	if (mkdirat(root, &MIG_JAIL_FS[1], 0755) < 0)
		return vps_err_set(e, -errno, "mkdir " MIG_JAIL_FS);
	if (j->read_only)
		attr |= MOUNT_ATTR_RDONLY;
	r = do_mount_setattr(j->tree, "", AT_EMPTY_PATH, attr);
	if (r < 0)
		return vps_err_set(e, r, "set attributes of the filesystem");
	r = do_move_mount(j->tree, root, &MIG_JAIL_FS[1]);
	return r < 0 ? vps_err_set(e, r, "attach the filesystem") : 0;
}

static int
enter_root(const struct mig_jail *j, const struct mig_proglibs *libs,
    struct vps_err *e)
{
	auto_close int root = -1;
	int r;

	if (mount(NULL, "/", NULL, MS_REC_PRIVATE, NULL) < 0)
		return vps_err_set(e, -errno, "make mounts private");
	root = new_tmpfs();
	if (root < 0)
		return vps_err_set(e, root, "new root");
	r = do_move_mount(root, AT_FDCWD, SCAFFOLD);
	if (r < 0)
		return vps_err_set(e, r, "mount on " SCAFFOLD);
	r = populate(j, libs, root, e);
	if (r < 0)
		return r;
	r = do_mount_setattr(root, "", AT_EMPTY_PATH, MOUNT_ATTR_RDONLY);
	if (r < 0)
		return vps_err_set(e, r, "new root read-only");
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH_) < 0 || chdir("/") < 0)
		return vps_err_set(e, -errno, "pivot_root");
	return 0;
}

/* Moves all descriptors that are still needed above those that the program
 * gets. */
static int
raise_fds(struct mig_jail *j, int *sync)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int i = 0; i < 4; i++) {
		if (j->fds[i] < 0 && i == 3)
			continue;
		j->fds[i] = fcntl(
		    j->fds[i] < 0 ? null : j->fds[i], F_DUPFD_CLOEXEC, FD_HIGH);
		if (j->fds[i] < 0)
			return -errno;
	}
	j->tree = fcntl(j->tree, F_DUPFD_CLOEXEC, FD_HIGH);
	*sync = fcntl(*sync, F_DUPFD_CLOEXEC, FD_HIGH);
	return j->tree < 0 || *sync < 0 ? -errno : 0;
}

/* 0..3 and, until exec succeeds, `sync` live on. */
static int
place_fds(const struct mig_jail *j, int sync)
{
	for (int i = 0; i < 4; i++) {
		if (j->fds[i] < 0)
			(void)close(i);
		else if (dup2(j->fds[i], i) < 0)
			return -errno;
	}
	(void)syscall(SYS_close_range, 4, sync - 1, 0);
	(void)syscall(SYS_close_range, sync + 1, ~0u, 0);
	return 0;
}

static int
drop_caps(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {0};

	for (int c = 0; c <= CAP_LAST_CAP; c++) {
		bool keep = false;

		for (size_t i = 0; i < ARRAY_LEN(keep_caps); i++)
			keep |= keep_caps[i] == c;
		if (!keep && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 &&
		    errno != EINVAL)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_LEN(keep_caps); i++)
		d[keep_caps[i] / 32].permitted |= 1u << (keep_caps[i] % 32);
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	if (syscall(SYS_capset, &h, d) < 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* `sync` is a stream to the parent: 'u' asks for the maps, a byte tells that
 * they are written; a struct vps_err tells of a failure. */
static void
child(const struct mig_jail *jail, const struct mig_proglibs *libs, int sync)
{
	char *const env[] = {(char[]){"LC_ALL=C"},
	    (char[]){"LD_LIBRARY_PATH=/lib"}, (char[]){"PATH=/"}, NULL};
	struct mig_jail copy = *jail, *j = &copy;
	struct vps_err e = {0};
	sigset_t none;
	char c = 'u';
	int r;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL); /* fails for some, as it should */
	(void)umask(022); /* the new root is for another user to walk */
	r = raise_fds(j, &sync);
	if (r < 0) {
		(void)vps_err_set(&e, r, "descriptors");
		goto out;
	}
	r = enter_root(j, libs, &e);
	if (r < 0)
		goto out;
	if (unshare(CLONE_NEWUSER) < 0) {
		r = vps_err_set(&e, -errno, "user namespace");
		goto out;
	}
	r = fd_write_all(sync, &c, 1);
	if (r == 0)
		r = fd_read_all(sync, &c, 1);
	if (r < 0)
		_exit(126); /* the parent gave up and knows why */
	if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresuid(0, 0, 0) < 0) {
		r = vps_err_set(&e, -errno, "become root of the instance");
		goto out;
	}
	r = drop_caps();
	if (r < 0) {
		(void)vps_err_set(&e, r, "capabilities");
		goto out;
	}
	(void)umask(0);
	r = place_fds(j, sync);
	if (r < 0) {
		(void)vps_err_set(&e, r, "descriptors");
		goto out;
	}
	(void)execve(MIG_JAIL_PROG, j->argv, env);
	r = vps_err_set(&e, -errno, "run %s", j->prog);
out:
	c = 'e';
	(void)fd_write_all(sync, &c, 1);
	(void)fd_write_all(sync, &e, sizeof(e));
	_exit(126);
}

static int
write_map(pid_t pid, const char *which, const char *text)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, which);
	return file_write(AT_FDCWD, path, text);
}

/* Until the child has exec'd. */
static int
see_off(const struct mig_jail *j, pid_t pid, int sync, struct vps_err *e)
{
	struct vps_err ce;
	char c;
	int r;

	for (;;) {
		ssize_t n = read(sync, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vps_err_set(e, -errno, "jail");
		if (n == 0)
			return 0;
		if (c != 'u')
			break;
		r = write_map(pid, "uid_map", j->uid_map);
		if (r == 0)
			r = write_map(pid, "gid_map", j->gid_map);
		if (r < 0)
			return vps_err_set(e, r, "write id maps");
		r = fd_write_all(sync, &c, 1);
		if (r < 0)
			return vps_err_set(e, r, "jail");
	}
	r = fd_read_all(sync, &ce, sizeof(ce));
	if (r < 0 || ce.code >= 0)
		return vps_err_set(e, -EPROTO, "jail");
	ce.msg[sizeof(ce.msg) - 1] = '\0';
	return vps_err_say(e, ce.code, "%s", ce.msg);
}

int
mig_jail_spawn(
    const struct mig_jail *j, pid_t *ret_pid, int *ret_pidfd, struct vps_err *e)
{
	auto_free struct mig_proglibs *libs = NULL;
	auto_close int pidfd = -1;
	struct clone_args ca = {
	    .flags = CLONE_PIDFD | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
		     CLONE_NEWIPC | CLONE_NEWUTS,
	    .pidfd = (uintptr_t)&pidfd,
	    .exit_signal = SIGCHLD,
	};
	int sv[2], r;
	pid_t pid;

	r = mig_proglibs_of(j->prog, &libs, e);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return vps_err_set(e, -errno, "socketpair");
	pid = (pid_t)syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0) {
		(void)close(sv[0]);
		child(j, libs, sv[1]);
	}
	r = -errno;
	(void)close(sv[1]);
	if (pid < 0) {
		(void)close(sv[0]);
		return vps_err_set(e, r, "start %s", j->prog);
	}
	r = see_off(j, pid, sv[0], e);
	(void)close(sv[0]);
	if (r < 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return vps_err_wrap(e, r, "confine %s", j->prog);
	}
	*ret_pid = pid;
	*ret_pidfd = take_fd(&pidfd);
	return 0;
}
