/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include "base/auto.h"

int
sys_pty_open(int dirfd, const char *path, int *ret_num)
{
	auto_close int fd =
	    openat(dirfd, path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
	int unlocked = 0;
	unsigned num;

	if (fd < 0 || ioctl(fd, TIOCSPTLCK, &unlocked) < 0 ||
	    ioctl(fd, TIOCGPTN, &num) < 0)
		return -errno;
	if (ret_num != NULL)
		*ret_num = (int)num;
	return take_fd(&fd);
}

int
sys_pty_slave(int master, int flags)
{
	int r = ioctl(master, TIOCGPTPEER, flags | O_CLOEXEC);

	return r < 0 ? -errno : r;
}
