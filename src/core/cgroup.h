/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The cgroups of an instance. In the v2 hierarchy vps/ID/payload (the instance)
 * and vps/ID/sys (our helpers for it); in each v1 hierarchy vps/ID, which has
 * both. All under a sub-root BASE of every hierarchy: $VPS_CGROUP at start,
 * normally "", remembered in the state file.
 *
 * Nobody is ever moved: a write to cgroup.procs takes 10 ms, being born in a v2
 * cgroup or putting oneself in a v1 one takes almost nothing.
 */
#pragma once
#include "base/err.h"
#include "core/inst.h"
#include "sys/cgroup.h"

#define CORE_CG_PAYLOAD "payload"
#define CORE_CG_SYS     "sys"

struct core_cg {
	struct sys_cghiers h;
	char base[128]; /* "" or "a/b" */
	const char *id; /* borrowed */
};

/* Reads the hierarchies. `base` NULL: of the environment. */
int core_cg_init(
    struct core_cg *cg, const char *base, const char *id, struct vps_err *e);
int
core_cg_of(struct core_cg *cg, const struct core_inst *in, struct vps_err *e);
int core_cg_make(const struct core_cg *cg, struct vps_err *e);
/* Waits (bounded) until what was killed in them is gone. */
int core_cg_remove(const struct core_cg *cg, struct vps_err *e);

/* A descriptor of the v2 cgroup "payload" or "sys", for clone3(2). */
int core_cg_open(const struct core_cg *cg, const char *sub);
/* Path of FILE in it, for cgroup.freeze and the like. */
int core_cg_path(const struct core_cg *cg, const char *sub, const char *file,
    char *ret, size_t n);
/* Path of FILE in the v1 cgroup that has this controller; -ENOENT: that
 * controller isn't v1 here. */
int core_cg_path1(const struct core_cg *cg, const char *controller,
    const char *file, char *ret, size_t n);
/* Puts the caller (one thread) in vps/ID of each v1 hierarchy. */
int core_cg_join1(const struct core_cg *cg);
/* Kills all in it, frozen or not. Afterwards nothing may be born in it any more
 * (Linux compares the kill count of the parent's cgroup with that of the
 * child's, and kills what clone3(2) puts there): see core_cg_renew(). */
int core_cg_kill(const struct core_cg *cg, const char *sub);
/* Replaces an empty cgroup by a new one. */
int core_cg_renew(const struct core_cg *cg, const char *sub, struct vps_err *e);
/* Host pids in it and below, in a malloc()ed array; the count. */
int core_cg_pids(const struct core_cg *cg, const char *sub, pid_t **ret);
