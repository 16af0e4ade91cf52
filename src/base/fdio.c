/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"

int
fd_read_all(int fd, void *p, size_t n)
{
	uint8_t *d = p;

	while (n > 0) {
		ssize_t r = read(fd, d, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EPIPE;
		d += r;
		n -= (size_t)r;
	}
	return 0;
}

int
fd_write_all(int fd, const void *p, size_t n)
{
	const uint8_t *d = p;

	while (n > 0) {
		ssize_t r = write(fd, d, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		d += r;
		n -= (size_t)r;
	}
	return 0;
}

int
file_read(int dirfd, const char *path, struct buf *b, size_t max)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		uint8_t *d = buf_reserve(b, 4096);
		ssize_t r;

		if (d == NULL)
			return -ENOMEM;
		r = read(fd, d, b->cap - b->len);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return 0;
		b->len += (size_t)r;
		got += (size_t)r;
		if (got > max)
			return -EFBIG;
	}
}

int
file_read_str(int dirfd, const char *path, char *s, size_t n)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < n - 1) {
		ssize_t r = read(fd, s + len, n - 1 - len);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		len += (size_t)r;
	}
	while (len > 0 && s[len - 1] == '\n')
		len--;
	s[len] = '\0';
	return (int)len;
}

int
file_write(int dirfd, const char *path, const char *s)
{
	auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	ssize_t r;

	if (fd < 0)
		return -errno;
	do {
		r = write(fd, s, strlen(s));
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int
file_replace(int dirfd, const char *path, const void *p, size_t n, mode_t mode)
{
	auto_close int fd = -1;
	char tmp[256];
	int r;

	r = snprintf(tmp, sizeof(tmp), "%s.new%ld", path, (long)getpid());
	if (r < 0 || (size_t)r >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, p, n);
	if (r == 0 && renameat(dirfd, tmp, dirfd, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}
