/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starts the program that leads to the other host, without a shell.
 */
#pragma once
#include <sys/types.h>

#include "base/err.h"

struct mig_peer {
	pid_t pid;
	int in, out; /* of ours; owned */
};

/* `ssh`: the user's words for it ("ssh -p 2222"; NULL: ssh), to which come
 * options that keep it from asking, HOST, and the only remote command. */
int mig_connect(
    const char *ssh, const char *host, struct mig_peer *ret, struct vps_err *e);
int
mig_connect_argv(char *const *argv, struct mig_peer *ret, struct vps_err *e);
/* Closes the link and waits for the program. */
void mig_disconnect(struct mig_peer *p);

/* In the program at the far end: the link is standard input and output, which
 * become /dev/null for whatever else is done. */
int mig_take_stdio(int *ret_in, int *ret_out);
