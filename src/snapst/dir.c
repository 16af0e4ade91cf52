/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Directories. A readdir position is a number that only the same filesystem
 * understands, so it travels as the name that would come next.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "snapst/snap.h"

/* What getdents64(2) fills in. */
struct dent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static bool
dir_match(const struct snap_fd *f)
{
	return S_ISDIR(f->st.st_mode);
}

static bool
is_gone(const struct snap_fd *f)
{
	return f->st.st_nlink == 0;
}

static int
dir_check(struct snap *s, const struct snap_fd *f)
{
	char path[PATH_MAX];

	if (!is_gone(f) && snap_path(s, f->link, &f->st, path) < 0)
		snap_object(s, f,
		    "%s: no path inside leads to this directory; it was opened "
		    "outside or is covered by a mount",
		    f->link);
	snap_locks_check(s, f);
	return 0;
}

/* `next` has NAME_MAX + 1 bytes; fills v->at. */
static int
read_position(const struct snap_fd *f, struct vd_dir *v, char *next)
{
	/* A description of our own: the other one's position stays. */
	auto_close int fd =
	    openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct dent) char buf[1024];
	const struct dent *d = (const struct dent *)buf;
	long n;

	if (fd < 0 || lseek(fd, f->pos, SEEK_SET) < 0)
		return -errno;
	n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
	if (n < 0)
		return -errno;
	v->at = 2;
	if (n == 0)
		return 0;
	if (strlen(d->name) > NAME_MAX)
		return -ENAMETOOLONG;
	(void)strcpy(next, d->name);
	v->at = 1;
	v->next = next;
	return 0;
}

static int
dir_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_dir v = {.id = id, .next = ""};
	char path[PATH_MAX], next[NAME_MAX + 1];
	int r = 0;

	v.path = path;
	if (is_gone(f)) {
		size_t n = strlen(f->link);

		if (n >= sizeof(path))
			return vps_err_set(e, -ENAMETOOLONG, "%s", f->link);
		(void)strcpy(path, f->link);
		if (n > 10 && strcmp(path + n - 10, " (deleted)") == 0)
			path[n - 10] = '\0';
		v.gone = 1;
		v.mode = f->st.st_mode & 07777;
		v.uid = snap_uid(s, f->st.st_uid);
		v.gid = snap_gid(s, f->st.st_gid);
	} else {
		r = snap_path(s, f->link, &f->st, path);
		if (r == 0 && f->pos > 0)
			r = read_position(f, &v, next);
	}
	if (r == 0)
		r = vd_put(snap_writer(s), &vd_type_dir, &v);
	return r < 0 ? vps_err_set(e, r, "%s", f->link) : 0;
}

const struct snap_kind snap_dir = {
    .name = "directory",
    .number = VD_T_dir,
    .match = dir_match,
    .check = dir_check,
    .dump = dir_dump,
};
