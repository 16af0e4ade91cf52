/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The head of an image, read by a child that has given up all rights, so that
 * nothing hostile in it meets root.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "conf/spec.h"
#include "libdump/vd.h"

struct rst_head {
	char id[SPEC_ID_MAX + 1];
	char machine[65], release[65], version[65];
	uint8_t vdso_id[64];
	uint32_t n_vdso_id, xsave_size, page_size, restores, free_pid;
	uint64_t xfeatures;
	int64_t boot_ns, monotonic_ns, boottime_ns, realtime_ns;
	char nodename[65], domainname[65];
	char cpu_flags[8192];
	char conf[65536];
	struct vd_reader_state at; /* where the reader of the rest goes on */
};

/* Reads it from `fd`, which stands behind it then. -EBADMSG: not an image. */
int rst_head_read(int fd, struct rst_head *ret, struct vps_err *e);
