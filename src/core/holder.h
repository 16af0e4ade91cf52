/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Requests to the holder of an instance (src/helpers/holder.c) over its socket
 * /run/vps/ID/holder: one packet each, see struct hold_req.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "core/inst.h"
#include "sys/unix.h"

/* Numbers of what it holds: pty masters. The console's is 0; those of execwt
 * and shell count from 1. */
#define HOLD_CONSOLE 0

enum hold_op {
	HOLD_PUT = 1, /* keep the descriptor under num; replaces; no answer */
	HOLD_GET,     /* those from num on, at most SYS_UNIX_FDS */
	HOLD_DROP,    /* close num; no answer */
	HOLD_NEW,     /* keep the descriptor under a free number, >= num */
	HOLD_SPAWN,   /* exec fds[0] as a child of the holder */
};

#define HOLD_ARGS 8192
struct hold_req {
	uint32_t op, num;
	/* SPAWN: args holds argc + envc strings, each with its NUL. The other
	 * descriptors become 3, 4, ... of the program. */
	uint32_t argc, envc, nargs;
	char args[HOLD_ARGS];
};
#define HOLD_REQ_MIN (sizeof(struct hold_req) - HOLD_ARGS)

struct hold_rep {
	int32_t r;  /* SPAWN: the pid; else 0 or NEW's number; negative errno */
	uint32_t n; /* GET: descriptors, their numbers: */
	uint32_t num[SYS_UNIX_FDS];
};

/* What the holder is started with. */
enum { HOLD_FD_LISTEN = 3, HOLD_FD_DIR, HOLD_FD_CMD, HOLD_NFDS = 3 };

/* A connection; negative errno. */
int core_holder_open(const struct core_inst *in, struct vps_err *e);
int core_hold_put(int h, uint32_t num, int fd);
/* The number that it got. */
int core_hold_new(int h, uint32_t from, int fd, struct vps_err *e);
int core_hold_drop(int h, uint32_t num);
/* Descriptors from number `from` on; their count. */
int core_hold_get(int h, uint32_t from, struct hold_rep *ret,
    struct sys_fds *fds, struct vps_err *e);
/* Starts a program (descriptor; a memfd) as the holder's child, with fds as its
 * 3, 4, ...; standard descriptors are /dev/null. Its pid. `wait` false: doesn't
 * wait for the answer, returns 0. */
pid_t
core_hold_spawn(int h, int program, char *const argv[], char *const envp[],
    const int *fds, unsigned n, bool wait, struct vps_err *e);
