/* SPDX-License-Identifier: BSD-2-Clause
 * The kinds of files that a restore knows. */
#include "restore/kinds.h"

#include <stddef.h>

static const struct rst_kind *const kinds[] = {
    &rst_dev,
    &rst_dgram,
    &rst_dir,
    &rst_epoll,
    &rst_eventfd,
    &rst_inotify,
    &rst_netlink,
    &rst_pidfd,
    &rst_pipe,
    &rst_procfile,
    &rst_reg,
    &rst_signalfd,
    &rst_tcp,
    &rst_timerfd,
    &rst_tty,
    &rst_unixsock,
    NULL,
};

static const struct rst_rec *const recs[] = {
    &rst_rec_dgrammsg,
    &rst_rec_epolltarget,
    &rst_rec_ghost,
    &rst_rec_lock,
    &rst_rec_ttypair,
    &rst_rec_unixqueue,
    &rst_rec_tcpdata,
    NULL,
};

const struct rst_kind *
rst_kind_of(uint32_t number)
{
	for (size_t i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->number == number)
			return kinds[i];
	return NULL;
}

const struct rst_rec *
rst_rec_of(uint32_t number)
{
	for (size_t i = 0; recs[i] != NULL; i++)
		if (recs[i]->number == number)
			return recs[i];
	return NULL;
}
