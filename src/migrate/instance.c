/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "conf/conf.h"
#include "core/cgroup.h"
#include "core/destroy.h"
#include "core/journal.h"
#include "core/netcfg.h"
#include "core/tree.h"
#include "migrate/treemount.h"
#include "net/net.h"
#include "restore/restore.h"
#include "snapst/instance.h"
#include "suspend/suspend.h"

static int
undo_migrate(struct core_inst *in, const char *arg, struct vps_err *e)
{
	(void)arg;
	/* Committed, or gone: not ours to resume. */
	if (jrn_may_run(JRN_DIR, in->id, NULL) < 0)
		return 0;
	if (core_state(in) == CORE_ST_SNAPSHOTTING) {
		int r = core_set_state(in, CORE_ST_SUSPENDED, e);

		if (r < 0)
			return r;
	}
	return core_state(in) == CORE_ST_SUSPENDED ? susp_resume(in, e) : 0;
}

static int
undo_below(
    struct core_inst *in, const char *kind, const char *arg, struct vps_err *e)
{
	for (const struct core_undo_kind *k = snap_undo_kinds; k->name; k++) {
		if (strcmp(k->name, kind) == 0)
			return k->undo(in, arg, e);
	}
	return -ENOSYS;
}

static int
undo_rest(struct core_inst *in, const char *arg, struct vps_err *e)
{
	return undo_below(in, "rest", arg, e);
}

static int
undo_snapshot(struct core_inst *in, const char *arg, struct vps_err *e)
{
	return undo_below(in, "snapshot", arg, e);
}

const struct core_undo_kind mig_undo_kinds[] = {
    {"migrate", undo_migrate},
    {"rest", undo_rest},
    {"snapshot", undo_snapshot},
    {NULL, NULL},
};

void
mig_inst_init(struct mig_inst *m)
{
	*m = (struct mig_inst){0};
	spec_init(&m->spec);
	spec_init(&m->local);
}

void
mig_inst_fini(struct mig_inst *m)
{
	spec_fini(&m->spec);
	spec_fini(&m->local);
	free(m->conf);
}

static const char *
path_of(const struct vps_spec *s)
{
	return s->root.priv != NULL ? s->root.priv : s->root.path;
}

/* source */

static int
src_describe(void *ctx, struct mig_msg *h, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	auto_buf struct buf b = {0};
	struct vps_err e2 = {0};
	int r;

	r = core_need(m->in, 1u << CORE_ST_RUNNING, "migrate", e);
	if (r < 0)
		return r;
	r = core_conf(m->in, &m->spec, e);
	if (r < 0)
		return r;
	r = snap_check_instance(m->in, &b, &e2);
	if (r == -EOPNOTSUPP)
		return vps_err_say(e, r, "%s:\n%.800s", e2.msg, buf_str(&b));
	if (r < 0)
		return vps_err_say(e, r, "%s", e2.msg);
	r = file_read_str(m->in->dir, "conf", h->conf, sizeof(h->conf));
	if (r < 0)
		return vps_err_set(e, r, "read the configuration of %s", m->id);
	/* While this process lives, the keeper keeps its hands off. */
	m->undo = core_undo_add(m->in, "migrate", "", e);
	return m->undo < 0 ? m->undo : 0;
}

static int
src_suspend(void *ctx, struct vps_err *e)
{
	struct mig_inst *m = ctx;

	return susp_suspend(m->in, e);
}

/* A line of /proc/PID/maps that maps a file shared: its inode and its path
 * below the root that the instance sees. */
static const char *
shared_file(char *line, ino_t *ino)
{
	unsigned long long i;
	char perm[8];
	int at = 0;

	if (sscanf(line, "%*s %7s %*s %*s %llu %n", perm, &i, &at) < 2 ||
	    at == 0 || perm[3] != 's' || i == 0 || line[at] != '/')
		return NULL;
	*ino = (ino_t)i;
	line[at + (int)strcspn(line + at, "\n")] = '\0';
	return line + at + 1;
}

static int
mapped_of(pid_t pid, int root, int out)
{
	char name[64], *line = NULL;
	auto_fclose FILE *f = NULL;
	size_t cap = 0;
	int r = 0;

	(void)snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	f = fopen(name, "re");
	if (f == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && getline(&line, &cap, f) > 0) {
		struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		    .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
		auto_close int fd = -1;
		struct stat st;
		const char *path;
		ino_t ino;

		path = shared_file(line, &ino);
		if (path == NULL)
			continue;
		/* Of another filesystem, or without this name any more: not
		 * the business of the passes. */
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != ino ||
		    !S_ISREG(st.st_mode))
			continue;
		r = fd_write_all(out, path, strlen(path) + 1);
	}
	free(line);
	return r;
}

static int
src_mapped(void *ctx, int out, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	auto_close int root = -1;
	auto_free pid_t *pids = NULL;
	struct core_cg cg;
	int n, r = core_cg_of(&cg, m->in, e);

	if (r < 0)
		return r;
	root = open(
	    path_of(&m->spec), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (root < 0)
		return vps_err_set(e, -errno, "%s", path_of(&m->spec));
	n = core_cg_pids(&cg, CORE_CG_PAYLOAD, &pids);
	if (n < 0)
		return vps_err_set(e, n, "processes of %s", m->id);
	for (int i = 0; i < n && r == 0; i++)
		r = mapped_of(pids[i], root, out);
	return r < 0 ? vps_err_set(e, r, "find mapped files") : 0;
}

static int
src_snapshot(void *ctx, int fd, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	int r = core_reload(m->in, e);

	return r < 0 ? r : snap_instance(m->in, fd, e);
}

static int
net_do(struct core_inst *in,
    int (*claim)(const struct net_cfg *c, struct vps_err *e),
    void (*other)(const struct net_cfg *c), struct vps_err *e)
{
	auto_spec struct vps_spec s;
	struct core_net n;
	int r;

	spec_init(&s);
	r = core_conf(in, &s, e);
	if (r == 0)
		r = core_net_of(&n, in->id, &s, e);
	if (r < 0)
		return r;
	if (claim != NULL)
		r = claim(&n.cfg, e);
	else
		other(&n.cfg);
	core_net_fini(&n);
	return r;
}

/* This host answers neither for the addresses (the other one does) nor drops
 * what is sent to them. */
static int
destroy_silently(struct core_inst *in, struct vps_err *e)
{
	auto_spec struct vps_spec s;
	struct core_net n;
	int r;

	spec_init(&s);
	r = core_conf(in, &s, e);
	if (r == 0)
		r = core_net_of(&n, in->id, &s, e);
	if (r < 0)
		return r;
	r = core_destroy(in, true, e);
	if (r == 0)
		net_forget(&n.cfg);
	core_net_fini(&n);
	return r;
}

static int
src_destroy(void *ctx, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	int r;

	if (m->in == NULL)
		return 0;
	r = core_reload(m->in, e);
	return r < 0 ? r : destroy_silently(m->in, e);
}

static int
src_mark(void *ctx, const char *mark, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	int r;

	if (m->in == NULL)
		return 0;
	r = core_reload(m->in, e);
	if (r < 0)
		return r;
	if (mark != NULL)
		core_set(m->in, "moving", "%s", mark);
	else
		core_unset(m->in, "moving");
	r = core_save(m->in, e);
	/* Two hosts must not answer for one address. */
	if (r == 0)
		r = mark != NULL ? net_do(m->in, NULL, net_unclaim, e)
				 : net_do(m->in, net_claim, NULL, e);
	return r;
}

static int
src_resume(void *ctx, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	int r;

	if (m->in == NULL)
		return 0;
	r = core_reload(m->in, e);
	if (r == 0)
		r = core_undo_all(m->in, mig_undo_kinds, e);
	if (r >= 0)
		r = undo_migrate(m->in, "", e);
	return r < 0 ? r : 0;
}

static int
src_fs(void *ctx, struct mig_fs *fs, struct vps_err *e)
{
	struct mig_inst *m = ctx;

	return mig_tree_mount(path_of(&m->spec), fs, e);
}

const struct mig_engine mig_source_engine = {
    .describe = src_describe,
    .suspend = src_suspend,
    .mapped = src_mapped,
    .snapshot = src_snapshot,
    .destroy = src_destroy,
    .mark = src_mark,
    .fs = src_fs,
    .resume = src_resume,
};

/* target */

static int
tgt_arrive(void *ctx, const struct mig_msg *h, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	char path[PATH_MAX];
	int r;

	(void)snprintf(m->id, sizeof(m->id), "%s", h->id);
	r = spec_check_id(m->id, e);
	if (r < 0 || h->type != MIG_M_HELLO)
		return r;
	r = conf_parse("configuration", h->conf, strlen(h->conf), &m->spec, e);
	if (r < 0)
		return r;
	if (m->spec.root.path == NULL)
		return vps_err_say(e, -EINVAL, "it has no FSROOT");
	m->conf = strdup(h->conf);
	if (m->conf == NULL)
		return vps_err_set(e, -ENOMEM, "%s", m->id);
	/* Commands of the peer's aren't run here. */
	spec_drop_local(&m->spec);
	(void)str_fmt(m->spec.id, sizeof(m->spec.id), "%s", m->id);
	r = conf_path(NULL, m->id, path, sizeof(path));
	if (r < 0 || access(path, F_OK) < 0)
		return 0;
	r = conf_read(path, &m->local, e);
	if (r < 0)
		return r;
	if (strcmp(m->local.root.path, m->spec.root.path) != 0)
		return vps_err_say(e, -EEXIST,
		    "%s has FSROOT = %s there, the instance %s", path,
		    m->local.root.path, m->spec.root.path);
	m->have_spec = true;
	return 0;
}

/* Beside the journal: the directory that an attempt found empty and began to
 * fill, so that the next one may go on with it. */
static int
claim_path(const struct mig_inst *m, char *ret, size_t n)
{
	return str_fmt(ret, n, JRN_DIR "/%s/tree", m->id);
}

static bool
is_claimed(const struct mig_inst *m)
{
	char name[PATH_MAX], path[PATH_MAX];

	return claim_path(m, name, sizeof(name)) == 0 &&
	       file_read_str(AT_FDCWD, name, path, sizeof(path)) > 0 &&
	       strcmp(path, path_of(&m->spec)) == 0;
}

static int
claim(const struct mig_inst *m, struct vps_err *e)
{
	const char *path = path_of(&m->spec);
	char name[PATH_MAX];
	int r = claim_path(m, name, sizeof(name));

	/* The lock of the journal has made the directory. */
	if (r == 0)
		r = file_replace(AT_FDCWD, name, path, strlen(path), 0600);
	return r < 0 ? vps_err_set(e, r, "write %s", name) : 0;
}

/* A tree that isn't known to be this instance's isn't overwritten. */
static int
check_tree(struct mig_inst *m, struct vps_err *e)
{
	const char *path = path_of(&m->spec);
	auto_closedir DIR *d = NULL;
	struct dirent *de;
	struct jrn j;
	int r;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return vps_err_set(e, -errno, "make %s", path);
	if (mkdir(m->spec.root.path, 0755) < 0 && errno != EEXIST)
		return vps_err_set(e, -errno, "make %s", m->spec.root.path);
	r = core_tree_check(&m->spec, e);
	if (r < 0)
		return r;
	if (m->have_spec || is_claimed(m) ||
	    jrn_find(JRN_DIR, m->id, 1, NULL, &j, NULL) == 0)
		return 0;
	d = opendir(path);
	if (d == NULL)
		return vps_err_set(e, -errno, "%s", path);
	while ((de = readdir(d)) != NULL) {
		if (strcmp(de->d_name, ".") != 0 &&
		    strcmp(de->d_name, "..") != 0 &&
		    strcmp(de->d_name, "lost+found") != 0)
			return vps_err_say(e, -EEXIST,
			    "%s holds files already, and no %s/vps_%s.conf "
			    "says that they are this instance's",
			    path, CONF_DIR, m->id);
	}
	return claim(m, e);
}

static int
tgt_check(void *ctx, const struct mig_msg *h, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	struct core_inst *in;
	struct core_net n;
	int r;

	(void)h;
	r = core_inst_open(m->id, CORE_READ, &in, NULL);
	if (r == 0) {
		core_inst_close(in);
		return vps_err_say(
		    e, -EEXIST, "there is an instance %s already", m->id);
	}
	r = check_tree(m, e);
	if (r == 0)
		r = core_net_of(&n, m->id, &m->spec, e);
	if (r < 0)
		return r;
	r = net_check(&n.cfg, e);
	core_net_fini(&n);
	return r;
}

static int
tgt_restore(void *ctx, int fd, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	struct rst_opt o = {.id = m->id,
	    .no_claim = true,
	    .local = m->have_spec ? &m->local : NULL};
	struct core_inst *in;
	int r = rst_restore(fd, &o, &in, e);

	if (r == 0)
		core_inst_close(in);
	return r;
}

/* Only what never ran here: the journal says "not ours". */
static int
tgt_forget(void *ctx, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	struct core_inst *in;
	enum core_st st;
	int r = core_inst_open(m->id, CORE_EXCL, &in, e);

	if (r == -VPS_ENOINST)
		return 0;
	if (r < 0)
		return r;
	st = core_state(in);
	if (st != CORE_ST_RUNNING)
		r = destroy_silently(in, e);
	core_inst_close(in);
	return r;
}

static void
keep_conf(const struct mig_inst *m)
{
	char path[PATH_MAX];

	if (m->conf == NULL || m->have_spec ||
	    conf_path(NULL, m->id, path, sizeof(path)) < 0)
		return;
	(void)mkdir(CONF_DIR, 0755);
	/* It runs without; `start` some day will say that it isn't there. */
	(void)file_replace(AT_FDCWD, path, m->conf, strlen(m->conf), 0644);
}

static int
tgt_resume(void *ctx, struct vps_err *e)
{
	struct mig_inst *m = ctx;
	struct core_inst *in;
	int r = core_inst_open(m->id, CORE_EXCL, &in, e);

	if (r < 0)
		return r;
	if (core_state(in) == CORE_ST_SUSPENDED) {
		r = rst_claim(in, e);
		if (r == 0)
			r = susp_resume(in, e);
	}
	core_inst_close(in);
	if (r == 0)
		keep_conf(m);
	return r;
}

static int
tgt_fs(void *ctx, struct mig_fs *fs, struct vps_err *e)
{
	struct mig_inst *m = ctx;

	return mig_tree_mount(path_of(&m->spec), fs, e);
}

const struct mig_engine mig_target_engine = {
    .arrive = tgt_arrive,
    .check = tgt_check,
    .restore = tgt_restore,
    .forget = tgt_forget,
    .fs = tgt_fs,
    .resume = tgt_resume,
};
