/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore/unixbind.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "base/str.h"

static int
open_dir(struct rst *r, const char *path, struct vps_err *e)
{
	return rst_open(r, path, O_RDONLY | O_DIRECTORY, e);
}

/* The string as it resolves when the root has nothing but directories: without
 * "." and "..". */
static int
normal(const char *s, char *ret, size_t size)
{
	size_t n = 0;

	while (*s != '\0') {
		size_t len = strcspn(s, "/");

		if (len == 2 && s[0] == '.' && s[1] == '.') {
			while (n > 0 && ret[n - 1] != '/')
				n--;
			n -= n > 0;
		} else if (len > 0 && (len != 1 || s[0] != '.')) {
			if (n + len + 2 > size)
				return -ENAMETOOLONG;
			if (n > 0)
				ret[n++] = '/';
			memcpy(ret + n, s, len);
			n += len;
		}
		s += len;
		s += *s == '/';
	}
	ret[n] = '\0';
	return n > 0 ? 0 : -EINVAL;
}

static int
make_top(struct rst *r, const char *place, struct rst_bind *b)
{
	auto_close int dir = open_dir(r, place, NULL);
	struct stat st;

	if (dir < 0)
		return dir;
	if (fstat(dir, &st) < 0)
		return -errno;
	b->times[0] = st.st_atim;
	b->times[1] = st.st_mtim;
	(void)snprintf(b->place, sizeof(b->place), "%s", place);
	for (unsigned i = 0; i < 100000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), ".vps-unix-%u", i);
		if (mkdirat(dir, name, 0711) < 0) {
			if (errno == EEXIST)
				continue;
			return -errno;
		}
		(void)fchmodat(dir, name, 0711, 0);
		return str_fmt(b->top, sizeof(b->top), "%s%s%s", place,
		    strcmp(place, "/") == 0 ? "" : "/", name);
	}
	return -EEXIST;
}

/* The directories that `name` passes, as far as the string goes. */
static int
make_dirs(struct rst_bind *b, int top, const char *name, const char *norm)
{
	char path[108], raw[108];
	char *slash;

	/* Each prefix of the raw string has to resolve: "a/../b" needs a. */
	(void)snprintf(raw, sizeof(raw), "%s", name);
	for (slash = strchr(raw + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (normal(raw, path, sizeof(path)) == 0) {
			if (mkdirat(top, path, 0711) < 0 && errno != EEXIST)
				return -errno;
			(void)fchmodat(top, path, 0711, 0);
		}
		*slash = '/';
	}
	(void)snprintf(path, sizeof(path), "%s", norm);
	slash = strrchr(path, '/');
	if (slash == NULL) {
		(void)snprintf(b->dir, sizeof(b->dir), "%s", b->top);
		(void)snprintf(b->base, sizeof(b->base), "%s", path);
		return 0;
	}
	*slash = '\0';
	(void)snprintf(b->base, sizeof(b->base), "%s", slash + 1);
	return str_fmt(b->dir, sizeof(b->dir), "%s/%s", b->top, path);
}

/* In a child, since it changes its root. */
static int
bind_in(int top, int fd, const struct sockaddr_un *a, size_t n)
{
	pid_t pid = fork();
	int st;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (fchdir(top) < 0 || chroot(".") < 0 ||
		    bind(fd, (const struct sockaddr *)a, (socklen_t)n) < 0)
			_exit(errno);
		_exit(0);
	}
	while (waitpid(pid, &st, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(st) ? -WEXITSTATUS(st) : -ECHILD;
}

static int
bind_path(struct rst *r, int fd, const struct sockaddr_un *a, size_t n,
    const char *place, struct rst_bind *b, struct vps_err *e)
{
	static const char *const anywhere[] = {
	    "/dev", "/run", "/tmp", "/dev/shm", "/"};
	auto_close int top = -1;
	char norm[108], name[sizeof(a->sun_path) + 1] = "";
	int rc;

	memcpy(name, a->sun_path, n - sizeof(sa_family_t));
	rc = normal(name, norm, sizeof(norm));
	if (rc == 0)
		rc = place != NULL ? make_top(r, place, b) : -ENOENT;
	for (size_t i = 0; i < ARRAY_LEN(anywhere) && place == NULL && rc < 0;
	     i++)
		rc = make_top(r, anywhere[i], b);
	if (rc < 0)
		return vps_err_set(e, rc, "directory for unix socket %s in %s",
		    name, place != NULL ? place : "/dev");
	rc = top = open_dir(r, b->top, e);
	if (rc < 0)
		return rc;
	rc = make_dirs(b, top, name, norm);
	if (rc == 0)
		rc = bind_in(top, fd, a, n);
	/* Anybody may have to connect; the real mode comes at the end. */
	if (rc == 0 && fchmodat(top, norm, 0777, 0) < 0)
		rc = -errno;
	if (rc < 0)
		return vps_err_set(e, rc, "bind unix socket to %s", name);
	b->addr.sun_family = AF_UNIX;
	(void)snprintf(
	    b->addr.sun_path, sizeof(b->addr.sun_path), "%s", b->base);
	b->naddr = sizeof(sa_family_t) + strlen(b->base);
	return 0;
}

int
rst_bind(struct rst *r, int fd, const void *name, size_t n, const char *place,
    struct rst_bind *b, struct vps_err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int rc;

	*b = (struct rst_bind){0};
	if (n == 0 || n > sizeof(a.sun_path))
		return vps_err_say(e, -EBADMSG, "name of a unix socket");
	memcpy(a.sun_path, name, n);
	n += sizeof(sa_family_t);
	if (a.sun_path[0] != '\0') {
		rc = bind_path(r, fd, &a, n, place, b, e);
		if (rc < 0)
			rst_bind_drop(r, b);
		return rc;
	}
	b->addr = a;
	b->naddr = n;
	if (bind(fd, (struct sockaddr *)&a, (socklen_t)n) < 0)
		return vps_err_set(e, -errno, "bind unix socket to @%.*s",
		    (int)(n - sizeof(sa_family_t) - 1), a.sun_path + 1);
	return 0;
}

static struct timespec
from_ns(int64_t ns)
{
	return (struct timespec){ns / 1000000000, ns % 1000000000};
}

int
rst_bind_publish(struct rst *r, const struct rst_bind *b, const char *path,
    const struct rst_bind_meta *m, struct vps_err *e)
{
	const char *slash = strrchr(path, '/');
	struct timespec ts[2] = {from_ns(m->atime), from_ns(m->mtime)};
	auto_close int from = open_dir(r, b->dir, e);
	auto_close int to = -1;

	if (from < 0)
		return from;
	if (slash == NULL || slash[1] == '\0')
		return vps_err_say(e, -EBADMSG, "path of a unix socket");
	to = open_dir(r, b->place, e);
	if (to < 0)
		return to;
	if (fchownat(from, b->base, m->uid, m->gid, AT_SYMLINK_NOFOLLOW) < 0 ||
	    fchmodat(from, b->base, m->mode, 0) < 0 ||
	    utimensat(from, b->base, ts, AT_SYMLINK_NOFOLLOW) < 0 ||
	    renameat(from, b->base, to, slash + 1) < 0)
		return vps_err_set(e, -errno, "put unix socket to %s", path);
	return 0;
}

/* Empties a directory of ours: directories and at most one socket. */
static void
empty(int dirfd, unsigned depth)
{
	auto_closedir DIR *d = fdopendir(dirfd);
	struct dirent *x;

	if (d == NULL) {
		(void)close(dirfd);
		return;
	}
	while ((x = readdir(d)) != NULL) {
		int sub;

		if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd, x->d_name, 0) == 0 || depth > 60)
			continue;
		sub = openat(dirfd, x->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub >= 0)
			empty(sub, depth + 1);
		(void)unlinkat(dirfd, x->d_name, AT_REMOVEDIR);
	}
}

void
rst_bind_drop(struct rst *r, const struct rst_bind *b)
{
	auto_close int place = -1;
	int top;

	if (b->top[0] == '\0')
		return;
	top = open_dir(r, b->top, NULL);
	if (top >= 0)
		empty(top, 0);
	place = open_dir(r, b->place, NULL);
	if (place < 0)
		return;
	(void)unlinkat(place, strrchr(b->top, '/') + 1, AT_REMOVEDIR);
	(void)futimens(place, b->times);
}

int
rst_bind_connect(
    struct rst *r, int fd, const struct rst_bind *b, struct vps_err *e)
{
	auto_close int dir = -1, back = -1;
	int rc = 0;

	if (b->top[0] != '\0') {
		back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		dir = open_dir(r, b->dir, e);
		if (dir < 0)
			return dir;
		if (back < 0 || fchdir(dir) < 0)
			return vps_err_set(e, -errno, "%s", b->dir);
	}
	if (connect(
		fd, (const struct sockaddr *)&b->addr, (socklen_t)b->naddr) < 0)
		rc = vps_err_set(e, -errno, "connect to a unix socket");
	if (back >= 0 && fchdir(back) < 0 && rc == 0)
		rc = vps_err_set(e, -errno, "change directory");
	return rc;
}
