/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/inst.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "conf/conf.h"

#define STATE_MAX    65536
#define LOCK_WAIT_MS 2000

static const char *const st_names[CORE_ST_MAX_] = {
    [CORE_ST_CREATING] = "creating",
    [CORE_ST_RUNNING] = "running",
    [CORE_ST_SUSPENDED] = "suspended",
    [CORE_ST_SNAPSHOTTING] = "snapshotting",
    [CORE_ST_RESTORING] = "restoring",
    [CORE_ST_DYING] = "dying",
    [CORE_ST_DEAD] = "dead",
};

const char *
core_st_name(enum core_st st)
{
	return (unsigned)st < CORE_ST_MAX_ ? st_names[st] : "?";
}

int
core_st_parse(const char *s)
{
	int i;

	for (i = 0; i < CORE_ST_MAX_; i++)
		if (strcmp(st_names[i], s) == 0)
			return i;
	return -EINVAL;
}

int
core_path(const char *id, const char *name, char *ret, size_t n)
{
	return str_fmt(ret, n, CORE_RUN "/%s/%s", id, name);
}

void
core_inst_close(struct core_inst *in)
{
	if (in == NULL)
		return;
	core_kv_fini(&in->kv);
	if (in->work >= 0)
		(void)close(in->work);
	if (in->diag >= 0)
		(void)close(in->diag);
	if (in->lock >= 0)
		(void)close(in->lock);
	if (in->dir >= 0)
		(void)close(in->dir);
	free(in);
}

void
core_unlock(struct core_inst *in)
{
	if (in->lock >= 0)
		(void)close(take_fd(&in->lock));
	in->mode = CORE_READ;
}

static struct core_inst *
inst_alloc(const char *id, enum core_mode mode)
{
	struct core_inst *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return NULL;
	(void)strncpy(in->id, id, sizeof(in->id) - 1);
	in->mode = mode;
	in->dir = in->lock = in->work = in->diag = -1;
	return in;
}

int
core_reload(struct core_inst *in, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	int r = file_read(in->dir, "state", &b, STATE_MAX);

	if (r >= 0) {
		buf_add(&b, "", 1);
		r = buf_err(&b);
	}
	if (r >= 0)
		r = core_kv_parse(&in->kv, (char *)b.data);
	if (r < 0)
		return vps_err_set(e, r, "read " CORE_RUN "/%s/state", in->id);
	return 0;
}

static void
sleep_ms(long ms)
{
	struct timespec ts = {0, ms * 1000000};

	(void)nanosleep(&ts, NULL);
}

/* The lock in a directory that is still an instance's: 1 got it, 0 the
 * directory was removed meanwhile. */
static int
take_lock(struct core_inst *in, struct vps_err *e)
{
	int op = (in->mode == CORE_SHARED ? LOCK_SH : LOCK_EX) | LOCK_NB;
	char who[32] = "another command";
	struct stat st;
	int waited;

	in->lock = openat(in->dir, "lock", O_RDWR | O_CLOEXEC);
	if (in->lock < 0 && errno == ENOENT)
		return 0;
	if (in->lock < 0)
		return vps_err_set(e, -errno, "open lock of %s", in->id);
	for (waited = 0; flock(in->lock, op) < 0; waited += 5) {
		if (errno != EWOULDBLOCK)
			return vps_err_set(e, -errno, "lock %s", in->id);
		if (waited >= LOCK_WAIT_MS || in->mode == CORE_TRY) {
			(void)file_read_str(in->dir, "lock", who, sizeof(who));
			return vps_err_say(e, -EBUSY,
			    "%s is busy: a command works on it (%s)", in->id,
			    who);
		}
		sleep_ms(5);
	}
	if (fstat(in->lock, &st) < 0)
		return vps_err_set(e, -errno, "lock %s", in->id);
	if (st.st_nlink == 0) {
		(void)close(take_fd(&in->lock));
		return 0;
	}
	if (in->mode != CORE_SHARED) {
		(void)snprintf(who, sizeof(who), "pid %d\n", getpid());
		(void)ftruncate(in->lock, 0); /* only for the message above */
		(void)pwrite(in->lock, who, strlen(who), 0);
	}
	return 1;
}

static int
open_once(struct core_inst *in, struct vps_err *e)
{
	char path[64];

	(void)snprintf(path, sizeof(path), CORE_RUN "/%s", in->id);
	in->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->dir < 0 && errno != ENOENT)
		return vps_err_set(e, -errno, "open %s", path);
	if (in->dir < 0)
		return vps_err_say(e, -VPS_ENOINST, "no instance %s", in->id);
	if (in->mode == CORE_READ)
		return 1;
	return take_lock(in, e);
}

int
core_inst_open(const char *id, enum core_mode mode, struct core_inst **ret,
    struct vps_err *e)
{
	struct core_inst *in;
	int r;

	if (!spec_id_ok(id))
		return vps_err_say(e, -VPS_ENOINST, "no instance %s", id);
	in = inst_alloc(id, mode);
	if (in == NULL)
		return vps_err_set(e, -ENOMEM, "open %s", id);
	while ((r = open_once(in, e)) == 0)
		(void)close(take_fd(&in->dir));
	if (r > 0)
		r = core_reload(in, e);
	if (r == -ENOENT && mode == CORE_READ)
		r = vps_err_say(e, -VPS_ENOINST, "no instance %s", id);
	if (r < 0) {
		core_inst_close(in);
		return r;
	}
	*ret = in;
	return 0;
}

/* A directory without a name that lists as an instance, completed, then renamed
 * to what it is to be: there is no moment with half an instance. */
static int
fill_new(struct core_inst *in, const char *tmp)
{
	char path[64];

	in->dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (in->dir < 0 || mkdirat(in->dir, "undo", 0700) < 0)
		return -errno;
	in->lock = openat(
	    in->dir, "lock", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (in->lock < 0 || flock(in->lock, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	core_set(in, "state", "%s", core_st_name(CORE_ST_CREATING));
	if (core_save(in, NULL) < 0)
		return -EIO;
	(void)snprintf(path, sizeof(path), CORE_RUN "/%s", in->id);
	if (renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), CORE_RUN "/.moved-%s", in->id);
	(void)unlink(path);
	return 0;
}

static void
remove_tree(const char *path)
{
	static const char *const files[] = {"undo", "lock", "state"};
	char p[128];
	size_t i;

	for (i = 0; i < ARRAY_LEN(files); i++) {
		(void)snprintf(p, sizeof(p), "%s/%s", path, files[i]);
		if (unlink(p) < 0 && errno == EISDIR)
			(void)rmdir(p);
	}
	(void)rmdir(path);
}

int
core_inst_new(const char *id, struct core_inst **ret, struct vps_err *e)
{
	char tmp[96];
	struct core_inst *in;
	int r;

	r = spec_check_id(id, e);
	if (r < 0)
		return r;
	in = inst_alloc(id, CORE_EXCL);
	if (in == NULL)
		return vps_err_set(e, -ENOMEM, "create %s", id);
	(void)snprintf(tmp, sizeof(tmp), CORE_RUN "/.new-%d", getpid());
	r = mkdir(tmp, 0700) < 0 ? -errno : 0;
	if (r == -ENOENT) {
		r = mkdir(CORE_RUN, 0700) < 0 && errno != EEXIST ? -errno : 0;
		if (r == 0)
			r = mkdir(tmp, 0700) < 0 ? -errno : 0;
	}
	if (r == -EEXIST) { /* of a command of this pid that was killed */
		remove_tree(tmp);
		r = mkdir(tmp, 0700) < 0 ? -errno : 0;
	}
	if (r == 0) {
		r = fill_new(in, tmp);
		if (r < 0)
			remove_tree(tmp);
	}
	if (r < 0) {
		core_inst_close(in);
		if (r == -EEXIST)
			return vps_err_say(e, r, "%s exists already", id);
		return vps_err_set(e, r, "create " CORE_RUN "/%s", id);
	}
	*ret = in;
	return 0;
}

static void
empty_dir(int dir)
{
	auto_closedir DIR *d = NULL;
	struct dirent *de;
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return;
	}
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (unlinkat(dir, de->d_name, 0) < 0 && errno == EISDIR) {
			auto_close int sub = openat(dir, de->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (sub >= 0)
				empty_dir(sub);
			(void)unlinkat(dir, de->d_name, AT_REMOVEDIR);
		}
	}
}

void
core_inst_remove(struct core_inst *in)
{
	const char *host = core_get(in, "moved_to");
	char path[64], gone[64];

	if (host != NULL) {
		(void)snprintf(
		    path, sizeof(path), CORE_RUN "/.moved-%s", in->id);
		(void)file_replace(AT_FDCWD, path, host, strlen(host), 0600);
	}
	(void)snprintf(path, sizeof(path), CORE_RUN "/%s", in->id);
	(void)snprintf(gone, sizeof(gone), CORE_RUN "/.old-%d", getpid());
	/* Out of sight at once; who waits for the lock sees it unlinked. */
	if (rename(path, gone) < 0)
		(void)strcpy(gone, path);
	empty_dir(in->dir);
	(void)rmdir(gone);
}

int
core_moved_to(const char *id, char *ret, size_t n)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), CORE_RUN "/.moved-%s", id);
	r = file_read_str(AT_FDCWD, path, ret, n);
	return r < 0 ? r : 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int
core_inst_ids(char ***ret, struct vps_err *e)
{
	auto_closedir DIR *d = opendir(CORE_RUN);
	struct dirent *de;
	const unsigned max = 65536;
	auto_free char **v = NULL;
	char(*text)[SPEC_ID_MAX + 1];
	unsigned n = 0, cap = 0;

	if (d == NULL && errno != ENOENT)
		return vps_err_set(e, -errno, "open " CORE_RUN);
	while (d != NULL && (de = readdir(d)) != NULL)
		cap += spec_id_ok(de->d_name);
	if (cap > max)
		return vps_err_set(e, -E2BIG, CORE_RUN);
	v = malloc((cap + 1) * (sizeof(*v) + sizeof(*text)));
	if (v == NULL)
		return vps_err_set(e, -ENOMEM, CORE_RUN);
	text = (void *)(v + cap + 1);
	if (d != NULL)
		rewinddir(d);
	while (d != NULL && n < cap && (de = readdir(d)) != NULL) {
		if (!spec_id_ok(de->d_name))
			continue;
		(void)strcpy(text[n], de->d_name);
		v[n] = text[n];
		n++;
	}
	v[n] = NULL;
	qsort(v, n, sizeof(*v), by_name);
	*ret = take_ptr(&v);
	return (int)n;
}

const char *
core_get(const struct core_inst *in, const char *key)
{
	return core_kv_get(&in->kv, key);
}

uint64_t
core_get_u64(const struct core_inst *in, const char *key)
{
	const char *s = core_get(in, key);
	uint64_t v;

	return s != NULL && str_u64(s, 10, &v) == 0 ? v : 0;
}

void
core_set(struct core_inst *in, const char *key, const char *fmt, ...)
{
	char v[4608];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(v, sizeof(v), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(v))
		in->kv.err = -ENAMETOOLONG;
	else
		core_kv_put(&in->kv, key, v);
}

void
core_unset(struct core_inst *in, const char *key)
{
	core_kv_put(&in->kv, key, NULL);
}

int
core_save(struct core_inst *in, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	int r = in->kv.err;

	core_kv_print(&in->kv, &b);
	if (r == 0)
		r = buf_err(&b);
	if (r == 0)
		r = file_replace(in->dir, "state", b.data, b.len, 0600);
	if (r < 0)
		return vps_err_set(e, r, "write " CORE_RUN "/%s/state", in->id);
	return 0;
}

void
core_set_proc(
    struct core_inst *in, const char *key, const struct sys_proc_id *p)
{
	core_set(in, key, "%d:%" PRIu64, p->pid, p->start);
}

struct sys_proc_id
core_get_proc(const struct core_inst *in, const char *key)
{
	const char *s = core_get(in, key);
	struct sys_proc_id p = {0};

	if (s == NULL || sscanf(s, "%d:%" SCNu64, &p.pid, &p.start) != 2)
		return (struct sys_proc_id){0};
	return p;
}

int
core_open_proc(const struct core_inst *in, const char *key)
{
	struct sys_proc_id p = core_get_proc(in, key);

	return sys_proc_open(&p);
}

/* What the holder noted: 1, nothing: 0. */
static int
noted_end(const struct core_inst *in, int *ret)
{
	char s[32], how[16];
	int v, r = file_read_str(in->dir, "exit", s, sizeof(s));

	if (r < 0)
		return 0;
	if (sscanf(s, "%15s %d", how, &v) != 2)
		return -EBADMSG;
	*ret = strcmp(how, "killed") == 0 ? v : W_EXITCODE(v, 0);
	return 1;
}

int
core_init_status(const struct core_inst *in, int *ret)
{
	auto_close int fd = -1, holder = -1;
	int r = noted_end(in, ret), i;

	if (r != 0)
		return r < 0 ? r : 0;
	fd = core_open_proc(in, "init");
	if (fd >= 0 && sys_pidfd_wait(fd, 0) == -ETIMEDOUT)
		return -EAGAIN;
	/* The note follows the death, and comes before the pid is free. */
	if (fd >= 0)
		holder = core_open_proc(in, "holder");
	for (i = 0; (r = noted_end(in, ret)) == 0 && holder >= 0 && i < 1000;
	     i++)
		if (sys_pidfd_wait(holder, 1) == 0)
			break;
	return r < 0 ? r : r > 0 ? 0 : -ENODATA;
}

bool
core_wants_reboot(const struct core_inst *in)
{
	int status;

	return core_init_status(in, &status) == 0 && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGHUP;
}

enum core_st
core_state(const struct core_inst *in)
{
	const char *s = core_get(in, "state");
	int st = s != NULL ? core_st_parse(s) : -1, status;

	if (st < 0)
		return CORE_ST_DYING;
	if (st == CORE_ST_CREATING || st == CORE_ST_RESTORING ||
	    st == CORE_ST_DYING || st == CORE_ST_DEAD)
		return (enum core_st)st;
	return core_init_status(in, &status) == -EAGAIN ? (enum core_st)st
							: CORE_ST_DEAD;
}

int
core_set_state(struct core_inst *in, enum core_st st, struct vps_err *e)
{
	core_set(in, "state", "%s", core_st_name(st));
	return core_save(in, e);
}

int
core_need(const struct core_inst *in, unsigned states, const char *verb,
    struct vps_err *e)
{
	enum core_st st = core_state(in);
	auto_buf struct buf b = {0};
	int i;

	if ((states & (1U << st)) != 0)
		return 0;
	for (i = 0; i < CORE_ST_MAX_; i++)
		if ((states & (1U << i)) != 0)
			buf_addf(&b, "%s%s", b.len > 0 ? " or " : "",
			    core_st_name((enum core_st)i));
	return vps_err_say(e, -VPS_ESTATE, "%s: %s is %s, must be %s", verb,
	    in->id, core_st_name(st), buf_str(&b));
}

int
core_conf(const struct core_inst *in, struct vps_spec *ret, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	int r = file_read(in->dir, "conf", &b, CONF_SIZE_MAX);

	if (r < 0)
		return vps_err_set(e, r, "read " CORE_RUN "/%s/conf", in->id);
	return conf_parse("conf", buf_str(&b), b.len, ret, e);
}
