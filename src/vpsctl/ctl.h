/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the commands of vpsctl share. A command is one row in commands.c and
 * one file cmd-VERB.c. It prints results to standard output through ctl_out();
 * what went wrong it returns, and main.c prints that as one line.
 */
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/inst.h"

enum {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NO_INSTANCE = 3,
	CTL_WRONG_STATE = 4,
	CTL_EXEC_FAILED = 125, /* vpsctl itself failed, of execwt and shell */
	CTL_EXEC_CANT_RUN = 126,
	CTL_EXEC_NOT_FOUND = 127,
};

/* Options; a row of commands.c says which its command takes. */
enum ctl_opt {
	OPT_JSON = 1 << 0,
	OPT_DRY_RUN = 1 << 1,
	OPT_TIMEOUT = 1 << 2,
	OPT_FORGET = 1 << 3,
	OPT_LIVE = 1 << 4,
	OPT_RESOLVE = 1 << 5,
	OPT_ESCAPE = 1 << 6,
	OPT_FEATURES = 1 << 7,
	OPT_REMOTE = 1 << 8,
	OPT_NO_CHECK = 1 << 9,
	OPT_SSH = 1 << 10,
};

/* How a command is treated besides. */
enum ctl_flag {
	CMD_ID = 1 << 0,       /* the first operand names an instance */
	CMD_ID_EMPTY = 1 << 1, /* ... or is '': the name that the file has */
	CMD_ANYONE = 1 << 2,   /* works without being root */
	CMD_EXEC = 1 << 3,     /* what follows the ID is another's command
				  line; own failures are 125 */
	CMD_LATER = 1 << 4,    /* refused; `help` says with which remedy */
};

struct ctl {
	const struct ctl_cmd *cmd;
	unsigned opts;                               /* of enum ctl_opt */
	const char *timeout, *escape, *remote, *ssh; /* arguments of options */
	int argc;                                    /* operands, */
	char **argv; /* argv[0] is the first; NULL behind the last */
};

struct ctl_cmd {
	const char *name, *operands, *help;
	int min, max; /* number of operands; max -1: any */
	unsigned opts, flags;
	const char *needs; /* states that the instance must have, for help */
	/* The exit status, or a negative code with `e` filled. */
	int (*run)(const struct ctl *c, struct vps_err *e);
};

struct ctl_optdesc {
	enum ctl_opt bit;
	const char *name;
	int letter;
	const char *arg; /* or NULL */
	const char *help;
};

extern const struct ctl_cmd ctl_cmds[];         /* name NULL behind the last */
extern const struct ctl_optdesc ctl_optdescs[]; /* likewise */
const struct ctl_cmd *ctl_find(const char *name);
/* "start [--dry-run] ID [FILE]" */
void ctl_usage(const struct ctl_cmd *cmd, struct buf *b);

/* Writes all of `b` to standard output. */
int ctl_out(struct buf *b, struct vps_err *e);
/* One line "vpsctl: warning: ..." on standard error. */
void ctl_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Opens the instance that the first operand names; what a command that died
 * left half done is finished or undone first. */
int ctl_open(const struct ctl *c, enum core_mode mode, struct core_inst **ret,
    struct vps_err *e);

/* Objections to carrying a running instance, all in `e`. */
int ctl_check_travel(const struct core_inst *in, struct vps_err *e);

int cmd_abort(const struct ctl *c, struct vps_err *e);
int cmd_check(const struct ctl *c, struct vps_err *e);
int cmd_console(const struct ctl *c, struct vps_err *e);
int cmd_execin(const struct ctl *c, struct vps_err *e);
int cmd_execwt(const struct ctl *c, struct vps_err *e);
int cmd_help(const struct ctl *c, struct vps_err *e);
int cmd_later(const struct ctl *c, struct vps_err *e);
int cmd_migrate(const struct ctl *c, struct vps_err *e);
int cmd_list(const struct ctl *c, struct vps_err *e);
int cmd_restore(const struct ctl *c, struct vps_err *e);
int cmd_resume(const struct ctl *c, struct vps_err *e);
int cmd_shell(const struct ctl *c, struct vps_err *e);
int cmd_show(const struct ctl *c, struct vps_err *e);
int cmd_showdump(const struct ctl *c, struct vps_err *e);
int cmd_snapshot(const struct ctl *c, struct vps_err *e);
int cmd_start(const struct ctl *c, struct vps_err *e);
int cmd_stop(const struct ctl *c, struct vps_err *e);
int cmd_suspend(const struct ctl *c, struct vps_err *e);
int cmd_version(const struct ctl *c, struct vps_err *e);
