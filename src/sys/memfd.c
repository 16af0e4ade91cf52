/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/memfd.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/auto.h"
#include "base/fdio.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int
new_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	/* MFD_EXEC is known since Linux 6.3. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0755) < 0) {
		int r = -errno;

		(void)close(fd);
		return r;
	}
	return fd;
}

static int
seal(int fd)
{
	int r = fcntl(fd, F_ADD_SEALS,
	    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);

	return r < 0 ? -errno : 0;
}

int
sys_memfd_program(const char *name, const void *p, size_t n)
{
	auto_close int fd = new_memfd(name);
	int r;

	if (fd < 0)
		return fd;
	r = fd_write_all(fd, p, n);
	if (r < 0)
		return r;
	r = seal(fd);
	return r < 0 ? r : take_fd(&fd);
}

int
sys_memfd_program_file(const char *path)
{
	auto_close int in = open(path, O_RDONLY | O_CLOEXEC);
	auto_close int fd = -1;
	const char *name = strrchr(path, '/');
	struct stat st;
	off_t done = 0;
	ssize_t n;
	int r;

	if (in < 0 || fstat(in, &st) < 0)
		return -errno;
	fd = new_memfd(name != NULL ? name + 1 : path);
	if (fd < 0)
		return fd;
	while (done < st.st_size) {
		n = sendfile(fd, in, &done, (size_t)(st.st_size - done));
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	r = seal(fd);
	return r < 0 ? r : take_fd(&fd);
}

int
sys_memfd_exec(int fd, char *const argv[], char *const envp[])
{
	(void)syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}
