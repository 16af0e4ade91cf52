/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Controlling terminals. A leader takes its terminal as soon as it leads, since
 * members have it only if they are forked afterwards.
 */
#include "restore/rst_i.h"
#include "restore/tty.h"

int
rst_session_tty(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	int rc;

	if (p->rec->tty == 0)
		return 0;
	rc = rst_tty_make(r, p->rec->tty - 1, e);
	if (rc < 0)
		return rc;
	sys_rcalls_reset(&r->calls);
	rst_tty_ctty(&r->calls, p->rec->tty - 1);
	rc = rst_run(r, &p->th[0].t, "controlling terminal", e);
	return rc < 0 ? vps_err_wrap(e, rc, "process %u", p->rec->pid) : 0;
}

static const struct rst_proc *
leader_of(struct rst *r, uint32_t sid)
{
	for (size_t i = 0; i < r->nprocs; i++)
		if (r->procs[i].rec->pid == sid && r->procs[i].rec->sid == sid)
			return &r->procs[i];
	return NULL;
}

int
rst_sessions(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		const struct vd_proc *rec = p->rec;
		const struct rst_proc *leader = leader_of(r, rec->sid);
		int rc;

		if (leader == NULL || leader->rec->tty == 0)
			continue;
		sys_rcalls_reset(&r->calls);
		if (p == leader && rec->tty_pgrp > 0)
			rst_tty_group(
			    &r->calls, rec->tty - 1, (pid_t)rec->tty_pgrp);
		else if (p != leader && rec->tty == 0 && !rec->zombie)
			rst_tty_none(&r->calls);
		else
			continue;
		rc = rst_run(r, &p->th[0].t, "terminal of a session", e);
		if (rc < 0)
			return vps_err_wrap(e, rc, "process %u", rec->pid);
	}
	return 0;
}
