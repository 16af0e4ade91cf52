/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"

static const char *const names[JRN_STATE_MAX_] = {
    [JRN_COMMITTED] = "committed",
    [JRN_MOVED] = "moved",
    [JRN_RECEIVING] = "receiving",
    [JRN_READY] = "ready",
    [JRN_OWNED] = "owned",
    [JRN_RUNNING] = "running",
};

const char *
jrn_state_name(enum jrn_state s)
{
	return names[s];
}

/* Makes all of `path`, 0700, durably. */
static int
make_dirs(const char *path)
{
	char p[512];

	if (str_fmt(p, sizeof(p), "%s", path) < 0)
		return -ENAMETOOLONG;
	for (char *s = strchr(p + 1, '/');; s = strchr(s + 1, '/')) {
		if (s != NULL)
			*s = '\0';
		if (mkdir(p, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (s == NULL)
			return 0;
		*s = '/';
	}
}

static int
open_dir(const char *dir, const char *id, int make)
{
	char p[512];
	int fd, r;

	if (id[0] == '\0' || id[0] == '.' || strchr(id, '/') != NULL)
		return -EINVAL;
	if (str_fmt(p, sizeof(p), "%s/%s", dir, id) < 0)
		return -ENAMETOOLONG;
	if (make) {
		r = make_dirs(p);
		if (r < 0)
			return r;
	}
	fd = open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int
jrn_lock(const char *dir, const char *id, struct vps_err *e)
{
	auto_close int d = open_dir(dir, id, 1);
	auto_close int fd = -1;

	if (d < 0)
		return vps_err_set(e, d, "journal %s/%s", dir, id);
	fd = openat(d, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return vps_err_set(e, -errno, "journal %s/%s/lock", dir, id);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return vps_err_say(e, -EWOULDBLOCK,
			    "%s: a migration of it is under way", id);
		return vps_err_set(e, -errno, "lock journal of %s", id);
	}
	return take_fd(&fd);
}

static int
file_name(const struct jrn *j, char *ret, size_t n)
{
	if (strspn(j->op, "0123456789abcdef") != 32 || j->op[32] != '\0')
		return -EINVAL;
	return str_fmt(
	    ret, n, "%s.%s", jrn_is_source(j->state) ? "out" : "in", j->op);
}

static int
write_durably(int d, const char *name, const char *text, size_t n)
{
	auto_close int fd = -1;
	int r;

	fd = openat(d, "new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, n);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(d, "new", d, name) < 0)
		r = -errno;
	if (r == 0 && fsync(d) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(d, "new", 0);
	return r;
}

int
jrn_write(const char *dir, const struct jrn *j, struct vps_err *e)
{
	auto_close int d = open_dir(dir, j->id, 1);
	char name[64], text[512];
	int r = d;

	if (r >= 0)
		r = file_name(j, name, sizeof(name));
	if (r >= 0)
		r = str_fmt(text, sizeof(text),
		    "state=%s\npeer=%s\ntime=%lld\n", names[j->state], j->peer,
		    (long long)j->time);
	if (r >= 0)
		r = write_durably(d, name, text, strlen(text));
	if (r < 0)
		return vps_err_set(e, r, "write journal %s/%s", dir, j->id);
	return 0;
}

int
jrn_remove(const char *dir, const struct jrn *j, struct vps_err *e)
{
	auto_close int d = open_dir(dir, j->id, 0);
	char name[64];
	int r = d;

	if (r == -ENOENT)
		return 0;
	if (r >= 0)
		r = file_name(j, name, sizeof(name));
	if (r >= 0 && unlinkat(d, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r >= 0 && fsync(d) < 0)
		r = -errno;
	if (r < 0)
		return vps_err_set(e, r, "remove journal %s/%s", dir, j->id);
	return 0;
}

static int
parse(const char *id, const char *name, char *text, struct jrn *j)
{
	const char *op = strchr(name, '.');
	char *save = NULL;
	int state = -1;

	*j = (struct jrn){0};
	if (op == NULL || str_fmt(j->op, sizeof(j->op), "%s", op + 1) < 0 ||
	    str_fmt(j->id, sizeof(j->id), "%s", id) < 0)
		return -EBADMSG;
	for (char *s = strtok_r(text, "\n", &save); s != NULL;
	     s = strtok_r(NULL, "\n", &save)) {
		char *v = strchr(s, '=');

		if (v == NULL)
			return -EBADMSG;
		*v++ = '\0';
		if (strcmp(s, "peer") == 0 &&
		    str_fmt(j->peer, sizeof(j->peer), "%s", v) < 0)
			return -EBADMSG;
		if (strcmp(s, "time") == 0 && str_i64(v, 10, &j->time) < 0)
			return -EBADMSG;
		for (int i = 0; strcmp(s, "state") == 0 && i < JRN_STATE_MAX_;
		     i++) {
			if (strcmp(v, names[i]) == 0)
				state = i;
		}
	}
	if (state < 0)
		return -EBADMSG;
	j->state = (enum jrn_state)state;
	return strncmp(name, jrn_is_source(j->state) ? "out." : "in.",
		   (size_t)(op - name) + 1) == 0
		   ? 0
		   : -EBADMSG;
}

int
jrn_each(const char *dir, const char *id,
    int (*fn)(const struct jrn *j, void *arg), void *arg, struct vps_err *e)
{
	auto_closedir DIR *dp = NULL;
	struct dirent *de;
	int d = open_dir(dir, id, 0), r;

	if (d == -ENOENT)
		return 0;
	if (d < 0)
		return vps_err_set(e, d, "journal %s/%s", dir, id);
	dp = fdopendir(d);
	if (dp == NULL) {
		(void)close(d);
		return vps_err_set(e, -ENOMEM, "journal %s/%s", dir, id);
	}
	while ((de = readdir(dp)) != NULL) {
		char text[512];
		struct jrn j;

		if (!str_has_prefix(de->d_name, "in.") &&
		    !str_has_prefix(de->d_name, "out."))
			continue;
		r = file_read_str(dirfd(dp), de->d_name, text, sizeof(text));
		if (r == -ENOENT)
			continue;
		if (r >= 0)
			r = parse(id, de->d_name, text, &j);
		/* One that can't be read may say anything: nothing may be
		 * concluded from the others. */
		if (r < 0)
			return vps_err_set(
			    e, r, "journal %s/%s/%s", dir, id, de->d_name);
		r = fn(&j, arg);
		if (r != 0)
			return r;
	}
	return 0;
}

struct find {
	int source;
	const char *op;
	struct jrn *best;
	int found;
};

static int
find_one(const struct jrn *j, void *arg)
{
	struct find *f = arg;

	if (jrn_is_source(j->state) != f->source ||
	    (f->op != NULL && strcmp(f->op, j->op) != 0) ||
	    (f->found && f->best->time > j->time))
		return 0;
	*f->best = *j;
	f->found = 1;
	return 0;
}

int
jrn_find(const char *dir, const char *id, int source, const char *op,
    struct jrn *ret, struct vps_err *e)
{
	struct jrn best;
	struct find f = {source, op, &best, 0};
	int r = jrn_each(dir, id, find_one, &f, e);

	if (r < 0)
		return r;
	if (!f.found)
		return vps_err_say(e, -ENOENT, "%s: no such migration", id);
	*ret = best;
	return 0;
}

static int
may_one(const struct jrn *j, void *arg)
{
	struct vps_err *e = arg;

	switch (j->state) {
	case JRN_COMMITTED:
		return vps_err_say(e, -VPS_ESTATE,
		    "%s: in doubt: it may run on %s, which hasn't answered; "
		    "`vpsctl migrate --resolve %s %s` settles it",
		    j->id, j->peer, j->id, j->peer);
	case JRN_MOVED:
		return vps_err_say(
		    e, -VPS_ESTATE, "%s: moved to %s", j->id, j->peer);
	case JRN_RECEIVING:
	case JRN_READY:
		return vps_err_say(e, -VPS_ESTATE,
		    "%s: on its way from %s and not taken over: it belongs "
		    "there",
		    j->id, j->peer);
	default:
		return 0;
	}
}

int
jrn_may_run(const char *dir, const char *id, struct vps_err *e)
{
	struct vps_err local;

	return jrn_each(dir, id, may_one, e != NULL ? e : &local, e);
}
