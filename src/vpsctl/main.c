/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vpsctl: reads the command line by the tables of commands.c, runs the command
 * and turns what it returns into one line and an exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/log.h"
#include "conf/spec.h"
#include "core/recover.h"
#include "migrate/instance.h"
#include "vpsctl/ctl.h"

#define OPT_MAX 16
#define HELP    'h'

int
ctl_out(struct buf *b, struct vps_err *e)
{
	int r = buf_err(b);

	if (r == 0)
		r = fd_write_all(STDOUT_FILENO, b->data, b->len);
	return r < 0 ? vps_err_set(e, r, "standard output") : 0;
}

int
ctl_open(const struct ctl *c, enum core_mode mode, struct core_inst **ret,
    struct vps_err *e)
{
	return core_open(c->argv[0], mode, mig_undo_kinds, ret, e);
}

/* "vpsctl: " + what; lines after the first are indented. */
static void
complain(const char *what, const char *msg)
{
	auto_buf struct buf b = {0};

	buf_addf(&b, "vpsctl: %s%s", what, *what ? ": " : "");
	for (; *msg != '\0'; msg++) {
		if (*msg == '\n' && msg[1] != '\0')
			buf_adds(&b, "\n  ");
		else if (*msg != '\n')
			buf_add(&b, msg, 1);
	}
	buf_adds(&b, "\n");
	(void)fd_write_all(STDERR_FILENO, b.data, b.len);
}

void
ctl_warn(const char *fmt, ...)
{
	char msg[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	complain("warning", msg);
}

/* What must not happen to a file that this program opens: being number 0-2. */
static void
open_std_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

static int
opt_bad(char **argv, struct vps_err *e)
{
	const char *opt = argv[optind - 1];

	if (optopt != 0 && strncmp(opt, "--", 2) != 0)
		return vps_err_say(e, -VPS_EUSAGE,
		    "no option -%c here, or it lacks its argument", optopt);
	return vps_err_say(
	    e, -VPS_EUSAGE, "no option %s here, or its argument is wrong", opt);
}

static void
opt_take(struct ctl *c, enum ctl_opt bit, const char *arg)
{
	c->opts |= bit;
	if (bit == OPT_TIMEOUT)
		c->timeout = arg;
	else if (bit == OPT_SSH)
		c->ssh = arg;
	else if (bit == OPT_ESCAPE)
		c->escape = arg;
}

/* Options and operands of the command whose name is argv[0]. */
static int
read_args(struct ctl *c, int argc, char **argv, struct vps_err *e)
{
	struct option lo[OPT_MAX] = {0};
	auto_buf struct buf so = {0};
	unsigned n = 0;
	int opt;

	/* '+': what follows the first operand of execin is another's. */
	buf_adds(&so, c->cmd->flags & CMD_EXEC ? "+h" : "h");
	lo[n++] = (struct option){"help", no_argument, NULL, HELP};
	for (const struct ctl_optdesc *o = ctl_optdescs; o->name != NULL; o++) {
		if ((c->cmd->opts & o->bit) == 0)
			continue;
		buf_addf(&so, "%c%s", o->letter, o->arg ? ":" : "");
		lo[n++] = (struct option){o->name,
		    o->arg ? required_argument : no_argument, NULL, o->letter};
	}
	opterr = 0;
	for (;;) {
		opt = getopt_long(argc, argv, buf_str(&so), lo, NULL);
		if (opt == -1)
			break;
		if (opt == '?')
			return opt_bad(argv, e);
		if (opt == HELP) {
			c->cmd = ctl_find("help");
			c->argc = 1;
			c->argv = argv;
			return 1;
		}
		for (const struct ctl_optdesc *o = ctl_optdescs; o->name; o++)
			if (o->letter == opt)
				opt_take(c, o->bit, optarg);
	}
	c->argc = argc - optind;
	c->argv = argv + optind;
	return 0;
}

static int
check_args(const struct ctl *c, struct vps_err *e)
{
	const struct ctl_cmd *cmd = c->cmd;
	const char *id = c->argc > 0 ? c->argv[0] : "";
	auto_buf struct buf b = {0};

	if (c->argc < cmd->min || (cmd->max >= 0 && c->argc > cmd->max)) {
		ctl_usage(cmd, &b);
		return vps_err_say(
		    e, -VPS_EUSAGE, "usage: vpsctl %s", buf_str(&b));
	}
	if ((cmd->flags & CMD_ID) != 0 &&
	    !((cmd->flags & CMD_ID_EMPTY) != 0 && *id == '\0') &&
	    spec_check_id(id, e) < 0)
		return -VPS_EUSAGE;
	if ((cmd->flags & (CMD_ANYONE | CMD_LATER)) == 0 && geteuid() != 0)
		return vps_err_say(
		    e, -EPERM, "only root can do this; try sudo(8)");
	return 0;
}

static int
status_of(const struct ctl *c, int r)
{
	if (r >= 0)
		return r;
	if (c->cmd != NULL && (c->cmd->flags & CMD_EXEC) != 0 &&
	    strcmp(c->cmd->name, "execin") != 0)
		return CTL_EXEC_FAILED;
	switch (-r) {
	case VPS_EUSAGE:
		return CTL_USAGE;
	case VPS_ENOINST:
		return CTL_NO_INSTANCE;
	case VPS_ESTATE:
		return CTL_WRONG_STATE;
	default:
		return CTL_FAILED;
	}
}

static int
run(struct ctl *c, int argc, char **argv, struct vps_err *e)
{
	const char *name = argc > 1 ? argv[1] : "";
	int r;

	if (argc < 2)
		return vps_err_say(
		    e, -VPS_EUSAGE, "no command; `vpsctl help` lists them");
	if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
		name = "help";
	else if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
		name = "version";
	c->cmd = ctl_find(name);
	if (c->cmd == NULL)
		return vps_err_say(e, -VPS_EUSAGE,
		    "no such command: %s; `vpsctl help` lists them", name);
	r = read_args(c, argc - 1, argv + 1, e);
	if (r == 0)
		r = check_args(c, e);
	return r < 0 ? r : c->cmd->run(c, e);
}

int
main(int argc, char **argv)
{
	struct vps_err e = {0};
	struct ctl c = {0};
	char what[128] = "";
	int r;

	open_std_fds();
	/* Writing to a closed pipe shall be an error, not a death half way. */
	(void)signal(SIGPIPE, SIG_IGN);
	log_init(NULL);
	r = run(&c, argc, argv, &e);
	/* A status above 0 with a message: a command that couldn't be run. */
	if (r < 0 || (r > 0 && e.msg[0] != '\0')) {
		if (c.cmd != NULL && c.argc > 0 && (c.cmd->flags & CMD_ID))
			(void)snprintf(what, sizeof(what), "%s %.40s",
			    c.cmd->name, c.argv[0]);
		else if (c.cmd != NULL)
			(void)snprintf(what, sizeof(what), "%s", c.cmd->name);
		if (e.msg[0] == '\0')
			(void)snprintf(
			    e.msg, sizeof(e.msg), "%s", strerror(-r));
		complain(what, e.msg);
	}
	return status_of(&c, r);
}
