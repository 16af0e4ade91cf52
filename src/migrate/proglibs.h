/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which files a dynamically linked program of the host is made of, as its own
 * dynamic linker tells.
 */
#pragma once
#include <limits.h>

#include "base/err.h"

#define MIG_LIBS_MAX 48

struct mig_proglibs {
	char interp[256];
	char name[MIG_LIBS_MAX][NAME_MAX + 1]; /* as it is looked for */
	char path[MIG_LIBS_MAX][512];
	unsigned n;
};

/* *ret is to be freed. */
int
mig_proglibs_of(const char *prog, struct mig_proglibs **ret, struct vps_err *e);
/* The text that `ld.so --list` prints. */
int mig_proglibs_parse(char *text, struct mig_proglibs *ret);
