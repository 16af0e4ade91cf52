/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "restore/rst.h"

extern const struct rst_kind rst_dev;
extern const struct rst_kind rst_dgram;
extern const struct rst_kind rst_dir;
extern const struct rst_kind rst_epoll;
extern const struct rst_kind rst_eventfd;
extern const struct rst_kind rst_inotify;
extern const struct rst_kind rst_netlink;
extern const struct rst_kind rst_pidfd;
extern const struct rst_kind rst_pipe;
extern const struct rst_kind rst_procfile;
extern const struct rst_kind rst_reg;
extern const struct rst_kind rst_signalfd;
extern const struct rst_kind rst_tcp;
extern const struct rst_kind rst_timerfd;
extern const struct rst_kind rst_tty;
extern const struct rst_kind rst_unixsock;

extern const struct rst_rec rst_rec_dgrammsg;
extern const struct rst_rec rst_rec_epolltarget;
extern const struct rst_rec rst_rec_ghost;
extern const struct rst_rec rst_rec_lock;
extern const struct rst_rec rst_rec_ttypair;
extern const struct rst_rec rst_rec_unixqueue;
extern const struct rst_rec rst_rec_tcpdata;

const struct rst_kind *rst_kind_of(uint32_t number);
/* NULL: not a record of any kind of file. */
const struct rst_rec *rst_rec_of(uint32_t number);
