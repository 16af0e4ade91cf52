/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
fault_hit(const char *name)
{
	const char *spec = getenv("VPS_FAULT");
	size_t n = strlen(name);

	if (spec == NULL || strncmp(spec, name, n) != 0 ||
	    (spec[n] != '\0' && spec[n] != ':'))
		return 0;
	if (strcmp(spec + n, ":kill") == 0)
		(void)kill(getpid(), SIGKILL);
	while (strcmp(spec + n, ":stop") == 0)
		(void)pause();
	return -EIO;
}
