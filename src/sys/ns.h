/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Namespaces (namespaces(7)): open those of a process, enter them, map ids,
 * set the clocks of a time namespace.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

/* Every kind that an instance has of its own. */
#define SYS_NS_ALL                                                   \
	(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | \
	    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | 0x80 /* time */)

/* All: 0 or a descriptor, negative errno. */
int sys_ns_open(pid_t pid, const char *name); /* "net": /proc/PID/ns/net */
/* Enters several namespaces of a process at once (Linux 5.8). */
int sys_ns_enter(int pidfd, int flags);

/* Maps `count` ids from 0 inside to `base` in the caller's namespace. */
int sys_idmap_write(pid_t pid, uint32_t base, uint32_t count);

struct sys_clocks {
	int64_t mono_s, mono_ns, boot_s, boot_ns; /* offsets; ns 0..999999999 */
};
/* Gives the caller (one thread) a new time namespace with these offsets and
 * enters it. */
int sys_timens_new(const struct sys_clocks *c);
