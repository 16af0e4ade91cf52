/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What list and show tell of an instance, read from its directory, its cgroup
 * and /proc. Nothing is locked: what is gone meanwhile is left out.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/inst.h"

struct ctl_proc {
	pid_t pid, pid_in; /* on this host, inside */
	uint32_t uid;      /* as seen inside */
	char state;
	unsigned threads;
	uint64_t rss; /* bytes */
	char *cmd;    /* owned; arguments, or [name] */
};

struct ctl_info {
	const struct core_inst *in; /* borrowed */
	enum core_st state;
	uint64_t age;       /* seconds, 0: not known */
	double cpu;         /* per cent of one processor since the start */
	uint64_t virt, rss; /* bytes, sums over all processes */
	unsigned nthreads;
	struct ctl_proc *proc; /* owned; by pid inside */
	unsigned nprocs;
	/* Why a migration forbids it to run here; "": none does. */
	char migration[1024];
};

int ctl_info_read(
    const struct core_inst *in, struct ctl_info *ret, struct vps_err *e);
void ctl_info_fini(struct ctl_info *i);
