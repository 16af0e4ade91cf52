/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The insides of a snapshot, for the files of this folder that collect
 * processes; dumpers of object kinds need only snap.h.
 */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/slots.h"
#include "snapst/snap.h"
#include "snapst/snapshot.h"
#include "sys/maps.h"
#include "sys/proc.h"
#include "sys/ptrace.h"
#include "sys/remote.h"

struct snap_thread {
	struct sys_tracee t;
	struct sys_pstatus st;
	bool exited; /* a main thread that has exited before the others */
	int stopsig; /* its stop was a group stop by this signal; 0 */
	bool seized;
	struct vd_thread rec;
	size_t ask_altstack, ask_tidaddr, ask_pdeath; /* data offsets */
	unsigned ask_secbits, ask_slack;
};

struct snap_proc {
	pid_t pid, pid_in;
	/* Where /proc shows its memory and files: the process, or a thread of
	 * one whose main thread has exited. */
	pid_t live;
	bool zombie;
	int pidfd;
	struct sys_pstat stat;
	struct snap_thread *th;
	size_t nth;
	struct sys_maps maps;
	struct vd_proc rec;
	struct vd_mm mm;
	struct vd_fdent *fds;
	size_t nfds;
};

/* An open file description. */
struct snap_file {
	struct snap_fd f; /* the first descriptor that showed it; fd is ours */
	uint32_t id;
	const struct snap_kind *kind;
};

/* A descriptor through which locks were placed; its info is in the arena. */
struct snap_locker {
	struct snap_fd f;
	uint32_t file;
	bool first; /* of several descriptors of the file */
};

struct snap_idmap {
	uint32_t in, out, n;
};

struct snap {
	const struct snap_target *t;
	struct vd_writer *w; /* NULL during a check */
	struct arena arena;
	int proc; /* /proc */
	int root; /* O_PATH of the instance's root */

	struct snap_proc *procs; /* in the arena; parents before children */
	size_t nprocs;
	struct snap_idmap *uids, *gids;
	size_t nuids, ngids;

	struct snap_file **files; /* by id - 1 */
	size_t nfiles, files_cap;
	void *file_tree;             /* tsearch(3), by inode, then kcmp */
	struct snap_locker *lockers; /* owned */
	size_t nlockers, lockers_cap;
	struct slots slots;

	struct snap_mapfile *mapfiles;
	struct snap_filter *filters;
	uint32_t nmapfiles, nfilters;

	struct buf objections; /* lines */
	unsigned n_objections;
};

/* tasks.c: who is there, stop them, let them go. */
int snap_tasks_list(struct snap *s, struct vps_err *e);
int snap_tasks_stop(struct snap *s, struct vps_err *e);
void snap_tasks_release(struct snap *s);
struct snap_thread *snap_proc_runner(struct snap_proc *p);

/* facts.c: what only the task itself can tell, by one table per thread. */
int snap_facts(struct snap *s, struct snap_proc *p, struct vps_err *e);

/* cred.c, signal.c, sched.c: parts of the thread and process records. */
int
snap_thread_creds(struct snap *s, struct snap_thread *th, struct vps_err *e);
int snap_thread_seccomp(struct snap *s, struct snap_proc *p,
    struct snap_thread *th, struct vps_err *e);
int snap_pending(struct snap *s, pid_t tid, bool shared,
    struct vd_sigpend **ret, size_t *ret_n);
int snap_thread_sched(struct snap *s, struct snap_thread *th);
int snap_regs(struct snap *s, struct snap_proc *p, struct snap_thread *th,
    struct vps_err *e);

/* mm.c, pages.c */
int snap_mm(struct snap *s, struct snap_proc *p, struct vps_err *e);
int snap_mm_check(struct snap *s, struct snap_proc *p);
int snap_mm_put_objects(struct snap *s, struct vps_err *e);
int snap_pages(struct snap *s, struct vps_err *e);

/* fdtab.c */
int snap_fds_check(struct snap *s, struct snap_proc *p);
int snap_fds(struct snap *s, struct snap_proc *p, struct vps_err *e);
int snap_files_put(struct snap *s, struct vps_err *e);
void snap_files_free(struct snap *s);

/* An objection that isn't about a descriptor. */
void snap_object_proc(struct snap *s, const struct snap_proc *p,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The path inside, or NULL with an errno: not below the root, too long. */
char *snap_readlink(struct snap *s, const char *path);
