/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the dumpers of object kinds have of a snapshot under way. The dumper
 * runs as the host's root, outside; every task of the instance is stopped.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/err.h"
#include "libdump/vd.h"

struct snap;

/* One descriptor of a task (or one in flight in a unix socket). */
struct snap_fd {
	pid_t pid;      /* host pid of a task that holds it; 0: in flight */
	pid_t pid_in;   /* its pid inside; for messages */
	int num;        /* its number there; -1: in flight */
	int fd;         /* our duplicate of it; -1 during a check */
	struct stat st; /* of the file (by stat of /proc/PID/fd/N in a check) */
	int flags;      /* fdinfo flags (octal there), O_CLOEXEC included */
	int64_t pos;
	int mnt_id;       /* fdinfo mnt_id */
	const char *link; /* readlink of /proc/PID/fd/N */
	const char *info; /* text of /proc/PID/fdinfo/N */
};

/* A kind of file. `match` is asked in the order of the table in kinds.c. */
struct snap_kind {
	const char *name; /* as in messages */
	uint32_t number;  /* VD_T_* of its record */
	bool (*match)(const struct snap_fd *f);
	/* The instance runs: object to what can't travel, by snap_object(). The
	 * answer may be out of date when the instance is frozen, then dump
	 * fails. NULL: everything of this kind travels. */
	int (*check)(struct snap *s, const struct snap_fd *f);
	/* Writes the kind's record (VD_T_file has just been written with this
	 * id). Called once per open file description. */
	int (*dump)(struct snap *s, const struct snap_fd *f, uint32_t id,
	    struct vps_err *e);
	/* After all files are numbered, in no order; NULL: nothing to do. For
	 * what refers to other files by id. */
	int (*dump_refs)(struct snap *s, const struct snap_fd *f, uint32_t id,
	    struct vps_err *e);
	/* Once, after all dump_refs (snap_kinds_end() calls it); NULL. */
	int (*dump_end)(struct snap *s, struct vps_err *e);
	/* dump_refs comes after that of all kinds that don't say this: it needs
	 * the files that those find in flight. */
	bool refs_late;
};

/* Notes an objection: "process 12 (redis) fd 7: io_uring: can't be carried;
 * remedy". All of them are reported at once. `f` NULL: the text says whose. */
void snap_object(struct snap *s, const struct snap_fd *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct vd_writer *snap_writer(struct snap *s);
/* O_PATH of the instance's root directory, for openat2(RESOLVE_IN_ROOT). */
int snap_root(const struct snap *s);
/* Directory for undo records, or -1: none are kept. */
int snap_undo_dir(const struct snap *s);
/* The i-th of the terminal masters that the holder keeps: a borrowed
 * descriptor, and its number there; -ENOENT: no more. */
int snap_ext_master(struct snap *s, unsigned i, int *ret_num);
/* Host pid of the instance's init; its /proc/PID/... shows the namespaces. */
pid_t snap_init(const struct snap *s);
/* Ids as the host shows them -> as the instance sees them; (uint32_t)-1: not
 * mapped. */
uint32_t snap_uid(const struct snap *s, uid_t host);
uint32_t snap_gid(const struct snap *s, gid_t host);
/* Host pid -> pid inside; 0: not in the instance. */
pid_t snap_pid_in(const struct snap *s, pid_t host);
pid_t snap_pid_host(const struct snap *s, pid_t in);
/* The id of the description that fd `num` of task `pid` (host) refers to, or
 * -ENOENT. In dump_refs only. */
int snap_file_id(struct snap *s, pid_t pid, int num, uint32_t *ret);
/* The id of the description behind one of our own descriptors, which is
 * numbered and dumped now if no task holds it (a descriptor in flight). */
int snap_file_own(struct snap *s, int fd, uint32_t *ret, struct vps_err *e);
/* A scratch area for kinds that share objects between records: finds or adds
 * the slot of (number, object). A new slot holds {0}. */
void *snap_slot(struct snap *s, uint32_t number, uint64_t object, size_t size);

/*
 * Ghosts: files that no name leads to (unlinked, O_TMPFILE, memfd, shared
 * anonymous memory). All descriptions and mappings of one inode share one
 * ghost; its contents travel as pages of the object VD_GHOST_OBJ | id.
 *
 * `fd` is any descriptor of the file, also O_PATH or one of
 * /proc/PID/map_files; it isn't kept. `link` is the readlink of it as f->link
 * above. Writes the VD_T_ghost record at the first call for an inode.
 */
int snap_ghost_id(
    struct snap *s, int fd, const char *link, uint32_t *ret, struct vps_err *e);
/* The same in two steps, for a kind whose own record comes first. */
int snap_ghost_number(
    struct snap *s, int fd, const char *link, uint32_t *ret, struct vps_err *e);
int snap_ghosts_records(struct snap *s, struct vps_err *e);
/* Is it a file that travels as a ghost? */
bool snap_is_ghost(const struct stat *st, const char *link);
/* Why it can't travel ("hugetlb memory", "too large: ..."); NULL: it can. */
const char *snap_ghost_refuse(long fs_type, const struct stat *st);
/* Writes the contents of all ghosts, where the image has its pages. */
int snap_ghosts_pages(struct snap *s, struct vps_err *e);
/* Closes what is kept for snap_ghosts_pages(); safe to call at any end. */
void snap_ghosts_fini(struct snap *s);

/* The n-th numbered description, from 0, with our duplicate of it; NULL: no
 * more. In dump_refs only. */
const struct snap_fd *snap_file_nth(struct snap *s, size_t n, uint32_t *ret_id);

/* The path inside by which `st` (whose /proc/PID/fd link is `link`) can be
 * opened again: proven by device and inode. Looks for another name if the one
 * it was opened by is gone. -ENOENT: there is none. `ret` has PATH_MAX bytes.
 */
int
snap_path(struct snap *s, const char *link, const struct stat *st, char *ret);
/* statfs f_type of what is behind a descriptor; 0: can't be told. */
long snap_fs_type(const struct snap_fd *f);
/* A clock as the instance sees it, in ns. */
int64_t snap_clock(const struct snap *s, int clock);

/* Objects to locks that can't travel (leases). For `check` of kinds that have
 * locks. */
void snap_locks_check(struct snap *s, const struct snap_fd *f);
/* Writes the locks that fdinfo shows: to be called for every descriptor of
 * every task, after all files; `first`: not yet called for this description. */
int snap_locks_dump(struct snap *s, const struct snap_fd *f, uint32_t id,
    bool first, struct vps_err *e);

/* Completes what a killed snapshot has left of terminals: journals "tty-N" in
 * the undo directory. The instance must still be frozen. `of_holder` gives a
 * descriptor of master `num` that the holder keeps. */
int snap_tty_undo(int undo, int (*of_holder)(void *arg, int num), void *arg,
    struct vps_err *e);

/* Fills the record that every description has; `kind` is its kind's number. */
int snap_file_record(struct snap *s, const struct snap_fd *f, uint32_t id,
    uint32_t kind, struct vd_file *ret, struct vps_err *e);
