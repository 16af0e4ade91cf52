/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What each mount of the instance is: private to mount*.c.
 */
#pragma once
#include <stdbool.h>

#include "core/basemounts.h"
#include "snapst/mount.h"
#include "sys/mountinfo.h"

enum snap_mnt_how { /* as vd_mount.how */
	SNAP_MNT_BASE = 0,
	SNAP_MNT_NEW = 1,
	SNAP_MNT_BIND = 2,
	SNAP_MNT_GONE = 3,
	SNAP_MNT_IGNORED, /* made at start, nothing to say about it */
};

struct snap_mnt {
	const struct sys_mount *m;
	enum snap_mnt_how how;
	const struct core_basemount *base;
	struct snap_mnt *parent; /* NULL: the root */
	struct snap_mnt *from;   /* bind */
	const char *root;        /* bind: path in `from` */
	uint32_t id;             /* in the image; 0: not written yet */
	bool contents;           /* is the one whose contents are written */
	bool covered;            /* something is mounted within it */
	bool sorted;             /* its place in the tree is known */
};

struct snap_mnts {
	struct snap *s;
	struct vps_err *e; /* NULL: what is wrong is an objection */
	struct sys_mounts all;
	struct snap_mnt *mnt; /* owned; all.n of them, in that order */
	unsigned nwrong;
};

/* Reads and sorts out all mounts. Objections are noted, or else are the error:
 * 0, negative errno. */
int snap_mnts_read(struct snap_mnts *ms);
void snap_mnts_fini(struct snap_mnts *ms);
int snap_mnts_wrong(struct snap_mnts *ms, const struct snap_mnt *m,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The root of `m`, opened from outside with `flags`; -ELOOP: something else is
 * reached by its path. */
int snap_mnt_open(struct snap *s, const struct sys_mount *m, int flags);
/* `path` without the directory `dir` in front and no slash first; NULL: it
 * isn't in it. */
const char *snap_path_in(const char *path, const char *dir);
