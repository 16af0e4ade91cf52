/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Terminals beyond descriptors: controlling terminals and masters that are
 * held outside. Called by the stages of the builder:
 *
 *   before the tree: rst_tty_give(), for masters that exist already (the
 *     console's)
 *   tree, before a session leader with proc.tty forks: rst_tty_make(), then a
 *     table with rst_tty_ctty() in the leader
 *   tree complete: rst_tty_group() in the leader, for proc.tty_pgrp;
 *     rst_tty_none() in a member that has no terminal while its leader has
 *   files, between link and finish: rst_tty_outside(), masters for the holder
 */
#pragma once
#include "restore/rst.h"

/* Pty `index` exists from now on (a copy of the master is kept). */
int rst_tty_make(struct rst *r, uint32_t index, struct vps_err *e);
int rst_tty_give(struct rst *r, int master, struct vps_err *e);
/* A master that exists, borrowed; -ENOENT: none of that number. */
int rst_tty_master(struct rst *r, uint32_t index);
/* The i-th master that is held outside: borrowed descriptor and its number in
 * the holder; -ENOENT: no more. */
int rst_tty_outside(struct rst *r, unsigned i, uint32_t *ret_num);

/* Append calls for a process that runs the skeleton. */
void rst_tty_ctty(struct sys_rcalls *c, uint32_t index);
void rst_tty_none(struct sys_rcalls *c);
void rst_tty_group(struct sys_rcalls *c, uint32_t index, pid_t group);
