/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/exec.h"
#include "vpsctl/ctl.h"

static int
run(const struct ctl *c, char *const argv[], struct vps_err *e)
{
	struct core_inst *in;
	int r = ctl_open(c, CORE_SHARED, &in, e);

	if (r < 0)
		return r;
	r = core_need(in, 1U << CORE_ST_RUNNING, c->cmd->name, e);
	if (r == 0)
		r = core_execwt(in, argv, STDIN_FILENO, STDOUT_FILENO, e);
	core_inst_close(in);
	return r;
}

int
cmd_execwt(const struct ctl *c, struct vps_err *e)
{
	return run(c, c->argv + 1, e);
}

/* $SHELL is the host's idea; the instance may not have it. */
int
cmd_shell(const struct ctl *c, struct vps_err *e)
{
	static char sh[] = "/bin/sh";
	char *own[] = {getenv("SHELL"), NULL}, *plain[] = {sh, NULL};
	int r;

	if (own[0] == NULL || own[0][0] != '/' || strcmp(own[0], sh) == 0)
		return run(c, plain, e);
	r = run(c, own, e);
	/* With a message it was us who didn't find it, not the shell. */
	if (r == CTL_EXEC_NOT_FOUND && e->msg[0] != '\0') {
		*e = (struct vps_err){0};
		r = run(c, plain, e);
	}
	return r;
}
