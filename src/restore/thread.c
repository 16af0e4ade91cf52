/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Threads: made in their process by clone3() with their numbers.
 */
#include <errno.h>
#include <linux/sched.h>

#include "restore/rst_i.h"

int
rst_threads(struct rst *r, struct vps_err *e)
{
	const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES |
			       CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];

		for (size_t k = 1; !p->rec->zombie && k < p->rec->n_tids; k++) {
			const struct rst_clone how = {
			    .flags = flags, .pid = p->rec->tids[k]};
			int rc =
			    rst_clone(r, &p->th[0].t, &how, &p->th[k].t, e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
