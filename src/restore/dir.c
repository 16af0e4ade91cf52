/* SPDX-License-Identifier: BSD-2-Clause
 * Directories: see snapst/dir.c. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst.h"

struct dent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Reads until `next` (NULL: the end) would come, and leaves it to be read. */
static int
seek_entry(int fd, const char *next)
{
	_Alignas(struct dent) char buf[32768];
	int64_t before = 0; /* where the entry in hand is read from */

	for (;;) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

		if (n < 0)
			return -errno;
		if (n == 0)
			return next == NULL ? 0 : -ENOENT;
		for (char *p = buf; p < buf + n;) {
			const struct dent *d = (const void *)p;

			if (next != NULL && strcmp(d->name, next) == 0)
				return lseek(fd, before, SEEK_SET) < 0 ? -errno
								       : 0;
			before = d->off;
			p += d->reclen;
		}
	}
}

/* A removed directory can't be told from another removed one: the nearest
 * parent that is there gets a new one for a moment. */
int
rst_dir_gone(struct rst *r, const char *gone, int flags, struct vps_err *e)
{
	char path[PATH_MAX], name[NAME_MAX + 1] = ".vps-removed";
	auto_close int up = -1;
	struct stat st;
	int fd, rc;

	if (gone[0] != '/' || strlen(gone) >= sizeof(path))
		return vps_err_say(e, -EBADMSG, "removed directory: path");
	(void)strcpy(path, gone);
	for (bool first = true; up < 0; first = false) {
		char *slash = strrchr(path, '/');

		if (slash == NULL)
			return vps_err_set(e, -ENOENT, "%s", gone);
		if (first && slash[1] != '\0' && strlen(slash + 1) <= NAME_MAX)
			(void)strcpy(name, slash + 1);
		*slash = '\0';
		up = rst_open(r, path[0] == '\0' ? "/" : path,
		    O_RDONLY | O_DIRECTORY, NULL);
	}
	if (fstat(up, &st) < 0)
		return vps_err_set(e, -errno, "%s", gone);
	rc = mkdirat(up, name, 0755);
	if (rc < 0 && errno == EEXIST) {
		(void)strcpy(name, ".vps-removed");
		rc = mkdirat(up, name, 0755);
	}
	if (rc < 0)
		return vps_err_set(
		    e, -errno, "make removed directory %s", gone);
	fd = openat(up, name, flags | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	(void)unlinkat(up, name, AT_REMOVEDIR);
	(void)futimens(up, (struct timespec[]){st.st_atim, st.st_mtim});
	return rc < 0 ? vps_err_set(e, rc, "removed directory %s", gone) : fd;
}

static int
make_gone(struct rst *r, const struct vd_dir *v, int flags, struct vps_err *e)
{
	auto_close int fd = rst_dir_gone(r, v->path, flags, e);

	if (fd < 0)
		return fd;
	if (fchown(fd, v->uid, v->gid) < 0 || fchmod(fd, v->mode & 07777) < 0)
		return vps_err_set(e, -errno, "removed directory %s", v->path);
	return take_fd(&fd);
}

static int
dir_make(struct rst *r, struct rst_file *f, struct vps_err *e)
{
	int flags = (int)f->f->flags & ~(O_CREAT | O_ASYNC);
	const struct vd_dir *v = f->rec;
	auto_close int fd = -1;
	int rc = 0;

	if (v->gone)
		fd = make_gone(r, v, flags, e);
	else
		fd = rst_open(r, v->path, flags | O_DIRECTORY, e);
	if (fd < 0)
		return fd;
	if (!v->gone && v->at != 0)
		rc = seek_entry(fd, v->at == 1 ? v->next : NULL);
	if (rc < 0)
		return vps_err_set(
		    e, rc, "%s: position in front of %s", v->path, v->next);
	f->fd = take_fd(&fd);
	return 0;
}

const struct rst_kind rst_dir = {.number = VD_T_dir, .make = dir_make};
