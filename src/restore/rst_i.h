/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The insides of a restore: what the stages of the builder share. Restorers of
 * object kinds need only rst.h.
 */
#pragma once
#include "base/arena.h"
#include "base/slots.h"
#include "restore/rst.h"
#include "sys/ptrace.h"

#define RST_PTRACE_OPTIONS                                                  \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
	    PTRACE_O_TRACEVFORK)

#define RST_REG_SP 19 /* in vd_thread.regs: struct user_regs_struct */

struct rst_thread {
	const struct vd_thread *rec;
	struct sys_tracee t;
};

struct rst_proc {
	const struct vd_proc *rec;
	const struct vd_mm *mm; /* NULL: zombie */
	struct rst_thread *th;  /* rec->n_tids of them; [0] is the process */
	bool made;
	uint32_t sid; /* session that it is in at the moment */
	int mem;      /* /proc/PID/mem, for pages of read-only mappings */
};

/* A process that only serves to leave its number behind: a session or group
 * whose leader is gone. */
struct rst_temp {
	struct rst_temp *next;
	uint32_t pid;
	struct rst_proc *parent; /* waits for it at the end */
	struct sys_tracee t;
};

/* What the kernel has mapped into a skeleton. */
struct rst_kmaps {
	uint64_t vdso, vdso_len, vvar, vvar_len;
	struct {
		uint64_t start, len;
	} vpart[4]; /* vvar is one or several mappings */
	size_t n_vparts;
};

struct rst {
	struct vd_reader *rd;
	int ctl;     /* to the command: requests that need the host */
	int console; /* master of the console, or -1 */
	struct arena arena;

	const struct vd_system *system;
	const struct vd_instance *instance;
	struct rst_proc *procs; /* parents before children */
	size_t nprocs, procs_cap;
	struct rst_file *files; /* by id - 1 */
	size_t nfiles, files_cap;
	const struct vd_thread **threads; /* as they come */
	size_t nthreads, threads_cap;
	const struct vd_mm **mms; /* by id - 1; holes are NULL */
	size_t nmms;
	const struct vd_mapfile **mapfiles; /* by id - 1 */
	int *mapfds;
	size_t nmapfiles;
	const struct vd_seccomp **filters; /* by id - 1 */
	size_t nfilters;
	struct slots slots;

	struct sys_remote stub; /* mapped at one address in every process */
	struct sys_rcalls calls;
	struct sys_tracee root; /* the skeleton; = procs[0]'s first thread */
	struct rst_kmaps kmaps; /* the same in all skeletons */
	int chan_here;          /* SCM_RIGHTS to whichever process receives */
	int chan_there;         /* its number in every skeleton */
	struct rst_temp *temps;
	pid_t last_born;
	uint32_t last_file;  /* id of the file read last */
	struct vd_item item; /* the one that ended rst_read() */
};

/* The lowest number that process has free once it has its descriptors. */
int rst_first_free(const struct rst_proc *p);

/* read.c: all records up to the first pages, sorted and checked. */
int rst_read(struct rst *r, struct vps_err *e);
struct rst_proc *rst_proc(struct rst *r, uint32_t pid);

/* skel.c: the skeleton made ready to be forked; running tables. */
int rst_skel_open(struct rst *r, struct vps_err *e);
/* One more skeleton that isn't a child of any: the command puts it inside with
 * that number. */
int rst_skel_enter(
    struct rst *r, uint32_t pid, struct sys_tracee *ret, struct vps_err *e);
/* Runs r->calls in `t`; the message names `what` and the call that failed. */
int rst_run(
    struct rst *r, struct sys_tracee *t, const char *what, struct vps_err *e);
/* clone3() in `parent`: the tracee of the new task, stopped. */
struct rst_clone {
	uint64_t flags;
	uint32_t pid;
	uint32_t exit_signal;
};
int rst_clone(struct rst *r, struct sys_tracee *parent,
    const struct rst_clone *how, struct sys_tracee *ret, struct vps_err *e);

int rst_tree(struct rst *r, struct vps_err *e); /* tree.c */
/* session.c: of a leader, at once; of the rest, when all groups are made. */
int rst_session_tty(struct rst *r, struct rst_proc *p, struct vps_err *e);
int rst_sessions(struct rst *r, struct vps_err *e);
int rst_temps_end(struct rst *r, struct vps_err *e); /* tree.c */
int rst_zombies(struct rst *r, struct vps_err *e);   /* tree.c */
int rst_files(struct rst *r, struct vps_err *e);     /* files.c */
int rst_files_finish(struct rst *r, struct vps_err *e);
int rst_fds(struct rst *r, struct vps_err *e); /* fds.c */
/* Puts up to 250 of our descriptors into a process, at the lowest free
 * numbers there. */
int rst_send_fds(struct rst *r, struct sys_tracee *t, const int *fds, size_t n,
    struct vps_err *e);
int rst_mms(struct rst *r, struct vps_err *e); /* mm.c */
int rst_mm_finish(struct rst *r, struct vps_err *e);
int rst_pages(struct rst *r, struct vps_err *e);   /* pages.c */
int rst_threads(struct rst *r, struct vps_err *e); /* thread.c */
int rst_stops(struct rst *r, struct vps_err *e);   /* stop.c */
int rst_mains_end(struct rst *r, struct vps_err *e);
int rst_states(struct rst *r, struct vps_err *e); /* state.c */
int rst_pending(struct rst *r, struct vps_err *e);
int rst_creds(struct rst *r, struct vps_err *e); /* cred.c */
/* A system call instruction in a process whose vdso has moved. */
uint64_t rst_sysinsn(const struct rst *r, const struct rst_proc *p);
int rst_ready(struct rst *r, struct vps_err *e); /* ready.c */
void rst_detach(struct rst *r);
