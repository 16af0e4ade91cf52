/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/instance.h"
#include "suspend/suspend.h"
#include "vpsctl/ctl.h"

int
cmd_resume(const struct ctl *c, struct vps_err *e)
{
	struct core_inst *in;
	int r = ctl_open(c, CORE_EXCL, &in, e);

	if (r < 0)
		return r;
	r = susp_resume(in, e);
	core_inst_close(in);
	return r;
}
