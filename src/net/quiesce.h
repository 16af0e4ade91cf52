/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TCP state that no descriptor leads to can't be carried: connections in an
 * accept queue, half-open ones (SYN_RECV), closed sockets that still have
 * something to send. It passes by itself within a moment once no new SYN gets
 * in: so hold those (NET_HOLD_NEW), let the instance run until nothing of the
 * kind is left, freeze, and look again.
 *
 * What is left in TIME_WAIT and FIN_WAIT2 has nothing more to say.
 */
#pragma once
#include "base/err.h"

/* A socket to ask with, for the two below; descriptor. */
int net_diag_open(int netns);

/* One look: 0, or -EBUSY and a line for each (or the first of) what is left,
 * naming listener and peer. */
int net_quiet(int diag, struct vps_err *e);
/* Looks again and again, for `ms` milliseconds at most. */
int net_quiesce(int diag, int ms, struct vps_err *e);
