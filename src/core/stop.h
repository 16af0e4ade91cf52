/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The end of an instance.
 */
#pragma once
#include <stdbool.h>

#include "core/inst.h"

struct core_stop_opt {
	/* Grace for init after it was told to shut down; < 0: STOP_TIMEOUT of
	 * the configuration. */
	int grace_ms;
	/* Let the host answer again for the addresses of an instance that was
	 * suspended (net_forget). */
	bool forget;
};

/* Shuts down, waits, kills, and destroys. What is suspended is killed without
 * running an instruction, silently for its peers. `in` is locked; what remains
 * is core_inst_close(). -VPS_ESTATE while it is being created or restored. */
int core_stop(
    struct core_inst *in, const struct core_stop_opt *opt, struct vps_err *e);
/* Kills everything inside at once; the state is dead. */
int core_abort(struct core_inst *in, struct vps_err *e);

/* How an init is told to shut down. */
enum core_shutdown {
	CORE_SHUT_TERM,     /* SIGTERM */
	CORE_SHUT_SYSTEMD,  /* SIGRTMIN+4: start poweroff.target */
	CORE_SHUT_SYSVINIT, /* runlevel 0 by /run/initctl, as telinit(8) does */
	CORE_SHUT_BUSYBOX,  /* SIGUSR2: poweroff */
	CORE_SHUT_RUNIT,    /* SIGCONT, with the file that runit wants */
	CORE_SHUT_KILL,     /* it listens to nothing: killed at once */
};
/* By the program that init runs, and the signals that it handles. */
enum core_shutdown core_shutdown_of(const struct core_inst *in);
const char *core_shutdown_name(enum core_shutdown how);
