/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See box.h. Until the exec this is a copy of a program of the host with the
 * host's descriptors: nothing else runs in the instance yet, and it lets go of
 * them first.
 */
#include "core/box.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/auto.h"
#include "core/basemounts.h"
#include "core/box_i.h"
#include "sys/clone.h"
#include "sys/fds.h"
#include "sys/memfd.h"
#include "sys/mnt.h"
#include "sys/path.h"
#include "sys/pty.h"
#include "sys/unix.h"

#define BASE_MAX 16

int
core_become_root(struct vps_err *e)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return vps_err_set(e, -errno, "become root inside");
	/* A change of uid leaves this at fs.suid_dumpable. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return vps_err_set(e, -errno, "become undumpable");
	/* Else keys of the caller's session could be used inside. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	return 0;
}

static int
recv_msg(int chan, char type, struct core_box_msg *m, struct sys_fds *fds)
{
	int r = sys_unix_recv(chan, m, sizeof(*m), fds);

	/* Whoever starts us is gone, or gave up. */
	if (r != (int)sizeof(*m) || m->type != type)
		_exit(1);
	return 0;
}

static int
send_msg(int chan, char type, const struct vps_err *err, int fd)
{
	struct core_box_msg m = {.type = type, .console = fd >= 0};

	if (err != NULL)
		m.err = *err;
	return sys_unix_send(chan, &m, sizeof(m), &fd, fd >= 0 ? 1 : 0);
}

/* proc and sysfs can only be mounted while the host's are to be seen, so all
 * is made before the root changes. */
static int
make_mounts(int dev, int fd[BASE_MAX], struct vps_err *e)
{
	int i;

	for (i = 0; core_basemounts[i].path != NULL; i++) {
		const struct core_basemount *m = &core_basemounts[i];

		fd[i] =
		    m->host ? dev : sys_mnt_new(m->fstype, m->opts, m->attr);
		if (fd[i] < 0)
			return vps_err_set(
			    e, fd[i], "make %s for %s", m->fstype, m->path);
	}
	return 0;
}

static int
attach(int mnt, int root, const char *path, struct vps_err *e)
{
	auto_close int at = -1;
	int r;

	at = sys_open_in(root, path, O_PATH | O_NOFOLLOW, 0);
	if (at == -ENOENT && mkdirat(root, path + 1, 0755) == 0)
		at = sys_open_in(root, path, O_PATH | O_NOFOLLOW, 0);
	if (at < 0)
		return vps_err_set(e, at, "open %s inside", path);
	r = sys_mnt_attach(mnt, at, "");
	if (r < 0)
		return vps_err_set(e, r, "mount on %s inside", path);
	return 0;
}

/* What isn't there need not be hidden. */
static int
mask(int root, struct vps_err *e)
{
	const char *const *p;
	struct stat st;

	for (p = core_masked; *p != NULL; p++) {
		auto_close int at =
		    sys_open_in(root, *p, O_PATH | O_NOFOLLOW, 0);
		auto_close int m = -1;
		int r;

		if (at == -ENOENT)
			continue;
		if (at < 0 || fstat(at, &st) < 0)
			return vps_err_set(
			    e, at < 0 ? at : -errno, "open %s inside", *p);
		if (!S_ISDIR(st.st_mode))
			m = sys_mnt_clone(root, "dev/null");
		else
			m = sys_mnt_new("tmpfs", "mode=555,size=4k",
			    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
				MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
		r = m < 0 ? m : sys_mnt_attach(m, at, "");
		if (r < 0)
			return vps_err_set(e, r, "hide %s inside", *p);
	}
	return 0;
}

static int
enter_root(int root, int dev, struct vps_err *e)
{
	int fd[BASE_MAX], i, r;

	r = make_mounts(dev, fd, e);
	if (r < 0)
		return r;
	/* On top of the old root: any other place would have to exist. */
	r = sys_mnt_attach(root, AT_FDCWD, "/");
	if (r == 0)
		r = sys_mnt_pivot(root);
	if (r < 0)
		return vps_err_set(e, r, "change the root");
	for (i = 0; core_basemounts[i].path != NULL; i++) {
		r = attach(fd[i], root, core_basemounts[i].path, e);
		if (r < 0)
			return r;
		(void)close(fd[i]);
	}
	return mask(root, e);
}

static int
open_console(int root, struct vps_err *e)
{
	auto_close int master = sys_pty_open(root, "dev/pts/ptmx", NULL);
	auto_close int m = -1;
	int r;

	if (master < 0)
		return vps_err_set(e, master, "open a terminal for console");
	m = sys_mnt_clone(root, "dev/pts/0");
	if (m < 0)
		return vps_err_set(e, m, "open the console's terminal");
	r = attach(m, root, "/dev/console", e);
	if (r < 0)
		return r;
	return take_fd(&master);
}

static int
build(const struct core_box *b, const struct sys_fds *fds, int *ret_console,
    struct vps_err *e)
{
	int r;

	/* As the host's root still: the offsets are in the host's /proc. */
	r = sys_timens_new(&b->clocks);
	if (r < 0)
		return vps_err_set(e, r, "make a time namespace");
	if (unshare(CLONE_NEWCGROUP) < 0)
		return vps_err_set(e, -errno, "make a cgroup namespace");
	r = core_become_root(e);
	if (r < 0)
		return r;
	(void)umask(022);
	r = enter_root(fds->fd[0], fds->fd[1], e);
	if (r < 0)
		return r;
	if (sethostname(b->hostname, strlen(b->hostname)) < 0)
		return vps_err_set(e, -errno, "set the host name");
	if (b->console) {
		*ret_console = open_console(fds->fd[0], e);
		if (*ret_console < 0)
			return *ret_console;
	}
	return 0;
}

static int
console_stdio(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC), i;

	if (fd < 0)
		return -errno;
	for (i = 0; i <= 2; i++)
		if (dup2(fd, i) < 0)
			return -errno;
	return 0;
}

static int
run_init(const struct core_box *b, int chan, int program, struct vps_err *e)
{
	int keep[2] = {program, -1}, r;

	(void)setsid();
	sys_signals_default();
	r = b->console ? console_stdio() : sys_fds_null();
	if (r < 0)
		return vps_err_set(e, r, "open the console inside");
	/* `chan` is close-on-exec: its end says that init runs. */
	keep[1] = chan;
	r = sys_fds_close_but(3, keep, 2);
	if (r < 0)
		return vps_err_set(e, r, "close descriptors");
	if (program >= 0) {
		r = sys_memfd_exec(program, b->argv, b->envp);
	} else {
		(void)execve(b->argv[0], b->argv, b->envp);
		r = -errno;
	}
	return vps_err_set(e, r, "run %s inside", b->argv[0]);
}

void
core_box_main(const struct core_box *b)
{
	struct core_box_msg m;
	struct vps_err err = {0};
	struct sys_fds fds = {.n = 0};
	auto_close int console = -1;
	int program, r;

	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)sys_fds_close_but(3, &b->chan, 1);
	if (sys_fds_null() < 0)
		_exit(1);
	(void)recv_msg(b->chan, BOX_FDS, &m, &fds);
	if (fds.n != (m.program ? 3U : 2U))
		_exit(1);
	program = m.program ? fds.fd[2] : -1;
	r = build(b, &fds, &console, &err);
	if (r == 0) {
		(void)send_msg(b->chan, BOX_MADE, NULL, console);
		if (console >= 0)
			(void)close(take_fd(&console));
		(void)recv_msg(b->chan, BOX_GO, &m, NULL);
		r = run_init(b, b->chan, program, &err);
	}
	(void)send_msg(b->chan, BOX_FAILED, &err, -1);
	_exit(1);
}
