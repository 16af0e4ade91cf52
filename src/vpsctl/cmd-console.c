/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/keeper.h"
#include "vpsctl/ctl.h"

#define ESCAPE '~'

/* '\0': none; untouched: nothing was said. */
static int
read_escape(const char *s, char *ret, struct vps_err *e)
{
	if (s == NULL)
		return 0;
	if (strcmp(s, "none") == 0)
		*ret = '\0';
	else if (strlen(s) == 1)
		*ret = *s;
	else if (strlen(s) == 2 && s[0] == '^' && s[1] >= '@' && s[1] <= '_')
		*ret = (char)(s[1] - '@');
	else
		return vps_err_say(e, -VPS_EUSAGE,
		    "--escape takes a character, ^X or none, not \"%.32s\"", s);
	return 0;
}

int
cmd_console(const struct ctl *c, struct vps_err *e)
{
	struct core_inst *in;
	char escape = ESCAPE;
	int r = read_escape(c->escape, &escape, e);

	if (r < 0)
		return r;
	r = ctl_open(c, CORE_READ, &in, e);
	if (r < 0)
		return r;
	if (escape != '\0' && isatty(STDIN_FILENO))
		(void)fprintf(stderr,
		    "Console of %s. Detach with Enter, %s%c, dot.\n", in->id,
		    escape < ' ' ? "^" : "",
		    escape < ' ' ? escape + '@' : escape);
	r = core_console(in, STDIN_FILENO, STDOUT_FILENO, escape, e);
	core_inst_close(in);
	return r;
}
