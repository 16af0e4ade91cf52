/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/masters.h"

#include <errno.h>
#include <unistd.h>

#include "base/auto.h"
#include "core/control.h"
#include "core/holder.h"
#include "core/keeper.h"

int
snap_masters_get(
    const struct core_inst *in, struct snap_masters *ret, struct vps_err *e)
{
	struct snap_masters m = {.keeper = -1};
	auto_close int h = core_holder_open(in, e);
	uint32_t from = 0;
	int r;

	if (h < 0)
		return h;
	do {
		struct sys_fds fds = {.n = 0};
		struct hold_rep rep;

		r = core_hold_get(h, from, &rep, &fds, e);
		for (int i = 0; i < r; i++) {
			if (m.n == SNAP_MASTERS_MAX) {
				(void)close(fds.fd[i]);
				continue;
			}
			m.num[m.n] = (int)rep.num[i];
			m.fd[m.n++] = fds.fd[i];
			from = rep.num[i] + 1;
		}
	} while (r == SYS_UNIX_FDS && m.n < SNAP_MASTERS_MAX);
	/* The keeper itself, which cleans up after a dead command, reads none
	 * while it does that; it would wait for its own answer. */
	if (r >= 0 && core_keeper_pid(in) != getpid()) {
		/* without a keeper nobody reads them anyway */
		m.keeper = core_keeper_open(in, NULL);
		if (m.keeper >= 0)
			(void)core_keeper_ask(
			    m.keeper, KEEP_PAUSE, 0, -1, NULL);
	}
	*ret = m;
	return r < 0 ? r : 0;
}

void
snap_masters_fini(struct snap_masters *m)
{
	while (m->n > 0)
		(void)close(m->fd[--m->n]);
	if (m->keeper >= 0)
		(void)close(m->keeper);
	m->keeper = -1;
}
