/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What every instance has mounted at start besides its root, as tables: made
 * by create, recognised by a snapshot, which carries only what was changed.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct core_basemount {
	const char *path;   /* inside; parents come first */
	const char *fstype; /* as mountinfo shows it */
	const char *opts;   /* for fsopen(2) */
	uint64_t attr;      /* MOUNT_ATTR_* */
	/* Made by the host's root: a filesystem made inside can't hold device
	 * nodes. Its files belong to the instance's root. */
	bool host;
	bool contents; /* a tmpfs whose content the instance may change */
};
extern const struct core_basemount core_basemounts[]; /* path NULL: the end */

/* Entries of /dev at start. */
struct core_devnode {
	const char *name;
	mode_t mode;           /* S_IFCHR, S_IFDIR, S_IFREG, S_IFLNK + mode */
	unsigned major, minor; /* S_IFCHR */
	const char *target;    /* S_IFLNK */
};
extern const struct core_devnode core_devnodes[]; /* name NULL: the end */

/* Files and directories of /proc and /sys with something mounted on them that
 * hides them: /dev/null, or an empty read-only tmpfs. */
extern const char *const core_masked[]; /* NULL: the end */

/* The pty slave mounted on /dev/console is the first of the instance's devpts.
 */
#define CORE_CONSOLE_PTY 0

/* The base mount at this path; NULL: none. */
const struct core_basemount *core_basemount(const char *path);
bool core_is_masked(const char *path);
