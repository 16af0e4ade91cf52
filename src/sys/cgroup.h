/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The cgroup hierarchies that are mounted: v2 (one), v1 (one for each set of
 * controllers), or both ("hybrid"). See cgroups(7).
 */
#pragma once
#include <stdbool.h>

#define SYS_CG_MAX  24
#define SYS_CG_PATH 128

struct sys_cghier {
	char mnt[SYS_CG_PATH]; /* where it is mounted */
	char opts[64];         /* v1: "cpu", "name=systemd"; v2: "" */
};

struct sys_cghiers {
	struct sys_cghier v2; /* mnt "": none */
	struct sys_cghier v1[SYS_CG_MAX];
	unsigned n1;
};

int sys_cghiers_read(struct sys_cghiers *ret);
/* Parses /proc/self/mountinfo text, which it changes. */
int sys_cghiers_parse(char *text, struct sys_cghiers *ret);
/* The v1 hierarchy that has this controller; NULL: none. */
const struct sys_cghier *
sys_cghier_of(const struct sys_cghiers *h, const char *controller);
/* "a,b,c" contains `word`. */
bool sys_cg_has(const char *list, const char *word);
