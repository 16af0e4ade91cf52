/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Makes an instance: cgroups, holder, namespaces, mounts, network, init. Used
 * to start one and, with a program of the caller's as pid 1, to restore one.
 */
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "conf/spec.h"
#include "core/inst.h"
#include "sys/ns.h"

struct core_create_opt {
	/* Init's program and arguments; -1 and NULL: what the spec says (INIT,
	 * or vps-init without it). */
	int init; /* a sealed memfd, borrowed */
	char *const *init_argv;
	/* Added to the host's clocks inside. */
	struct sys_clocks clocks;
	/* No terminal on /dev/console; init has /dev/null. */
	bool no_console;
	/* The addresses stay unclaimed (net_claim() is the caller's), and
	 * NETWORK_ANNOUNCE isn't run. */
	bool no_claim;
	/* What the state is at the end: CORE_ST_RUNNING, or CORE_ST_RESTORING
	 * when the caller goes on. */
	enum core_st end;
};
#define CORE_CREATE_OPT            \
	((struct core_create_opt){ \
	    .init = -1, .init_argv = NULL, .end = CORE_ST_RUNNING})

/* All or nothing. The instance is returned open and locked; the caller closes
 * it. spec->id is its name. */
int core_create(const struct vps_spec *spec, const struct core_create_opt *opt,
    struct core_inst **ret, struct vps_err *e);
/* What core_create() would do, a line each. Checks what can be checked. */
int core_create_show(const struct vps_spec *spec,
    const struct core_create_opt *opt, struct buf *out, struct vps_err *e);

/* core_create() of a running instance, and closes it. */
int core_start(const struct vps_spec *spec, struct vps_err *e);

/* Init asked for it by reboot(2) and has ended: everything but the directory,
 * cgroups and ids is made again. `in` is locked. */
int core_reboot(struct core_inst *in, struct vps_err *e);
