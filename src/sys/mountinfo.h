/* SPDX-License-Identifier: BSD-2-Clause
 *
 * /proc/PID/mountinfo (proc(5)) as structs. The parser works on text alone.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sys_mount {
	int id, parent;
	unsigned major, minor; /* of the superblock */
	const char *root;      /* what of it is mounted */
	const char *path;      /* where, as seen from the root of the process */
	uint64_t attr;         /* MOUNT_ATTR_* */
	const char *odd;       /* an option that isn't among those; NULL */
	unsigned shared;       /* peer group; 0: none */
	unsigned master;       /* peer group that it receives from; 0: none */
	int unbindable;
	const char *fstype, *source;
	const char *opts; /* of the superblock */
};

struct sys_mounts {
	struct sys_mount *m; /* owned; in no order */
	size_t n;
	char *text; /* owned; what the strings point into */
};

/* -EINVAL: text that isn't a mountinfo. */
int sys_mounts_parse(const char *text, size_t len, struct sys_mounts *ret);
/* `proc` is a descriptor of a /proc, or of one process' directory with pid 0.
 */
int sys_mounts_read(int proc, pid_t pid, struct sys_mounts *ret);
void sys_mounts_fini(struct sys_mounts *m);
/* The mount with this id; NULL: none. */
const struct sys_mount *sys_mounts_find(const struct sys_mounts *m, int id);
