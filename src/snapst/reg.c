/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Regular files, by path or as a ghost, and whatever is opened by O_PATH:
 * such a description is nothing but a path.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>

#include "snapst/snap.h"

static bool
reg_match(const struct snap_fd *f)
{
	return (f->flags & O_PATH) || S_ISREG(f->st.st_mode);
}

static int
reg_check(struct snap *s, const struct snap_fd *f)
{
	char path[PATH_MAX];
	const char *no;

	no = snap_ghost_refuse(snap_fs_type(f), &f->st);
	if (snap_is_ghost(&f->st, f->link)) {
		if (no != NULL)
			snap_object(s, f, "%s: %s", f->link, no);
	} else if (snap_path(s, f->link, &f->st, path) < 0)
		snap_object(s, f,
		    "%s: no path inside leads to this file; it was opened "
		    "outside or is covered by a mount",
		    f->link);
	snap_locks_check(s, f);
	return 0;
}

static int
reg_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_reg v = {.id = id, .type = f->st.st_mode & S_IFMT};
	char path[PATH_MAX] = "";
	int r;

	if (snap_is_ghost(&f->st, f->link))
		r = snap_ghost_number(s, f->fd, f->link, &v.ghost, e);
	else {
		r = snap_path(s, f->link, &f->st, path);
		if (r < 0)
			(void)vps_err_set(e, r, "%s", f->link);
	}
	if (r < 0)
		return r;
	v.path = path;
	r = vd_put(snap_writer(s), &vd_type_reg, &v);
	if (r < 0)
		return vps_err_set(e, r, "image");
	return snap_ghosts_records(s, e);
}

const struct snap_kind snap_reg = {
    .name = "file",
    .number = VD_T_reg,
    .match = reg_match,
    .check = reg_check,
    .dump = reg_dump,
};
