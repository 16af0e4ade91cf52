/* SPDX-License-Identifier: BSD-2-Clause
 * signalfd(2): a mask; the signals themselves are pending in the process. */
#include <string.h>

#include "snapst/snap.h"
#include "sys/fdinfo.h"

static bool
signalfd_match(const struct snap_fd *f)
{
	return strcmp(f->link, "anon_inode:[signalfd]") == 0;
}

static int
signalfd_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_signalfd v = {.id = id};
	int r = sys_fdinfo_u64(f->info, "sigmask:", 16, &v.mask);

	if (r == 0)
		r = vd_put(snap_writer(s), &vd_type_signalfd, &v);
	return r < 0 ? vps_err_set(e, r, "signalfd") : 0;
}

const struct snap_kind snap_signalfd = {
    .name = "signalfd",
    .number = VD_T_signalfd,
    .match = signalfd_match,
    .dump = signalfd_dump,
};
