/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "base/str.h"
#include "core/basemounts.h"
#include "sys/clone.h"
#include "sys/fds.h"
#include "sys/mnt.h"

static int
check_parent(const char *key, const char *path, struct vps_err *e)
{
	auto_free char *parent = strdup(path);
	struct stat st;
	char *slash;

	if (parent == NULL)
		return vps_err_set(e, -ENOMEM, "%s", key);
	slash = strrchr(parent, '/');
	if (slash == NULL || slash == parent)
		return vps_err_say(e, -EINVAL,
		    "%s: %s has no directory of its own above it", key, path);
	*slash = '\0';
	if (stat(parent, &st) < 0)
		return vps_err_set(e, -errno, "%s: %s", key, parent);
	if (st.st_uid != 0 || (st.st_mode & 077) != 0)
		return vps_err_say(e, -EPERM,
		    "%s: %s must be closed to other users, who could run "
		    "setuid programs of the instance: chown 0 %s; chmod 0700 "
		    "%s",
		    key, parent, parent, parent);
	return 0;
}

int
core_tree_check(const struct vps_spec *s, struct vps_err *e)
{
	struct stat st;
	int r;

	if (s->root.path == NULL)
		return vps_err_say(e, -EINVAL, "FSROOT isn't given");
	if (stat(s->root.path, &st) < 0)
		return vps_err_set(e, -errno, "FSROOT: %s", s->root.path);
	if (!S_ISDIR(st.st_mode))
		return vps_err_set(e, -ENOTDIR, "FSROOT: %s", s->root.path);
	r = check_parent("FSROOT", s->root.path, e);
	if (r == 0 && s->root.priv != NULL)
		r = check_parent("FSROOT_PRIV", s->root.priv, e);
	return r;
}

/* A command of vps.conf, by the shell; its output is the caller's. */
static int
run_shell(const char *key, const char *text, struct vps_err *e)
{
	pid_t pid = sys_fork(0, -1, NULL);
	int status;

	if (pid < 0)
		return vps_err_set(e, pid, "%s", key);
	if (pid == 0) {
		sys_signals_default();
		(void)sys_fds_close_but(3, NULL, 0);
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		(void)execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return vps_err_set(e, -errno, "%s", key);
	if (WIFSIGNALED(status))
		return vps_err_say(e, -EIO, "%s: '%s' was killed by signal %d",
		    key, text, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return vps_err_say(e, -EIO, "%s: '%s' ended with status %d",
		    key, text, WEXITSTATUS(status));
	return 0;
}

int
core_tree_mount(
    struct core_inst *in, const struct vps_spec *s, struct vps_err *e)
{
	int r;

	if (s->root.mount == NULL)
		return 0;
	/* Written first: undoing what wasn't done is harmless. */
	core_set(in, "root_mounted", "%s",
	    s->root.vpsfs.target != NULL ? "bind" : "command");
	r = core_save(in, e);
	if (r < 0)
		return r;
	if (s->root.vpsfs.target == NULL)
		return run_shell("ROOT_MOUNT", s->root.mount, e);
	if (mount(s->root.vpsfs.target, s->root.path, NULL, MS_BIND, NULL) < 0)
		return vps_err_set(e, -errno, "mount %s on %s",
		    s->root.vpsfs.target, s->root.path);
	core_set(in, "root_mounted", "bound");
	return core_save(in, e);
}

int
core_tree_unmount(
    struct core_inst *in, const struct vps_spec *s, struct vps_err *e)
{
	const char *how = core_get(in, "root_mounted");
	int r = 0;

	if (how == NULL)
		return 0;
	if (strcmp(how, "command") == 0 && s->root.unmount != NULL)
		r = run_shell("ROOT_UNMOUNT", s->root.unmount, e);
	else if (strcmp(how, "bound") == 0 &&
		 umount2(s->root.path, MNT_DETACH) < 0 && errno != EINVAL)
		r = vps_err_set(e, -errno, "unmount %s", s->root.path);
	core_unset(in, "root_mounted");
	return r;
}

int
core_tree_root(const char *path, int userns, struct vps_err *e)
{
	auto_close int m = sys_mnt_clone(AT_FDCWD, path);
	struct statfs fs;
	int r;

	if (m < 0)
		return vps_err_set(e, m, "open FSROOT %s", path);
	r = sys_mnt_idmap(m, userns);
	if (r == -EINVAL && fstatfs(m, &fs) == 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "FSROOT: the filesystem of %s (type 0x%lx) can't shift "
		    "file owners (no id-mapped mounts); put it on ext4, xfs, "
		    "btrfs, or with Linux 6.3 on tmpfs",
		    path, (unsigned long)fs.f_type);
	if (r < 0)
		return vps_err_set(e, r, "shift the owners of %s", path);
	return take_fd(&m);
}

static int
make_node(int dir, const struct core_devnode *n, uint32_t base)
{
	int r;

	if (S_ISLNK(n->mode))
		r = symlinkat(n->target, dir, n->name);
	else if (S_ISDIR(n->mode))
		r = mkdirat(dir, n->name, n->mode & 07777);
	else
		r = mknodat(dir, n->name, n->mode, makedev(n->major, n->minor));
	if (r < 0 ||
	    fchownat(dir, n->name, base, base, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

int
core_tree_dev(uint32_t base, struct vps_err *e)
{
	const struct core_basemount *m = core_basemount("/dev");
	const struct core_devnode *n;
	auto_close int fd = -1;
	char opts[128];
	mode_t mask;
	int r;

	if (str_fmt(opts, sizeof(opts), "%s,uid=%u,gid=%u", m->opts, base,
		base) < 0)
		return vps_err_set(e, -E2BIG, "make /dev");
	fd = sys_mnt_new(m->fstype, opts, m->attr);
	if (fd < 0)
		return vps_err_set(e, fd, "make /dev");
	mask = umask(0);
	for (n = core_devnodes, r = 0; r == 0 && n->name != NULL; n++)
		r = make_node(fd, n, base);
	(void)umask(mask);
	if (r < 0)
		return vps_err_set(e, r, "make entries of /dev");
	return take_fd(&fd);
}
