/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "sys/probe.h"
#include "vpsctl/ctl.h"

static void
check_text(const struct sys_feature *f, int r, struct buf *b)
{
	buf_addf(b, "%-16s %-8s %s", f->name,
	    r == 0      ? "ok"
	    : f->needed ? "MISSING"
			: "missing",
	    f->use);
	if (r < 0)
		buf_addf(b, " (%s)", strerror(-r));
	buf_adds(b, "\n");
}

static void
check_json(const struct sys_feature *f, int r, struct json *j)
{
	json_obj(j, NULL);
	json_str(j, "name", f->name);
	json_bool(j, "present", r == 0);
	json_bool(j, "needed", f->needed);
	json_str(j, "use", f->use);
	json_str(j, "error", r < 0 ? strerror(-r) : NULL);
	json_end(j);
}

int
cmd_check(const struct ctl *c, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	struct json j = {.out = &b};
	struct utsname u = {0};
	unsigned missing = 0;
	int r;

	(void)uname(&u);
	if (c->opts & OPT_JSON) {
		json_obj(&j, NULL);
		json_str(&j, "kernel", u.release);
		json_str(&j, "machine", u.machine);
		json_arr(&j, "features");
	} else {
		buf_addf(&b, "%-16s %s %s\n", "kernel", u.release, u.machine);
	}
	for (const struct sys_feature *f = sys_features; f->name; f++) {
		r = f->probe();
		missing += r < 0 && f->needed;
		if (c->opts & OPT_JSON)
			check_json(f, r, &j);
		else
			check_text(f, r, &b);
	}
	if (c->opts & OPT_JSON) {
		json_end(&j);
		json_end(&j);
	}
	r = ctl_out(&b, e);
	if (r < 0 || missing == 0)
		return r;
	return vps_err_say(e, -EOPNOTSUPP,
	    "this kernel lacks %u feature%s that instances need", missing,
	    missing == 1 ? "" : "s");
}
