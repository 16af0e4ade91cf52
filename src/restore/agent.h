/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Calls whose caller the kernel remembers: they are made by the process that
 * must be remembered, or by a short-lived one with its number and credentials
 * if it is gone.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "restore/rst.h"

struct rst_as {
	pid_t pid; /* 0: any */
	uint32_t uid, gid;
	const uint32_t *groups; /* borrowed */
	size_t n_groups;
};

/* A socket that is open in the builder (fd) and, if the caller is alive, in it
 * too (num, else -1). rst_as_listen() and rst_as_connect() close `num`. */
struct rst_as_sock {
	int fd;
	int num;
};

int rst_as_socket(struct rst *r, const struct rst_as *as, int type,
    struct rst_as_sock *ret, struct vps_err *e);
int rst_as_listen(struct rst *r, const struct rst_as *as, struct rst_as_sock *s,
    uint32_t backlog, struct vps_err *e);
/* With working directory `dir` (NULL: as it is). */
int
rst_as_connect(struct rst *r, const struct rst_as *as, struct rst_as_sock *s,
    const char *dir, const void *addr, size_t naddr, struct vps_err *e);
int rst_as_socketpair(struct rst *r, const struct rst_as *as, int type,
    int ret[2], struct vps_err *e);

/* Runs fn in a child with that number which shares the builder's descriptors;
 * fn returns 0 or negative errno. -EEXIST: the number is in use. */
int rst_in_child(pid_t pid, int (*fn)(void *arg), void *arg);
