/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fills a filesystem that lives in memory from inode and idata records, in the
 * order of the image: each directory before what is in it, depth first.
 */
#pragma once
#include "base/err.h"
#include "libdump/vd.h"

#define RST_DEPTH_MAX 260

struct rst_name;

/* Zero-initialised: nothing is being filled. */
struct rst_content {
	int root;          /* borrowed; -1 or nothing under way: mount is 0 */
	uint32_t mount;    /* number in the image */
	const char *where; /* borrowed, for messages */
	struct {
		int fd; /* owned */
		uint32_t id;
		int64_t atime_ns, mtime_ns;
		char name[256];
	} dir[RST_DEPTH_MAX]; /* from the root to where we are */
	unsigned depth;
	int file; /* owned; the regular file that was made last; valid with id
		   */
	uint32_t id;
	int64_t atime_ns, mtime_ns;
	uint32_t mode;
	uint8_t cap[32]; /* security.capability: writing clears it */
	size_t n_cap;
	struct rst_name *names; /* files that have more than one name */
};

void rst_content_begin(
    struct rst_content *c, int root, uint32_t mount, const char *where);
int rst_content_inode(
    struct rst_content *c, const struct vd_inode *i, struct vps_err *e);
int rst_content_data(
    struct rst_content *c, const struct vd_idata *d, struct vps_err *e);
/* Sets the times of what is still open, and closes it. Must follow begin. */
int rst_content_end(struct rst_content *c, struct vps_err *e);
