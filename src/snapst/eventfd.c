/* SPDX-License-Identifier: BSD-2-Clause
 * eventfd(2). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "snapst/snap.h"
#include "sys/fdinfo.h"

static bool
eventfd_match(const struct snap_fd *f)
{
	return strcmp(f->link, "anon_inode:[eventfd]") == 0;
}

/* fdinfo tells about EFD_SEMAPHORE from Linux 6.6 on. Before, only a read
 * shows it; what it took is put back at once. */
static int
probe_semaphore(const struct snap_fd *f, uint64_t count, uint32_t *ret)
{
	uint64_t two = 2, got;

	if (count < 2) {
		if (write(f->fd, &two, 8) != 8)
			return -errno;
		count += 2;
	} else
		two = 0;
	if (read(f->fd, &got, 8) != 8)
		return -errno;
	*ret = got == 1;
	/* A counter that is a semaphore may have to be read down. */
	if (*ret == 0) {
		got -= two;
		return got == 0 || write(f->fd, &got, 8) == 8 ? 0 : -errno;
	}
	if (two == 0)
		return write(f->fd, &got, 8) == 8 ? 0 : -errno;
	return read(f->fd, &got, 8) == 8 ? 0 : -errno;
}

static int
eventfd_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_eventfd v = {.id = id};
	uint64_t sem = 0;
	int r;

	r = sys_fdinfo_u64(f->info, "eventfd-count:", 16, &v.count);
	if (r == 0) {
		r = sys_fdinfo_u64(f->info, "eventfd-semaphore:", 10, &sem);
		v.semaphore = sem != 0;
		if (r == -ENOENT)
			r = probe_semaphore(f, v.count, &v.semaphore);
	}
	if (r == 0)
		r = vd_put(snap_writer(s), &vd_type_eventfd, &v);
	return r < 0 ? vps_err_set(e, r, "eventfd") : 0;
}

const struct snap_kind snap_eventfd = {
    .name = "eventfd",
    .number = VD_T_eventfd,
    .match = eventfd_match,
    .dump = eventfd_dump,
};
