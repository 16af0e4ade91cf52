/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "snapst/snap.h"

extern const struct snap_kind snap_dev;
extern const struct snap_kind snap_dgram;
extern const struct snap_kind snap_dir;
extern const struct snap_kind snap_epoll;
extern const struct snap_kind snap_eventfd;
extern const struct snap_kind snap_inotify;
extern const struct snap_kind snap_netlink;
extern const struct snap_kind snap_pidfd;
extern const struct snap_kind snap_pipe;
extern const struct snap_kind snap_procfile;
extern const struct snap_kind snap_refused;
extern const struct snap_kind snap_reg;
extern const struct snap_kind snap_signalfd;
extern const struct snap_kind snap_tcp;
extern const struct snap_kind snap_timerfd;
extern const struct snap_kind snap_mqueue;
extern const struct snap_kind snap_tty;
extern const struct snap_kind snap_unixsock;

/* Never NULL: what nobody knows is snap_refused. */
const struct snap_kind *snap_kind_of(const struct snap_fd *f);
/* Every kind's dump_end. */
int snap_kinds_end(struct snap *s, struct vps_err *e);
