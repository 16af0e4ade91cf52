/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"

#define REMOVE_WAIT_MS 5000

/* What limits and accounting use, where the host has them in v2. */
static const char *const v2_controllers[] = {"+cpu", "+memory", "+pids", "+io"};

static bool
base_ok(const char *s)
{
	return s[0] != '/' && strstr(s, "..") == NULL &&
	       (*s == '\0' || s[strlen(s) - 1] != '/');
}

int
core_cg_init(
    struct core_cg *cg, const char *base, const char *id, struct vps_err *e)
{
	int r;

	*cg = (struct core_cg){.id = id};
	if (base == NULL)
		base = getenv("VPS_CGROUP");
	if (base == NULL)
		base = "";
	base += strspn(base, "/");
	if (!base_ok(base) || strlen(base) >= sizeof(cg->base))
		return vps_err_say(e, -EINVAL,
		    "VPS_CGROUP: %s is no path below a cgroup root", base);
	(void)strcpy(cg->base, base);
	r = sys_cghiers_read(&cg->h);
	if (r < 0)
		return vps_err_set(e, r, "find cgroup hierarchies");
	if (cg->h.v2.mnt[0] == '\0')
		return vps_err_say(e, -ENODEV,
		    "no cgroup v2 hierarchy is mounted, and freezing needs "
		    "it: mount -t cgroup2 none /sys/fs/cgroup/unified");
	return 0;
}

int
core_cg_of(struct core_cg *cg, const struct core_inst *in, struct vps_err *e)
{
	const char *base = core_get(in, "cgroup");

	return core_cg_init(cg, base != NULL ? base : "", in->id, e);
}

static int
dir_path(const struct core_cg *cg, const struct sys_cghier *h, const char *sub,
    const char *file, char *ret, size_t n)
{
	return str_fmt(ret, n, "%s%s%s/vps/%s%s%s%s%s", h->mnt,
	    cg->base[0] != '\0' ? "/" : "", cg->base, cg->id,
	    sub != NULL ? "/" : "", sub != NULL ? sub : "",
	    file != NULL ? "/" : "", file != NULL ? file : "");
}

int
core_cg_path(const struct core_cg *cg, const char *sub, const char *file,
    char *ret, size_t n)
{
	return dir_path(cg, &cg->h.v2, sub, file, ret, n);
}

int
core_cg_path1(const struct core_cg *cg, const char *controller,
    const char *file, char *ret, size_t n)
{
	const struct sys_cghier *h = sys_cghier_of(&cg->h, controller);

	if (h == NULL)
		return -ENOENT;
	return dir_path(cg, h, NULL, file, ret, n);
}

int
core_cg_open(const struct core_cg *cg, const char *sub)
{
	char path[PATH_MAX];
	int r = core_cg_path(cg, sub, NULL, path, sizeof(path));

	if (r < 0)
		return r;
	r = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r < 0 ? -errno : r;
}

/* A new v1 cpuset has no processor and takes no task. */
static int
cpuset_init(int parent, int dir)
{
	static const char *const file[] = {"cpuset.cpus", "cpuset.mems"};
	char s[4096];
	size_t i;
	int r;

	for (i = 0; i < ARRAY_LEN(file); i++) {
		r = file_read_str(parent, file[i], s, sizeof(s));
		if (r >= 0)
			r = file_write(dir, file[i], s);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Controllers for the children of `dir`. One that isn't there, or may not be
 * (a cgroup with processes), is left out: limits say so when they need it. */
static void
v2_delegate(int dir)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(v2_controllers); i++)
		(void)file_write(
		    dir, "cgroup.subtree_control", v2_controllers[i]);
}

/* mkdir of one component; its descriptor. */
static int
step(const struct sys_cghier *h, int parent, const char *name, bool last)
{
	bool made = mkdirat(parent, name, 0755) == 0;
	auto_close int dir = -1;
	int r;

	if (!made && errno != EEXIST)
		return -errno;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	if (made && sys_cg_has(h->opts, "cpuset")) {
		r = cpuset_init(parent, dir);
		if (r < 0)
			return r;
	}
	if (made && h->opts[0] == '\0' && !last)
		v2_delegate(dir);
	return take_fd(&dir);
}

static int
make_in(const struct core_cg *cg, const struct sys_cghier *h)
{
	auto_close int dir = open(h->mnt, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static const char *const sub[] = {CORE_CG_PAYLOAD, CORE_CG_SYS};
	char path[320], *p = path, *name;
	size_t i;
	int next;

	if (dir < 0)
		return -errno;
	if (str_fmt(path, sizeof(path), "%s%svps/%s", cg->base,
		cg->base[0] != '\0' ? "/" : "", cg->id) < 0)
		return -ENAMETOOLONG;
	while ((name = strsep(&p, "/")) != NULL) {
		next = step(h, dir, name, false);
		if (next < 0)
			return next;
		(void)close(dir);
		dir = next;
	}
	if (h->opts[0] != '\0')
		return 0;
	for (i = 0; i < ARRAY_LEN(sub); i++) {
		next = step(h, dir, sub[i], true);
		if (next < 0)
			return next;
		(void)close(next);
	}
	return 0;
}

int
core_cg_make(const struct core_cg *cg, struct vps_err *e)
{
	unsigned i;
	int r;

	for (i = 0; i < cg->h.n1; i++) {
		r = make_in(cg, &cg->h.v1[i]);
		if (r < 0)
			return vps_err_set(e, r, "make cgroup %s/vps/%s",
			    cg->h.v1[i].mnt, cg->id);
	}
	r = make_in(cg, &cg->h.v2);
	if (r < 0)
		return vps_err_set(
		    e, r, "make cgroup %s/vps/%s", cg->h.v2.mnt, cg->id);
	return 0;
}

/* Directories below first: an instance may have made some. */
static int
remove_below(int parent, const char *name)
{
	auto_closedir DIR *d = NULL;
	struct dirent *de;
	int fd;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	while ((de = readdir(d)) != NULL)
		if (de->d_type == DT_DIR && de->d_name[0] != '.')
			(void)remove_below(dirfd(d), de->d_name);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* The kill is done but the last tasks may still be on their way out. */
static int
remove_path(const char *path)
{
	struct timespec ts = {0, 200000};
	long waited_us = 0;
	int r;

	for (;;) {
		r = remove_below(AT_FDCWD, path);
		if (r != -EBUSY || waited_us > REMOVE_WAIT_MS * 1000L)
			return r;
		(void)nanosleep(&ts, NULL);
		waited_us += ts.tv_nsec / 1000;
		if (ts.tv_nsec < 20000000)
			ts.tv_nsec *= 2;
	}
}

static int
remove_in(const struct core_cg *cg, const struct sys_cghier *h)
{
	char path[PATH_MAX];
	int r = dir_path(cg, h, NULL, NULL, path, sizeof(path));

	return r < 0 ? r : remove_path(path);
}

int
core_cg_renew(const struct core_cg *cg, const char *sub, struct vps_err *e)
{
	char path[PATH_MAX];
	int r = core_cg_path(cg, sub, NULL, path, sizeof(path));

	if (r == 0)
		r = remove_path(path);
	if (r == 0 && mkdir(path, 0755) < 0)
		r = -errno;
	return r < 0 ? vps_err_set(e, r, "renew the cgroup of %s", cg->id) : 0;
}

int
core_cg_remove(const struct core_cg *cg, struct vps_err *e)
{
	unsigned i;
	int r, first = 0;

	for (i = 0; i <= cg->h.n1; i++) {
		const struct sys_cghier *h =
		    i < cg->h.n1 ? &cg->h.v1[i] : &cg->h.v2;

		r = remove_in(cg, h);
		if (r < 0 && first == 0)
			first = vps_err_set(
			    e, r, "remove cgroup %s/vps/%s", h->mnt, cg->id);
	}
	return first;
}

int
core_cg_join1(const struct core_cg *cg)
{
	char path[PATH_MAX];
	unsigned i;
	int r;

	for (i = 0; i < cg->h.n1; i++) {
		r = dir_path(
		    cg, &cg->h.v1[i], NULL, "tasks", path, sizeof(path));
		if (r == 0)
			r = file_write(AT_FDCWD, path, "0");
		if (r < 0)
			return r;
	}
	return 0;
}

/* Kernels before 5.14 have no cgroup.kill. */
static int
kill_each(const struct core_cg *cg, const char *sub)
{
	auto_free pid_t *v = NULL;
	int n, i, round;

	for (round = 0; round < 100; round++) {
		n = core_cg_pids(cg, sub, &v);
		if (n <= 0)
			return n;
		for (i = 0; i < n; i++)
			(void)kill(v[i], SIGKILL);
		free(take_ptr(&v));
	}
	return -EBUSY;
}

int
core_cg_kill(const struct core_cg *cg, const char *sub)
{
	char path[PATH_MAX];
	int r = core_cg_path(cg, sub, "cgroup.kill", path, sizeof(path));

	if (r == 0)
		r = file_write(AT_FDCWD, path, "1");
	if (r != -ENOENT)
		return r;
	(void)core_cg_path(cg, sub, NULL, path, sizeof(path));
	return access(path, F_OK) == 0 ? kill_each(cg, sub) : 0;
}

struct pidlist {
	pid_t *v; /* owned */
	int n, cap;
};

static int
add_pids(struct pidlist *l, int dir)
{
	auto_buf struct buf b = {0};
	char *p, *line;
	uint32_t pid;
	int r = file_read(dir, "cgroup.procs", &b, 64 << 20);

	if (r < 0)
		return r;
	buf_add(&b, "", 1);
	if (buf_err(&b) < 0)
		return buf_err(&b);
	p = (char *)b.data;
	while ((line = strsep(&p, "\n")) != NULL) {
		if (str_u32(line, 10, &pid) < 0 || pid == 0)
			continue;
		if (l->n == l->cap) {
			int cap = l->cap > 0 ? 2 * l->cap : 64;
			pid_t *v = reallocarray(l->v, (size_t)cap, sizeof(*v));

			if (v == NULL)
				return -ENOMEM;
			l->v = v;
			l->cap = cap;
		}
		l->v[l->n++] = (pid_t)pid;
	}
	return 0;
}

static int
walk_pids(struct pidlist *l, int parent, const char *name)
{
	auto_closedir DIR *d = NULL;
	struct dirent *de;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	r = add_pids(l, dirfd(d));
	while (r >= 0 && (de = readdir(d)) != NULL)
		if (de->d_type == DT_DIR && de->d_name[0] != '.') {
			r = walk_pids(l, dirfd(d), de->d_name);
			if (r == -ENOENT)
				r = 0;
		}
	return r;
}

int
core_cg_pids(const struct core_cg *cg, const char *sub, pid_t **ret)
{
	struct pidlist l = {0};
	char path[PATH_MAX];
	int r = core_cg_path(cg, sub, NULL, path, sizeof(path));

	if (r == 0)
		r = walk_pids(&l, AT_FDCWD, path);
	if (r < 0) {
		free(l.v);
		return r;
	}
	*ret = l.v;
	return l.n;
}
