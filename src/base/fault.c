/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

int
fault_hit(const char *name)
{
	const char *spec = getenv("VPS_FAULT");

	if (spec == NULL)
		return 0;
	if (strcmp(spec, name) == 0)
		return -EIO;
	if (str_has_prefix(spec, "kill:") && strcmp(spec + 5, name) == 0)
		(void)kill(getpid(), SIGKILL);
	while (str_has_prefix(spec, "stop:") && strcmp(spec + 5, name) == 0)
		(void)pause();
	return 0;
}
