/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which of the kernel's features that we use are there, found by trying, never
 * by a version number. Trying changes nothing.
 */
#pragma once
#include <stdbool.h>

struct sys_feature {
	const char *name;   /* one word */
	bool needed;        /* else something is only slower or less exact */
	const char *use;    /* what for */
	int (*probe)(void); /* 0: is there; negative errno: what it said */
};

extern const struct sys_feature sys_features[]; /* name NULL behind the last */
