/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Character devices that an instance has in its /dev and that hold no state:
 * null, zero, full, random, urandom. All other devices are refused by name;
 * terminals are kinds of their own and asked before.
 */
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "snapst/snap.h"

static const struct {
	unsigned minor; /* of major 1 */
	const char *path;
} stateless[] = {
    {3, "/dev/null"},
    {5, "/dev/zero"},
    {7, "/dev/full"},
    {8, "/dev/random"},
    {9, "/dev/urandom"},
};

static const struct {
	unsigned major, minor;
	const char *text;
} known[] = {
    {1, 11, "kernel log (/dev/kmsg) can't be carried; use syslog"},
    {10, 200, "tun/tap device can't be carried; end the VPN program"},
    {10, 229, "FUSE connection can't be carried; unmount it"},
    {10, 232, "virtual machine (/dev/kvm) can't be carried; end it"},
    {10, 237, "loop device control can't be carried"},
};

static bool
dev_match(const struct snap_fd *f)
{
	return S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode);
}

static const char *
usual_path(const struct snap_fd *f)
{
	if (!S_ISCHR(f->st.st_mode) || major(f->st.st_rdev) != 1)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(stateless); i++)
		if (stateless[i].minor == minor(f->st.st_rdev))
			return stateless[i].path;
	return NULL;
}

/* Its own path, else the usual one: a /dev/null that was handed in from
 * outside is as good as the instance's. */
static int
path_of(struct snap *s, const struct snap_fd *f, char *ret)
{
	if (usual_path(f) == NULL)
		return -1;
	if (snap_path(s, f->link, &f->st, ret) < 0)
		(void)strcpy(ret, usual_path(f));
	return 0;
}

static int
dev_check(struct snap *s, const struct snap_fd *f)
{
	unsigned maj = major(f->st.st_rdev), min = minor(f->st.st_rdev);

	if (usual_path(f) != NULL)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (S_ISCHR(f->st.st_mode) && known[i].major == maj &&
		    known[i].minor == min) {
			snap_object(s, f, "%s", known[i].text);
			return 0;
		}
	}
	snap_object(s, f, "%s: %s device %u:%u can't be carried; close it",
	    f->link, S_ISBLK(f->st.st_mode) ? "block" : "character", maj, min);
	return 0;
}

static int
dev_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_dev v = {.id = id,
	    .major = major(f->st.st_rdev),
	    .minor = minor(f->st.st_rdev)};
	char path[PATH_MAX];
	int r;

	if (path_of(s, f, path) < 0)
		return vps_err_say(
		    e, -EOPNOTSUPP, "%s: can't be carried", f->link);
	v.path = path;
	r = vd_put(snap_writer(s), &vd_type_dev, &v);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

const struct snap_kind snap_dev = {
    .name = "device",
    .number = VD_T_dev,
    .match = dev_match,
    .check = dev_check,
    .dump = dev_dump,
};
