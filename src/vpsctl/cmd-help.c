/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>

#include "vpsctl/ctl.h"

static void
help_all(struct buf *b)
{
	buf_adds(b, "usage: vpsctl COMMAND [OPTION]... [OPERAND]...\n\n");
	for (const struct ctl_cmd *c = ctl_cmds; c->name != NULL; c++)
		if ((c->flags & CMD_LATER) == 0)
			buf_addf(b, "  %-10s %s\n", c->name, c->help);
	buf_adds(b,
	    "\n`vpsctl help COMMAND` says more; the whole is in vpsctl(8).\n");
}

static void
help_one(const struct ctl_cmd *cmd, struct buf *b)
{
	buf_adds(b, "usage: vpsctl ");
	ctl_usage(cmd, b);
	buf_addf(b, "\n\n%s\n", cmd->help);
	if (cmd->needs != NULL)
		buf_addf(
		    b, "State that the instance must have: %s\n", cmd->needs);
	for (const struct ctl_optdesc *o = ctl_optdescs; o->name != NULL; o++) {
		char head[64];

		if ((cmd->opts & o->bit) == 0)
			continue;
		(void)snprintf(head, sizeof(head), "-%c, --%s%s%s", o->letter,
		    o->name, o->arg ? " " : "", o->arg ? o->arg : "");
		buf_addf(b, "  %-24s %s\n", head, o->help);
	}
	if (cmd->flags & CMD_LATER)
		buf_adds(b, "Not in this version.\n");
}

int
cmd_help(const struct ctl *c, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	const struct ctl_cmd *cmd;

	if (c->argc == 0) {
		help_all(&b);
		return ctl_out(&b, e);
	}
	cmd = ctl_find(c->argv[0]);
	if (cmd == NULL)
		return vps_err_say(
		    e, -VPS_EUSAGE, "no such command: %s", c->argv[0]);
	help_one(cmd, &b);
	return ctl_out(&b, e);
}
