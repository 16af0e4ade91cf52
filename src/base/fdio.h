/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole reads and writes, and small files replaced atomically. All return 0
 * or a count, negative errno on failure; EINTR is retried.
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

/* All n bytes, or -EPIPE at an early end of file. */
int fd_read_all(int fd, void *p, size_t n);
int fd_write_all(int fd, const void *p, size_t n);

/* Appends the whole file (relative to dirfd) to `b`; -EFBIG above `max`. */
int file_read(int dirfd, const char *path, struct buf *b, size_t max);
/* Up to n-1 bytes as a string without trailing newlines; the length. */
int file_read_str(int dirfd, const char *path, char *s, size_t n);
/* One write(2) into an existing file, as sysfs, procfs and cgroupfs want. */
int file_write(int dirfd, const char *path, const char *s);
/* Replaces by a temporary name + rename; mode as given. No fsync: for /run. */
int
file_replace(int dirfd, const char *path, const void *p, size_t n, mode_t mode);
