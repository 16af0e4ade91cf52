/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The first process of an instance, from its birth in new namespaces to its
 * exec of init: private to create.c. It talks with the command that starts the
 * instance over a socket, and ends when that is closed.
 *
 *   birth    user, mount, pid, net, ipc and uts namespace, v2 cgroup: by clone
 *   BOX_FDS  ->  ids are mapped; the root and /dev as detached mounts, init's
 *                program if it comes as a descriptor
 *   BOX_MADE <-  mounts, clocks, host name are there; the console's master
 *   BOX_GO   ->  exec init
 *   end of file  it was executed; or BOX_FAILED <- and why not
 */
#pragma once
#include <sched.h>
#include <stdbool.h>

#include "base/err.h"
#include "sys/ns.h"

/* CLONE_NEWCGROUP isn't here: the root of a new cgroup namespace is where the
 * caller is, so it is made once the process is in its own cgroup; and the time
 * namespace needs its offsets. */
#define CORE_BOX_FLAGS                                               \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | \
	    CLONE_NEWIPC | CLONE_NEWUTS)

enum { BOX_FDS = 'f', BOX_MADE = 'm', BOX_GO = 'g', BOX_FAILED = 'e' };

struct core_box_msg {
	char type; /* BOX_* */
	bool console, program;
	struct vps_err err; /* BOX_FAILED */
};

struct core_box {
	int chan;             /* the inner end */
	const char *hostname; /* = the instance's id */
	struct sys_clocks clocks;
	bool console;
	char *const *argv, *const *envp; /* of init */
};

/* In the new process; doesn't return. */
void core_box_main(const struct core_box *b) __attribute__((noreturn));
