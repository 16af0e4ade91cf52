/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/exec.h"
#include "vpsctl/ctl.h"

int
cmd_execin(const struct ctl *c, struct vps_err *e)
{
	struct core_inst *in;
	int r = ctl_open(c, CORE_SHARED, &in, e);

	if (r < 0)
		return r;
	r = core_need(in, 1U << CORE_ST_RUNNING, "execin", e);
	if (r == 0)
		r = core_execin(in, c->argv + 1, e);
	core_inst_close(in);
	return r;
}
