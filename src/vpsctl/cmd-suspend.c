/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>

#include "snapst/instance.h"
#include "suspend/suspend.h"
#include "vpsctl/ctl.h"

/* What can't travel is found while the instance runs: all of it at once. */
int
ctl_check_travel(const struct core_inst *in, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	struct vps_err e2 = {0};
	int r = snap_check_instance(in, &b, &e2);

	if (r != -EOPNOTSUPP) {
		if (r < 0 && e != NULL)
			*e = e2;
		return r;
	}
	return vps_err_say(e, r, "%s:\n%s", e2.msg, buf_str(&b));
}

int
cmd_suspend(const struct ctl *c, struct vps_err *e)
{
	struct core_inst *in;
	int r = ctl_open(c, CORE_EXCL, &in, e);

	if (r < 0)
		return r;
	r = core_need(in, 1U << CORE_ST_RUNNING, "suspend", e);
	if (r == 0 && (c->opts & OPT_NO_CHECK) == 0)
		r = ctl_check_travel(in, e);
	if (r == 0)
		r = susp_suspend(in, e);
	core_inst_close(in);
	return r;
}
