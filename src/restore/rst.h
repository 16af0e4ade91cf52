/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the restorers of object kinds have. They run in the builder: inside all
 * namespaces of the instance, root there, nothing on the host; /proc is the
 * instance's own and pids are those inside. The process tree exists already
 * (all of it runs the skeleton, stopped), but no process has descriptors yet.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "libdump/vd.h"
#include "sys/remote.h"

struct rst;

struct rst_file {
	const struct vd_file *f;
	const void *rec; /* the kind's record */
	int fd;          /* set by make; owned by the builder; O_CLOEXEC */
};

struct rst_kind {
	uint32_t number; /* VD_T_* of its record */
	/* Makes the description: sets f->fd. */
	int (*make)(struct rst *r, struct rst_file *f, struct vps_err *e);
	/* After all files are made, for what refers to other files (epoll
	 * targets, descriptors in flight, peers). NULL: nothing. */
	int (*link)(struct rst *r, struct rst_file *f, struct vps_err *e);
	/* After every process has its descriptors (POSIX locks, O_ASYNC
	 * owners). NULL: nothing. */
	int (*finish)(struct rst *r, struct rst_file *f, struct vps_err *e);
};

/* The builder's descriptor of file `id`, or -EBADMSG: no such file. Borrowed.
 */
int rst_fd(struct rst *r, uint32_t id);

/* Runs a table of system calls in the (skeleton) process `pid`: for what the
 * kernel remembers the caller of (SO_PEERCRED of socketpair, listen, connect;
 * TIOCSCTTY). `pid` 0: in a helper of the right credentials that is gone
 * afterwards. Data that calls point to: see sys/remote.h. */
int
rst_remote(struct rst *r, pid_t pid, struct sys_rcalls *c, struct vps_err *e);
/* Takes descriptor `num` out of process `pid` into the builder. */
int rst_take_fd(struct rst *r, pid_t pid, int num, struct vps_err *e);

/* Opens a path of the instance as it was: no symlink is followed (paths in an
 * image are resolved ones), O_CLOEXEC is added. */
int rst_open(struct rst *r, const char *path, int flags, struct vps_err *e);
/* A scratch area for kinds that share objects between records (both ends of a
 * pipe): finds or adds the slot of (number, object). A new slot holds {0}. */
void *rst_slot(struct rst *r, uint32_t number, uint64_t object, size_t size);
