/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a program of the host (rsync) on an instance's filesystem, which may be
 * hostile while it runs, for a peer that may be hostile too. The program gets a
 * root of its own: a read-only tmpfs that holds the program, its libraries and
 * nothing else, with the instance's filesystem at /fs, on which no symbolic
 * link is followed. It has the ids and the capabilities over files that root of
 * the instance has, in a user namespace made for it, an empty network, a pid
 * namespace (it dies as a whole), and no descriptor but those given.
 * docs/decisions/ tells why it is done like that.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

#define MIG_JAIL_FS     "/fs"
#define MIG_JAIL_PROG   "/prog"
#define MIG_JAIL_HELPER "/helper"

struct mig_jail {
	const char *prog;    /* host path, becomes MIG_JAIL_PROG */
	const char *helper;  /* host path, statically linked; NULL: none */
	char *const *argv;   /* as the program sees it */
	int tree;            /* detached mount: becomes /fs; is used up */
	bool read_only;      /* /fs */
	const char *uid_map; /* lines as for /proc/PID/uid_map */
	const char *gid_map;
	int fds[4]; /* become 0..3; -1: /dev/null, for 3: none */
};

/* The child, to be waited for, and its pidfd. */
int mig_jail_spawn(const struct mig_jail *j, pid_t *ret_pid, int *ret_pidfd,
    struct vps_err *e);
