/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One filesystem pass: rsync at both ends, each started here, with arguments
 * from one table, never from the wire, and confined (jail.h). The source runs
 * the client. Its transport is handed out by the helper that it takes for a
 * remote shell; the target runs the server on a pair of descriptors.
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "migrate/msg.h"

/* The filesystem of an instance, and how ids inside are seen outside. */
struct mig_fs {
	int tree;          /* detached mount, owned; used up by a pass */
	char uid_map[256]; /* lines as in /proc/PID/uid_map */
	char gid_map[256];
};

struct mig_pass {
	pid_t pid;
	int pidfd;  /* readable: rsync has ended */
	int helper; /* client: socket to the helper, readable: it's there */
	int err;    /* what rsync says on stderr; to be read while it runs */
	char said[400];
};

#define MIG_PASS_INIT                                           \
	{                                                       \
		.pid = -1, .pidfd = -1, .helper = -1, .err = -1 \
	}

/* list: of a list pass, a file with NUL-terminated paths relative to the root;
 * borrowed. */
int mig_pass_client(struct mig_pass *p, enum mig_pass_kind kind,
    struct mig_fs *fs, int list, const char *helper, struct vps_err *e);
/* in, out: borrowed. */
int mig_pass_server(struct mig_pass *p, enum mig_pass_kind kind,
    struct mig_fs *fs, int in, int out, struct vps_err *e);

/* The helper is readable: takes the descriptors to read from and write to. */
int mig_pass_transport(struct mig_pass *p, int *ret_rd, int *ret_wr);
/* Tells the client how its server has ended. */
void mig_pass_tell(struct mig_pass *p, unsigned char status);
/* Reads what is there of rsync's complaints, keeps their beginning. */
void mig_pass_listen(struct mig_pass *p);
/* pidfd is readable: the exit status, 128 + signal, or -errno. Frees all. */
int mig_pass_reap(struct mig_pass *p);
/* Kills it if it runs. Frees all; may be called at any time. */
void mig_pass_stop(struct mig_pass *p);

/* Exit statuses that a pass on a running instance may have: files that came
 * or went meanwhile. A later pass has to see them. */
bool mig_pass_status_is_partial(int status);
