/* SPDX-License-Identifier: BSD-2-Clause */
#include "helpers/conlog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"

#define NAME "console.log"

int
conlog_open(struct conlog *l, int dir, size_t max)
{
	struct stat st;

	l->dir = dir;
	l->max = max;
	l->fd =
	    openat(dir, NAME, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (l->fd < 0 || fstat(l->fd, &st) < 0)
		return -errno;
	l->len = (size_t)st.st_size;
	return 0;
}

void
conlog_last(const struct conlog *l, struct buf *out, size_t n)
{
	uint8_t *p;
	ssize_t r;

	if (n > l->len)
		n = l->len;
	p = buf_reserve(out, n);
	if (p == NULL)
		return;
	r = pread(l->fd, p, n, (off_t)(l->len - n));
	if (r > 0)
		out->len += (size_t)r;
}

static void
halve(struct conlog *l)
{
	auto_buf struct buf b = {0};
	int fd;

	conlog_last(l, &b, l->max / 2);
	if (file_replace(l->dir, NAME, b.data, b.len, 0600) < 0)
		return;
	fd = openat(l->dir, NAME, O_RDWR | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)close(l->fd);
	l->fd = fd;
	l->len = b.len;
}

void
conlog_add(struct conlog *l, const char *b, size_t n)
{
	if (l->len + n > l->max)
		halve(l);
	if (fd_write_all(l->fd, b, n) == 0)
		l->len += n;
}
