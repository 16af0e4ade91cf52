/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Binds unix sockets to the strings that they were bound to, whatever these
 * meant at the time: a relative path, one seen from another root, one that is
 * taken or gone. bind(2) is called in a directory of our own that stands for
 * root and working directory; the inode that it makes moves to its place
 * afterwards.
 */
#pragma once
#include <limits.h>
#include <stdint.h>
#include <sys/un.h>
#include <time.h>

#include "restore/rst.h"

struct rst_bind {
	char top[PATH_MAX];       /* our directory, a path of the instance */
	char dir[PATH_MAX];       /* the directory in it that holds the inode */
	char base[108];           /* the name there */
	char place[PATH_MAX];     /* directory that `top` is in */
	struct timespec times[2]; /* of `place` */
	struct sockaddr_un addr;  /* to connect() to from `dir` */
	size_t naddr;
};

/* Binds to `name` (as in sun_path; abstract ones need no directory). The inode
 * is on the filesystem of directory `place`; NULL: anywhere. */
int rst_bind(struct rst *r, int fd, const void *name, size_t n,
    const char *place, struct rst_bind *ret, struct vps_err *e);

struct rst_bind_meta {
	uint32_t mode, uid, gid;
	int64_t atime, mtime; /* ns */
};
/* Moves the inode to `path`, over what is there. */
int rst_bind_publish(struct rst *r, const struct rst_bind *b, const char *path,
    const struct rst_bind_meta *m, struct vps_err *e);
/* Removes what is left of the directory; last made, first dropped. */
void rst_bind_drop(struct rst *r, const struct rst_bind *b);

/* connect(2) by the builder itself. */
int rst_bind_connect(
    struct rst *r, int fd, const struct rst_bind *b, struct vps_err *e);
