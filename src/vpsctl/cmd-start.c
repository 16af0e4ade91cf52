/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "conf/conf.h"
#include "core/create.h"
#include "vpsctl/ctl.h"

/* The instance is called by what the command line says, else by its file. */
static int
read_spec(const struct ctl *c, struct vps_spec *ret, struct vps_err *e)
{
	const char *id = c->argv[0], *file = c->argc > 1 ? c->argv[1] : NULL;
	char path[PATH_MAX];
	int r;

	if (file == NULL && *id == '\0')
		return vps_err_say(
		    e, -VPS_EUSAGE, "an empty ID needs a FILE that has a NAME");
	if (file == NULL) {
		r = conf_path(NULL, id, path, sizeof(path));
		if (r < 0)
			return vps_err_set(e, r, "%s", id);
		file = path;
	}
	r = conf_read(file, ret, e);
	if (r < 0)
		return r;
	if (*id != '\0')
		(void)str_fmt(ret->id, sizeof(ret->id), "%s", id);
	if (ret->id[0] == '\0')
		return vps_err_say(
		    e, -EINVAL, "%s: NAME is missing, and no ID given", file);
	return 0;
}

static void
warn_lines(const struct vps_spec *spec)
{
	auto_buf struct buf b = {0};
	char *save = NULL, *line;

	if (conf_warnings(spec, &b) <= 0)
		return;
	(void)buf_str(&b);
	for (line = strtok_r((char *)b.data, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		ctl_warn("%s", line);
}

int
cmd_start(const struct ctl *c, struct vps_err *e)
{
	auto_spec struct vps_spec spec = {0};
	auto_buf struct buf b = {0};
	int r = read_spec(c, &spec, e);

	if (r < 0)
		return r;
	warn_lines(&spec);
	if ((c->opts & OPT_DRY_RUN) == 0)
		return core_start(&spec, e);
	r = core_create_show(&spec, &CORE_CREATE_OPT, &b, e);
	return r < 0 ? r : ctl_out(&b, e);
}
