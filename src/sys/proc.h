/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What proc(5) says of a task: stat, status, limits. Readers take a descriptor
 * of /proc; parsers take text. Ids and pids are as the reader's namespaces show
 * them; *_in are those of the innermost pid namespace.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define SYS_COMM_MAX 64

struct sys_pstat {
	char comm[SYS_COMM_MAX];
	char state; /* R S D T t Z X ... */
	pid_t ppid, pgrp, session;
	int tty_nr, tpgid;
	unsigned long flags;
	long num_threads;
	uint64_t start_time; /* clock ticks since boot */
	uint64_t start_code, end_code, start_stack;
	uint64_t start_data, end_data, start_brk;
	uint64_t arg_start, arg_end, env_start, env_end;
	int exit_signal, exit_code; /* wait status format */
};

struct sys_pstatus {
	uint32_t umask;
	pid_t tgid, pid, ppid;
	pid_t tgid_in, pid_in, pgid_in, sid_in; /* 0: not visible there */
	unsigned ns_depth;                      /* pid namespaces it is in */
	uint32_t uid[4], gid[4];                /* real effective saved fs */
	uint32_t *groups;                       /* owned */
	size_t n_groups;
	uint64_t vm_lck; /* KiB */
	uint64_t sig_pnd, shd_pnd, sig_blk, sig_ign, sig_cgt;
	uint64_t cap_inh, cap_prm, cap_eff, cap_bnd, cap_amb;
	unsigned no_new_privs, seccomp, seccomp_filters;
	int thp_enabled; /* 1, or 0 after PR_SET_THP_DISABLE */
};

#define SYS_RLIMITS 16
struct sys_rlimits {
	struct {
		uint64_t cur, max; /* UINT64_MAX: unlimited */
	} lim[SYS_RLIMITS];
};

/* 0 or negative errno; -ENOENT or -ESRCH: the task is gone; -EBADMSG: text not
 * understood. */
int sys_pstat_parse(const char *text, struct sys_pstat *ret);
int sys_pstat_read(int proc, pid_t pid, pid_t tid, struct sys_pstat *ret);
int sys_pstatus_parse(const char *text, struct sys_pstatus *ret);
int sys_pstatus_read(int proc, pid_t pid, pid_t tid, struct sys_pstatus *ret);
void sys_pstatus_fini(struct sys_pstatus *s);
int sys_rlimits_parse(const char *text, struct sys_rlimits *ret);
int sys_rlimits_read(int proc, pid_t pid, struct sys_rlimits *ret);

/* The numbers in a directory (/proc/PID/task, /proc/PID/fd), ascending, in a
 * malloc()ed array; the count. */
int sys_numdir(int dirfd, const char *path, int **ret);
