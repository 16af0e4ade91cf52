/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A snapshot file comes from anyone: once it is open, all rights are given up
 * before the first byte of it is looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "libdump/vd.h"
#include "vpsctl/ctl.h"
#include "vpsctl/drop.h"

int
cmd_showdump(const struct ctl *c, struct vps_err *e)
{
	const char *path = c->argv[0];
	auto_close int own = -1;
	char why[512] = "";
	int fd = STDIN_FILENO, r;

	if (strcmp(path, "-") != 0) {
		own = fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return vps_err_set(e, -errno, "%s", path);
	}
	r = drop_rights(e);
	if (r < 0)
		return r;
	r = vd_show(fd, stdout, (c->opts & OPT_JSON) != 0, why, sizeof(why));
	if (fflush(stdout) != 0 && r >= 0)
		return vps_err_set(e, -errno, "standard output");
	if (r < 0 && why[0] != '\0')
		return vps_err_say(e, r, "%s: %s", path, why);
	return r < 0 ? vps_err_set(e, r, "%s", path) : 0;
}
