/* SPDX-License-Identifier: BSD-2-Clause */
#include "vpsctl/ctl.h"

int
cmd_version(const struct ctl *c, struct vps_err *e)
{
	auto_buf struct buf b = {0};

	buf_adds(&b, "vpsctl " VPS_VERSION "\n");
	if (c->opts & OPT_FEATURES)
		buf_adds(&b, "+USERNS +XXH3 -LZ4 -ZSTD -VPSFS -PRECOPY\n");
	return ctl_out(&b, e);
}
