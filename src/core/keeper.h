/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The keeper of an instance, as commands see it: brought back when it was
 * killed, told what it must know.
 */
#pragma once
#include "base/err.h"
#include "core/inst.h"

/* Starts one through a connection to the holder; doesn't wait for it. */
int
core_keeper_spawn(const struct core_inst *in, int holder, struct vps_err *e);
/* Starts one unless there is one. Without a holder it is the caller's child,
 * and makes a new holder. */
int core_keeper_ensure(const struct core_inst *in, struct vps_err *e);
/* Its pid, to show; 0: there is none. */
pid_t core_keeper_pid(const struct core_inst *in);
/* A connection to the keeper, which is started if need be. */
int core_keeper_open(const struct core_inst *in, struct vps_err *e);
/* Sends a request on a connection; with an answer where the request has one. */
int
core_keeper_ask(int k, uint32_t op, uint32_t num, int fd, struct vps_err *e);

/* The console: what `fd` says and gets is the console's until the escape
 * sequence (newline, `escape`, '.') or the end: 0, or negative errno. fd_in
 * and fd_out are the caller's terminal, put in raw mode meanwhile, or not
 * terminals. */
int core_console(const struct core_inst *in, int fd_in, int fd_out, char escape,
    struct vps_err *e);
