/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/stop.h"
#include "vpsctl/ctl.h"

int
cmd_abort(const struct ctl *c, struct vps_err *e)
{
	struct core_inst *in;
	int r = ctl_open(c, CORE_EXCL, &in, e);

	if (r < 0)
		return r;
	r = core_abort(in, e);
	core_inst_close(in);
	return r;
}
