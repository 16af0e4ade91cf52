/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>

#include "base/json.h"
#include "snapst/instance.h"
#include "vpsctl/ctl.h"

static int
print(uint64_t frozen, struct vps_err *e)
{
	auto_buf struct buf b = {0};

	buf_addf(&b, "{\"frozen_ns\": %" PRIu64 "}\n", frozen);
	return ctl_out(&b, e);
}

int
cmd_snapshot(const struct ctl *c, struct vps_err *e)
{
	bool live = (c->opts & OPT_LIVE) != 0;
	uint64_t frozen = 0;
	struct core_inst *in;
	int r = ctl_open(c, CORE_EXCL, &in, e);

	if (r < 0)
		return r;
	r = live ? core_need(in, 1U << CORE_ST_RUNNING, "snapshot --live", e)
		 : 0;
	if (r == 0 && live)
		r = ctl_check_travel(in, e);
	if (r == 0)
		r = snap_to_file(in, c->argv[1], live, &frozen, e);
	core_inst_close(in);
	if (r == 0 && live && (c->opts & OPT_JSON) != 0)
		r = print(frozen, e);
	return r;
}
