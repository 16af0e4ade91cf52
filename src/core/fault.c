/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

int
core_fault(const char *point, struct vps_err *e)
{
	static unsigned passed; /* one point is asked for in one process */
	const char *s = getenv("VPS_FAULT");
	bool die = s != NULL && str_has_prefix(s, "kill:");
	size_t n = strlen(point);
	uint32_t nth = 1;

	if (s == NULL)
		return 0;
	s += die ? 5 : 0;
	if (strncmp(s, point, n) != 0 || (s[n] != '\0' && s[n] != ':'))
		return 0;
	if (s[n] == ':' && str_u32(s + n + 1, 10, &nth) < 0)
		return 0;
	if (++passed != nth)
		return 0;
	if (die)
		(void)kill(getpid(), SIGKILL);
	return vps_err_say(e, -EIO, "%s: failed as VPS_FAULT says", point);
}
