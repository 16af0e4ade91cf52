/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "snapst/head.h"
#include "snapst/leftover.h"
#include "snapst/masters.h"
#include "snapst/snap.h"
#include "snapst/snapshot.h"
#include "snapst/sockwas.h"
#include "suspend/settle.h"
#include "suspend/suspend.h"
#include "sys/freezer.h"

#define SETTLE_MS 50

static int
target_of(const struct core_inst *in, struct snap_target *t, struct vps_err *e)
{
	struct sys_proc_id init = core_get_proc(in, "init");

	*t = (struct snap_target){
	    .id = in->id, .init = init.pid, .cgroup = -1, .undo = -1};
	t->cgroup = susp_cgroup(in, e);
	if (t->cgroup < 0)
		return t->cgroup;
	t->undo = openat(in->dir, "undo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return 0;
}

static void
target_fini(struct snap_target *t)
{
	if (t->cgroup >= 0)
		(void)close(t->cgroup);
	if (t->undo >= 0)
		(void)close(t->undo);
}

int
snap_check_instance(
    const struct core_inst *in, struct buf *ret, struct vps_err *e)
{
	struct snap_target t;
	int r = target_of(in, &t, e);

	if (r == 0)
		r = snap_check(&t, ret, e);
	target_fini(&t);
	return r;
}

#define LIVE_TRIES 5

/* What can be got ready while the instance still runs. */
struct job {
	struct core_inst *in; /* borrowed */
	struct snap_target t;
	struct snap_head h;
	struct snap_masters m;
	struct vd_writer *w;
};

static void
job_fini(struct job *j)
{
	vd_writer_free(j->w);
	snap_head_fini(&j->h);
	snap_masters_fini(&j->m);
	target_fini(&j->t);
}

static int
job_init(struct job *j, struct core_inst *in, int fd, struct vps_err *e)
{
	int r;

	*j = (struct job){.in = in, .m = {.keeper = -1}};
	r = target_of(in, &j->t, e);
	if (r == 0)
		r = snap_masters_get(in, &j->m, e);
	j->t.masters = j->m.fd;
	j->t.master_nums = j->m.num;
	j->t.n_masters = j->m.n;
	if (r == 0)
		r = snap_head(in, &j->h, e);
	j->t.system = &j->h.system;
	j->t.instance = &j->h.instance;
	if (r == 0) {
		r = vd_writer_new(fd, &j->w);
		if (r < 0)
			vps_err_set(e, r, "write the image");
	}
	if (r < 0)
		job_fini(j);
	return r;
}

/* The instance is frozen. */
static int
job_write(struct job *j, struct vps_err *e)
{
	int r, rec = core_undo_add(j->in, "snapshot", "", e);

	if (rec < 0)
		return rec;
	r = snap_head_clocks(j->in, &j->h);
	if (r < 0)
		vps_err_set(e, r, "read the clocks of %s", j->in->id);
	else
		r = snap_write(&j->t, j->w, e);
	core_undo_done(j->in, rec);
	return r;
}

static int
master_of(void *arg, int num)
{
	const struct snap_masters *m = arg;

	for (size_t i = 0; i < m->n; i++)
		if (m->num[i] == num)
			return fcntl(m->fd[i], F_DUPFD_CLOEXEC, 3);
	return -ESRCH;
}

static int
undo_terminals(struct core_inst *in, int undo, struct vps_err *e)
{
	struct snap_masters m = {.keeper = -1};
	int r = snap_masters_get(in, &m, e);

	if (r == 0)
		r = snap_tty_undo(undo, master_of, &m, e);
	snap_masters_fini(&m);
	return r;
}

/* A command died while tasks were out of the freezer, in its hands. */
static int
undo_snapshot(struct core_inst *in, const char *arg, struct vps_err *e)
{
	auto_close int cg = susp_cgroup(in, e);
	auto_close int undo =
	    openat(in->dir, "undo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;
	int r;

	(void)arg;
	if (cg < 0)
		return cg;
	if (undo < 0)
		return vps_err_set(e, -errno, "open undo of %s", in->id);
	r = sys_freeze(cg, 1000);
	if (r < 0)
		return vps_err_set(e, r, "freeze %s again", in->id);
	r = snap_leftovers(cg, e);
	/* they ran, and this freeze interrupts what they were waiting in */
	(void)susp_settle(cg, SETTLE_MS, &pid, NULL);
	if (r == 0)
		r = snap_sock_undo(cg, undo, e);
	return r < 0 ? r : undo_terminals(in, undo, e);
}

const struct core_undo_kind snap_undo_kinds[] = {
    {"rest", susp_undo_rest},
    {"snapshot", undo_snapshot},
    {NULL, NULL},
};

int
snap_instance(struct core_inst *in, int fd, struct vps_err *e)
{
	struct vps_err e2;
	struct job j;
	int r2, r = core_need(in, 1U << CORE_ST_SUSPENDED, "snapshot", e);

	if (r == 0)
		r = job_init(&j, in, fd, e);
	if (r < 0)
		return r;
	r = core_set_state(in, CORE_ST_SNAPSHOTTING, e);
	if (r == 0) {
		r = job_write(&j, e);
		r2 = core_set_state(in, CORE_ST_SUSPENDED, r == 0 ? e : &e2);
		if (r == 0)
			r = r2;
	}
	job_fini(&j);
	return r;
}

static int
live(struct job *j, uint64_t *ret_frozen, struct vps_err *e)
{
	struct vps_err e2;
	uint64_t since;
	int r2, r = susp_rest(j->in, &since, e);

	if (r < 0)
		return r;
	r = job_write(j, e);
	r2 = susp_wake(j->in, r == 0 ? e : &e2);
	if (ret_frozen != NULL)
		*ret_frozen = susp_now_ns() - since;
	return r < 0 ? r : r2;
}

/* Makes a file empty again for another attempt; what has gone into a pipe or a
 * device can't be taken back. */
static bool
rewind_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       lseek(fd, 0, SEEK_SET) == 0 && ftruncate(fd, 0) == 0;
}

static int
live_once(struct core_inst *in, int fd, uint64_t *ret_frozen, struct vps_err *e)
{
	struct job j;
	int r = job_init(&j, in, fd, e);

	if (r == 0) {
		r = live(&j, ret_frozen, e);
		job_fini(&j);
	}
	return r;
}

/* -EAGAIN: something is there for a moment only (events that nobody has read
 * yet, a connection that is about to be accepted). */
int
snap_live(struct core_inst *in, int fd, uint64_t *ret_frozen, struct vps_err *e)
{
	const struct timespec nap = {0, 20000000};
	int rec, r = core_need(in, 1U << CORE_ST_RUNNING, "snapshot", e);

	if (r < 0)
		return r;
	rec = susp_rest_begin(in, e);
	if (rec < 0)
		return rec;
	for (int i = 0; i < LIVE_TRIES; i++) {
		r = live_once(in, fd, ret_frozen, e);
		if (r != -EAGAIN || !rewind_file(fd))
			break;
		(void)nanosleep(&nap, NULL);
	}
	core_undo_done(in, rec);
	return r;
}

static int
to_fd(struct core_inst *in, int fd, bool live, uint64_t *ret_frozen,
    struct vps_err *e)
{
	return live ? snap_live(in, fd, ret_frozen, e)
		    : snap_instance(in, fd, e);
}

/* malloc()ed. */
static char *
dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A name in it is new. */
static int
sync_dir(const char *path)
{
	auto_free char *dir = dir_of(path);
	auto_close int fd = -1;

	if (dir == NULL)
		return -ENOMEM;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* Without a name until it is whole, where the filesystem can: a killed command
 * leaves nothing. `tmp` is empty then. */
static int
open_new(const char *path, char *tmp, size_t n, struct vps_err *e)
{
	auto_free char *dir = dir_of(path);
	int fd, r;

	if (dir == NULL)
		return vps_err_set(e, -ENOMEM, "%s", path);
	tmp[0] = '\0';
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
		return vps_err_set(e, -errno, "create %s", path);
	r = str_fmt(tmp, n, "%s.tmp%d", path, getpid());
	if (r < 0)
		return vps_err_set(e, r, "%s", path);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? vps_err_set(e, -errno, "create %s", tmp) : fd;
}

/* There is no link(2) that replaces: a file that is there gets its successor by
 * a name for the blink of an eye. */
static int
give_name(int fd, const char *path, char *tmp, size_t n)
{
	char self[40];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (tmp[0] == '\0') {
		if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) ==
		    0)
			return 0;
		if (errno != EEXIST)
			return -errno;
		if (str_fmt(tmp, n, "%s.tmp%d", path, getpid()) < 0)
			return -ENAMETOOLONG;
		if (linkat(AT_FDCWD, self, AT_FDCWD, tmp, AT_SYMLINK_FOLLOW) <
		    0)
			return -errno;
	}
	return rename(tmp, path) < 0 ? -errno : 0;
}

int
snap_to_file(struct core_inst *in, const char *path, bool live,
    uint64_t *ret_frozen, struct vps_err *e)
{
	char tmp[PATH_MAX];
	auto_close int fd = -1;
	struct stat st;
	int r;

	if (strcmp(path, "-") == 0)
		return to_fd(in, STDOUT_FILENO, live, ret_frozen, e);
	/* a device or a FIFO is written to, not replaced */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			return vps_err_set(e, -errno, "open %s", path);
		return to_fd(in, fd, live, ret_frozen, e);
	}
	fd = open_new(path, tmp, sizeof(tmp), e);
	if (fd < 0)
		return fd;
	r = to_fd(in, fd, live, ret_frozen, e);
	if (r == 0 && fsync(fd) < 0)
		r = vps_err_set(e, -errno, "write %s", path);
	if (r == 0) {
		r = give_name(fd, path, tmp, sizeof(tmp));
		if (r < 0)
			vps_err_set(e, r, "give %s its name", path);
	}
	if (r < 0 && tmp[0] != '\0')
		(void)unlink(tmp);
	else if (r == 0 && (r = sync_dir(path)) < 0)
		vps_err_set(e, r, "sync the directory of %s", path);
	return r;
}
