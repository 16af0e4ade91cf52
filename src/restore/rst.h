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
	/* After every process has its descriptors and memory, ghosts their
	 * contents, before credentials are dropped (inotify). NULL: nothing. */
	int (*finish)(struct rst *r, struct rst_file *f, struct vps_err *e);
};

/* A record that isn't a file's own but belongs to a kind (contents, targets,
 * locks). `take` is called in the order of the image; the world is complete,
 * the record lives as long as the reader. */
struct rst_rec {
	uint32_t number; /* VD_T_* */
	int (*take)(struct rst *r, const void *rec, struct vps_err *e);
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
/* The address of the data area in every process, for structures that hold
 * addresses. */
uint64_t rst_remote_data(const struct rst *r);
/* Takes descriptor `num` out of process `pid` into the builder. */
int rst_take_fd(struct rst *r, pid_t pid, int num, struct vps_err *e);

/* A process that holds file `id`, `like` if it does, and its number there;
 * -ENOENT: it is only in flight. */
int rst_holder(
    struct rst *r, uint32_t id, pid_t like, pid_t *ret_pid, int *ret_num);

/* Opens a path of the instance as it was: no symlink is followed (paths in an
 * image are resolved ones: RESOLVE_NO_SYMLINKS). Nothing but O_CLOEXEC is added
 * to the flags, as F_GETFL shows O_NOFOLLOW. `e` may be NULL. */
int rst_open(struct rst *r, const char *path, int flags, struct vps_err *e);
/* A directory that has been removed, from (the nearest there is to) `path`. */
int rst_dir_gone(struct rst *r, const char *path, int flags, struct vps_err *e);
/* A scratch area for kinds that share objects between records (both ends of a
 * pipe): finds or adds the slot of (number, object). A new slot holds {0}. */
void *rst_slot(struct rst *r, uint32_t number, uint64_t object, size_t size);

/* Ghosts (snap.h): an own descriptor of ghost `id`, opened with `flags` (access
 * mode and status flags), or negative errno. */
int rst_ghost_open(struct rst *r, uint32_t id, int flags, struct vps_err *e);
/* Takes a block of pages whose obj has VD_GHOST_OBJ set. */
int
rst_ghosts_pages(struct rst *r, const struct vd_item *it, struct vps_err *e);
/* When all pages have come and all mappings exist: sizes, seals, times. */
int rst_ghosts_finish(struct rst *r, struct vps_err *e);
void rst_ghosts_fini(struct rst *r);

/* After link: status flags that F_SETFL sets (make has opened with the access
 * mode and sets the position itself). */
int rst_file_flags(struct rst *r, const struct rst_file *f, struct vps_err *e);
/* After finish: locks, who gets SIGIO, and O_ASYNC. */
int rst_file_late(struct rst *r, const struct rst_file *f, struct vps_err *e);
