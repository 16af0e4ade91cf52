/* SPDX-License-Identifier: BSD-2-Clause
 * The kinds of files that a snapshot knows, in the order they are asked. */
#include "snapst/kinds.h"

#include <stddef.h>

static const struct snap_kind *const kinds[] = {
    &snap_eventfd,
    &snap_epoll,
    &snap_timerfd,
    &snap_signalfd,
    &snap_inotify,
    &snap_pidfd,
    /* By what is behind the descriptor. Regular files of /proc are its own;
     * what is opened by O_PATH is a path, whatever its type; terminals come
     * before other devices. */
    &snap_procfile,
    &snap_pipe,
    &snap_mqueue,
    &snap_reg,
    &snap_dir,
    &snap_tty,
    &snap_dev,
    &snap_unixsock,
    &snap_tcp,
    &snap_dgram,
    &snap_netlink,
    &snap_refused,
    NULL,
};

const struct snap_kind *
snap_kind_of(const struct snap_fd *f)
{
	for (size_t i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->match(f))
			return kinds[i];
	return NULL;
}

int
snap_kinds_end(struct snap *s, struct vps_err *e)
{
	for (size_t i = 0; kinds[i] != NULL; i++) {
		int r = 0;

		if (kinds[i]->dump_end != NULL)
			r = kinds[i]->dump_end(s, e);
		if (r < 0)
			return r;
	}
	return 0;
}
