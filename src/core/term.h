/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The caller's terminal connected to one of an instance.
 */
#pragma once
#include <stdbool.h>
#include <termios.h>

#include "base/err.h"

/* Raw mode of the caller's terminal, if it is one. */
struct core_raw {
	int fd;
	bool on;
	struct termios saved;
};
void core_raw_begin(struct core_raw *r, int fd);
void core_raw_end(struct core_raw *r);

/* Copies both ways between a pty master and fd_in, fd_out until the process of
 * `pidfd` has ended and what it wrote is copied. SIGWINCH sets the size; TERM,
 * INT, QUIT and HUP are passed on to the process. */
int
core_term_run(int master, int pidfd, int fd_in, int fd_out, struct vps_err *e);
