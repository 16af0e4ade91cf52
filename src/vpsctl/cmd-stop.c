/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>

#include "base/str.h"
#include "conf/conf.h"
#include "core/stop.h"
#include "vpsctl/ctl.h"

#define TIMEOUT_MAX 86400

static int
read_timeout(const char *s, int *ret_ms, struct vps_err *e)
{
	uint32_t v;

	if (str_u32(s, 10, &v) < 0 || v > TIMEOUT_MAX)
		return vps_err_say(e, -VPS_EUSAGE,
		    "--timeout takes seconds, 0 to %d, not \"%.32s\"",
		    TIMEOUT_MAX, s);
	*ret_ms = (int)v * 1000;
	return 0;
}

int
cmd_stop(const struct ctl *c, struct vps_err *e)
{
	struct core_stop_opt opt = {.grace_ms = -1};
	struct core_inst *in;
	int r = 0;

	if (c->timeout != NULL)
		r = read_timeout(c->timeout, &opt.grace_ms, e);
	if (r == 0 && c->argc > 1) {
		/* The manual has it; what counts is what it was started with.
		 */
		auto_spec struct vps_spec spec = {0};

		r = conf_read(c->argv[1], &spec, e);
	}
	if (r < 0)
		return r;
	opt.forget = (c->opts & OPT_FORGET) != 0;
	r = ctl_open(c, CORE_EXCL, &in, e);
	if (r < 0)
		return r;
	r = core_stop(in, &opt, e);
	core_inst_close(in);
	return r;
}
