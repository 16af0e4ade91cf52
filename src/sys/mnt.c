/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/mnt.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "base/auto.h"

int
sys_mnt_clone(int dirfd, const char *path)
{
	struct mount_attr private = {.propagation = MS_PRIVATE};
	auto_close int fd = open_tree(dirfd, path,
	    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
		(*path == '\0' ? AT_EMPTY_PATH : 0));

	if (fd < 0)
		return -errno;
	/* The copy of a shared mount is its peer. */
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &private, sizeof(private)) < 0)
		return -errno;
	return take_fd(&fd);
}

int
sys_mnt_idmap(int mnt, int userns)
{
	struct mount_attr a = {
	    .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};

	return mount_setattr(mnt, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0 ? -errno
									: 0;
}

int
sys_mnt_attr(int mnt, uint64_t set, uint64_t clear)
{
	struct mount_attr a = {.attr_set = set, .attr_clr = clear};

	return mount_setattr(mnt, "", AT_EMPTY_PATH, &a, sizeof(a)) < 0 ? -errno
									: 0;
}

static int
set_opt(int fs, char *opt)
{
	char *eq = strchr(opt, '=');
	int r;

	if (eq == NULL) {
		r = fsconfig(fs, FSCONFIG_SET_FLAG, opt, NULL, 0);
	} else {
		*eq = '\0';
		r = fsconfig(fs, FSCONFIG_SET_STRING, opt, eq + 1, 0);
	}
	return r < 0 ? -errno : 0;
}

int
sys_mnt_new(const char *fstype, const char *opts, uint64_t attr)
{
	auto_close int fs = fsopen(fstype, FSOPEN_CLOEXEC);
	char s[256], *p = s, *opt;
	int r;

	if (fs < 0)
		return -errno;
	if (opts != NULL && strlen(opts) >= sizeof(s))
		return -E2BIG;
	(void)strcpy(s, opts != NULL ? opts : "");
	while ((opt = strsep(&p, ",")) != NULL) {
		r = *opt != '\0' ? set_opt(fs, opt) : 0;
		if (r < 0)
			return r;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	r = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
	return r < 0 ? -errno : r;
}

int
sys_mnt_attach(int mnt, int at, const char *path)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH;

	if (*path == '\0')
		flags |= MOVE_MOUNT_T_EMPTY_PATH;
	return move_mount(mnt, "", at, path, flags) < 0 ? -errno : 0;
}

int
sys_mnt_pivot(int root)
{
	if (fchdir(root) < 0)
		return -errno;
	/* With both the same directory the old root ends up on top of the new
	 * one and needs no directory to be put on; see pivot_root(2). */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return -errno;
	if (umount2(".", MNT_DETACH) < 0)
		return -errno;
	return chdir("/") < 0 ? -errno : 0;
}
