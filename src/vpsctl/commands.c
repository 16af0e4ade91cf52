/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Every command and every option of vpsctl, once.
 */
#include <string.h>

#include "vpsctl/ctl.h"

#define ANY (-1)

/* clang-format off */
const struct ctl_optdesc ctl_optdescs[] = {
	{OPT_JSON, "json", 'j', NULL, "print JSON"},
	{OPT_DRY_RUN, "dry-run", 'n', NULL,
	    "print what would be done, do nothing"},
	{OPT_TIMEOUT, "timeout", 't', "SECONDS",
	    "grace before the instance is killed (STOP_TIMEOUT)"},
	{OPT_FORGET, "forget", 'f', NULL,
	    "answer again for addresses of an instance that was snapshot"},
	{OPT_NO_CHECK, "no-check", 'N', NULL,
	    "also what couldn't be carried to a file or a host"},
	{OPT_LIVE, "live", 'l', NULL,
	    "suspend, snapshot and resume in one step"},
	{OPT_RESOLVE, "resolve", 'r', NULL,
	    "settle a migration that was cut at its end"},
	{OPT_SSH, "ssh", 's', "COMMAND",
	    "what leads to the other host (default ssh)"},
	{OPT_ESCAPE, "escape", 'e', "CHAR",
	    "what detaches after a newline, with a dot (default ~)"},
	{OPT_FEATURES, "features", 'F', NULL, "list what is built in"},
	{0},
};

const struct ctl_cmd ctl_cmds[] = {
	{"start", "ID [FILE]", "create an instance and run it", 1, 2,
	    OPT_DRY_RUN, CMD_ID | CMD_ID_EMPTY, "none", cmd_start},
	{"stop", "ID [FILE]", "shut it down, destroy it", 1, 2,
	    OPT_TIMEOUT | OPT_FORGET, CMD_ID, "any", cmd_stop},
	{"list", "", "list the instances", 0, 0,
	    OPT_JSON, 0, NULL, cmd_list},
	{"show", "ID", "show an instance in detail", 1, 1,
	    OPT_JSON, CMD_ID, "any", cmd_show},
	{"argshow", "ID", "show its networks, privileges and limits", 1, 1,
	    0, CMD_ID | CMD_LATER, NULL, cmd_later},
	{"shell", "ID", "run a shell inside", 1, 1,
	    0, CMD_ID | CMD_EXEC, "running", cmd_shell},
	{"console", "ID", "attach to its console", 1, 1,
	    OPT_ESCAPE, CMD_ID, "running, suspended or dead", cmd_console},
	{"execin", "ID CMD [ARG]...", "start a command inside", 2, ANY,
	    0, CMD_ID | CMD_EXEC, "running", cmd_execin},
	{"execwt", "ID CMD [ARG]...",
	    "run a command inside on a terminal, wait for it", 2, ANY,
	    0, CMD_ID | CMD_EXEC, "running", cmd_execwt},
	{"ifmove", "ID IF [NEWNAME]", "move an interface into it", 2, 3,
	    0, CMD_ID | CMD_LATER, NULL, cmd_later},
	{"suspend", "ID", "stop every process", 1, 1,
	    OPT_NO_CHECK, CMD_ID, "running", cmd_suspend},
	{"resume", "ID", "let them continue", 1, 1,
	    0, CMD_ID, "suspended", cmd_resume},
	{"abort", "ID", "kill everything inside at once", 1, 1,
	    0, CMD_ID, "any", cmd_abort},
	{"snapshot", "ID FILE", "write it to FILE (-: standard output)", 2, 2,
	    OPT_LIVE | OPT_JSON, CMD_ID, "suspended; with --live running",
	    cmd_snapshot},
	{"restore", "ID FILE",
	    "make a suspended instance from FILE (-: standard input)", 2, 2,
	    OPT_DRY_RUN, CMD_ID | CMD_ID_EMPTY, "none", cmd_restore},
	{"migrate", "ID HOST [norsync|onersync|tworsync]",
	    "move it to another host while it runs", 1, 3,
	    OPT_RESOLVE | OPT_SSH, CMD_ID, "running", cmd_migrate},
	{"ipnet", "ID add|rem NET[,NET]...", "change its networks", 3, 3,
	    0, CMD_ID | CMD_LATER, NULL, cmd_later},
	{"priv", "ID allow|deny|nosys PRIV[,PRIV]...", "change its privileges",
	    3, 3, 0, CMD_ID | CMD_LATER, NULL, cmd_later},
	{"limit", "ID RES:SOFT:HARD[,RES:SOFT:HARD]...", "change its limits",
	    2, 2, 0, CMD_ID | CMD_LATER, NULL, cmd_later},
	{"quotarecalc", "ID", "count its use of vpsfs afresh", 1, 1,
	    0, CMD_ID | CMD_LATER, NULL, cmd_later},
	{"showdump", "FILE", "print a snapshot (-: standard input)", 1, 1,
	    OPT_JSON, CMD_ANYONE, NULL, cmd_showdump},
	{"check", "", "say what the kernel of this host can do", 0, 0,
	    OPT_JSON, 0, NULL, cmd_check},
	{"version", "", "print the version", 0, 0,
	    OPT_FEATURES, CMD_ANYONE, NULL, cmd_version},
	{"help", "[COMMAND]", "print this, or the usage of COMMAND", 0, 1,
	    0, CMD_ANYONE, NULL, cmd_help},
	{0},
};
/* clang-format on */

const struct ctl_cmd *
ctl_find(const char *name)
{
	for (const struct ctl_cmd *c = ctl_cmds; c->name != NULL; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void
ctl_usage(const struct ctl_cmd *cmd, struct buf *b)
{
	buf_adds(b, cmd->name);
	for (const struct ctl_optdesc *o = ctl_optdescs; o->name != NULL; o++) {
		if ((cmd->opts & o->bit) == 0)
			continue;
		buf_addf(b, " [--%s", o->name);
		if (o->arg != NULL)
			buf_addf(b, " %s", o->arg);
		buf_adds(b, "]");
	}
	if (cmd->operands[0] != '\0')
		buf_addf(b, " %s", cmd->operands);
}
