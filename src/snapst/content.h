/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Contents of filesystems that live in memory, as inode and idata records.
 */
#pragma once
#include <stdbool.h>

#include "snapst/snap.h"

struct snap_content {
	int root;          /* of the filesystem, for reading; borrowed */
	uint32_t mount;    /* number of its mount in the image */
	const char *where; /* for messages */
	/* It is the /dev that every instance has: what it holds from the start
	 * is left out, what is gone of that is noted. */
	bool dev;
};

/* The files are the instance's: they are opened by single names relative to
 * their directory, no link is followed, and nothing mounted on top of them is
 * looked at. */
int snap_content_dump(
    struct snap *s, const struct snap_content *c, struct vps_err *e);
