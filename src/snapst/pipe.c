/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Pipes and FIFOs. What is in one is copied by tee(2), which takes nothing
 * out; it can be read later even if only writers are left now (a FIFO), so it
 * travels whenever there is some.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/str.h"
#include "snapst/snap.h"

#define DELETED " (deleted)"

/* One for each inode. */
struct pipe_slot {
	bool seen; /* content is in the image */
};

static bool
pipe_match(const struct snap_fd *f)
{
	return S_ISFIFO(f->st.st_mode) && !(f->flags & O_PATH);
}

static bool
is_fifo(const struct snap_fd *f)
{
	return !str_has_prefix(f->link, "pipe:[");
}

static int
pipe_check(struct snap *s, const struct snap_fd *f)
{
	char path[PATH_MAX];

	if (is_fifo(f) && f->st.st_nlink > 0 &&
	    snap_path(s, f->link, &f->st, path) < 0)
		snap_object(s, f,
		    "%s: no path inside leads to this FIFO; it was opened "
		    "outside or is covered by a mount",
		    f->link);
	snap_locks_check(s, f);
	return 0;
}

/* A read end of our own. Opening one of a FIFO lets go a process that waits
 * for a reader in open(2), so it is done only where it must be. */
static int
read_end(const struct snap_fd *f)
{
	char path[64];
	int fd;

	if ((f->flags & O_ACCMODE) != O_WRONLY)
		fd = fcntl(f->fd, F_DUPFD_CLOEXEC, 3);
	else {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* Reads all of the copy. A read ends where a packet does (O_DIRECT, pipe(2)),
 * so in packet mode the lengths are those of the packets. */
static int
drain(int fd, size_t want, struct buf *data, struct buf *part)
{
	while (data->len < want) {
		uint8_t *p = buf_reserve(data, PIPE_BUF);
		ssize_t n;
		uint32_t len;

		if (p == NULL)
			return -ENOMEM;
		n = read(fd, p, PIPE_BUF);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data->len += (size_t)n;
		len = (uint32_t)n;
		buf_add(part, &len, sizeof(len));
	}
	return buf_err(part);
}

static int
copy_content(
    const struct snap_fd *f, uint32_t size, struct buf *data, struct buf *part)
{
	auto_close int src = -1, in = -1, out = -1;
	int have = 0, p[2];
	ssize_t n;

	if (ioctl(f->fd, FIONREAD, &have) < 0)
		return -errno;
	if (have == 0)
		return 0;
	src = read_end(f);
	if (src < 0)
		return src;
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	in = p[1];
	out = p[0];
	/* A slot of ours for each of the source's, which may hold a byte. */
	if (fcntl(in, F_SETPIPE_SZ, size) < 0)
		return -errno;
	n = tee(src, in, (size_t)have, SPLICE_F_NONBLOCK);
	if (n < 0)
		return -errno;
	if (n != have)
		return -EIO;
	return drain(out, (size_t)have, data, part);
}

static int
fifo_path(
    struct snap *s, const struct snap_fd *f, struct vd_pipe *v, char *path)
{
	size_t n = strlen(f->link), d = strlen(DELETED);

	v->path = path;
	if (f->st.st_nlink > 0)
		return snap_path(s, f->link, &f->st, path);
	if (n < d || n >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, f->link, n - d);
	path[n - d] = '\0';
	v->gone = 1;
	return 0;
}

static int
pipe_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	struct vd_pipe v = {.id = id,
	    .object = f->st.st_ino,
	    .path = "",
	    .mode = f->st.st_mode & 07777,
	    .uid = snap_uid(s, f->st.st_uid),
	    .gid = snap_gid(s, f->st.st_gid)};
	struct pipe_slot *slot;
	auto_buf struct buf data = {0};
	auto_buf struct buf part = {0};
	char path[PATH_MAX];
	int r;

	/* A FIFO's inode number counts in its filesystem only. */
	v.object ^= (uint64_t)f->st.st_dev << 40;
	slot = snap_slot(s, VD_T_pipe, v.object, sizeof(*slot));
	if (slot == NULL)
		return vps_err_set(e, -ENOMEM, "%s", f->link);
	if (is_fifo(f)) {
		r = fifo_path(s, f, &v, path);
		if (r < 0)
			return vps_err_set(e, r, "%s", f->link);
	}
	r = fcntl(f->fd, F_GETPIPE_SZ);
	if (r < 0)
		return vps_err_set(e, -errno, "%s: capacity", f->link);
	v.size = (uint32_t)r;
	if (!slot->seen) {
		r = copy_content(f, v.size, &data, &part);
		if (r < 0)
			return vps_err_set(e, r, "%s: content", f->link);
		slot->seen = true;
		v.data = (struct vd_bytes){data.data, data.len};
		v.part = (uint32_t *)(void *)part.data;
		v.n_part = part.len / sizeof(uint32_t);
	}
	r = vd_put(snap_writer(s), &vd_type_pipe, &v);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

const struct snap_kind snap_pipe = {
    .name = "pipe",
    .number = VD_T_pipe,
    .match = pipe_match,
    .check = pipe_check,
    .dump = pipe_dump,
};
