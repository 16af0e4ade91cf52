/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The protocol of a migration with a toy for the instance: a file that says
 * "running" or "suspended", and a directory for its filesystem. Everything else
 * is real: link, journal, rsync, processes that die.
 *
 * usage: toy source|resolve ROOT ID TARGET-ROOT [norsync|onersync]
 *        toy recv ROOT
 *        toy recover ROOT ID      as the next command of that host would
 *        toy points               names of the places to fail at
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/log.h"
#include "migrate/caps.h"
#include "migrate/connect.h"
#include "migrate/drive.h"

#define OPEN_TREE_CLONE_ 1

struct toy {
	char root[512];
	char id[65];
	unsigned base;
};

static void
path(const struct toy *t, const char *what, char ret[PATH_MAX])
{
	(void)snprintf(ret, PATH_MAX, "%s/%s.%s", t->root, t->id, what);
}

static int
set_state(const struct toy *t, const char *s)
{
	char p[PATH_MAX];

	path(t, "state", p);
	if (s == NULL)
		return unlink(p) < 0 && errno != ENOENT ? -errno : 0;
	return file_replace(AT_FDCWD, p, s, strlen(s), 0600);
}

static int
get_state(const struct toy *t, char *s, size_t n)
{
	char p[PATH_MAX];

	path(t, "state", p);
	return file_read_str(AT_FDCWD, p, s, n);
}

static int
toy_describe(void *ctx, struct mig_msg *m, struct vps_err *e)
{
	struct toy *t = ctx;
	char s[32];

	if (get_state(t, s, sizeof(s)) < 0 || strcmp(s, "running") != 0)
		return vps_err_say(e, -VPS_ESTATE, "%s isn't running", t->id);
	(void)snprintf(m->conf, sizeof(m->conf), "NAME = '%s'\n", t->id);
	return 0;
}

static int
toy_suspend(void *ctx, struct vps_err *e)
{
	(void)e;
	return set_state(ctx, "suspended");
}

static int
toy_snapshot(void *ctx, int fd, struct vps_err *e)
{
	struct toy *t = ctx;
	char p[PATH_MAX];
	auto_buf struct buf b = {0};
	int r;

	path(t, "memory", p);
	r = file_read(AT_FDCWD, p, &b, 64u << 20);
	if (r == 0)
		r = fd_write_all(fd, b.data, b.len);
	return r < 0 ? vps_err_set(e, r, "snapshot") : 0;
}

static int
toy_restore(void *ctx, int fd, struct vps_err *e)
{
	struct toy *t = ctx;
	char p[PATH_MAX];
	auto_buf struct buf b = {0};
	int r;

	r = set_state(t, "restoring");
	if (r < 0)
		return r;
	for (;;) {
		uint8_t *d = buf_reserve(&b, 65536);
		ssize_t n = d == NULL ? -1 : read(fd, d, 65536);

		if (n < 0)
			return vps_err_set(e, -errno, "read image");
		if (n == 0)
			break;
		b.len += (size_t)n;
	}
	if (b.len < 4 || memcmp(b.data + b.len - 4, "END\n", 4) != 0)
		return vps_err_say(e, -EBADMSG, "image is incomplete");
	path(t, "memory", p);
	return file_replace(AT_FDCWD, p, b.data, b.len, 0600);
}

static int
toy_resume(void *ctx, struct vps_err *e)
{
	struct toy *t = ctx;
	char s[32];

	(void)e;
	if (get_state(t, s, sizeof(s)) < 0)
		return 0;
	return set_state(t, "running");
}

static int
toy_destroy(void *ctx, struct vps_err *e)
{
	(void)e;
	return set_state(ctx, NULL);
}

static int
toy_mark(void *ctx, const char *mark, struct vps_err *e)
{
	struct toy *t = ctx;
	char p[PATH_MAX];

	(void)e;
	path(t, "mark", p);
	if (mark == NULL)
		return unlink(p) < 0 && errno != ENOENT ? -errno : 0;
	return file_replace(AT_FDCWD, p, mark, strlen(mark), 0600);
}

static int
toy_arrive(void *ctx, const struct mig_msg *m, struct vps_err *e)
{
	struct toy *t = ctx;

	(void)e;
	(void)snprintf(t->id, sizeof(t->id), "%s", m->id);
	return 0;
}

static int
toy_check(void *ctx, const struct mig_msg *m, struct vps_err *e)
{
	struct toy *t = ctx;
	char s[32];

	(void)m;
	if (get_state(t, s, sizeof(s)) >= 0)
		return vps_err_say(e, -EEXIST, "%s exists here", t->id);
	return 0;
}

static int
toy_fs(void *ctx, struct mig_fs *fs, struct vps_err *e)
{
	struct toy *t = ctx;
	char p[PATH_MAX];

	(void)snprintf(p, sizeof(p), "%s/fs", t->root);
	fs->tree = (int)syscall(
	    SYS_open_tree, AT_FDCWD, p, OPEN_TREE_CLONE_ | O_CLOEXEC);
	if (fs->tree < 0)
		return vps_err_set(e, -errno, "%s", p);
	(void)snprintf(
	    fs->uid_map, sizeof(fs->uid_map), "0 %u 65536\n", t->base);
	memcpy(fs->gid_map, fs->uid_map, sizeof(fs->gid_map));
	return 0;
}

static const struct mig_engine engine = {
    .describe = toy_describe,
    .suspend = toy_suspend,
    .snapshot = toy_snapshot,
    .destroy = toy_destroy,
    .mark = toy_mark,
    .arrive = toy_arrive,
    .check = toy_check,
    .restore = toy_restore,
    .forget = toy_destroy,
    .fs = toy_fs,
    .resume = toy_resume,
};

static int
recover(struct toy *t, const char *jdir)
{
	struct vps_err e = {0};
	char s[32] = "none", p[PATH_MAX];
	int r = jrn_may_run(jdir, t->id, &e);
	int has = get_state(t, s, sizeof(s)) >= 0;

	path(t, "mark", p);
	/* In place of the lock: no process of that host is alive. */
	if (has && strcmp(s, "restoring") == 0) {
		struct jrn j;

		if (jrn_find(jdir, t->id, 0, NULL, &j, NULL) == 0 &&
		    j.state >= JRN_OWNED)
			(void)set_state(t, "running");
		else
			(void)set_state(t, NULL);
	} else if (has && strcmp(s, "suspended") == 0 && r == 0 &&
		   access(p, F_OK) < 0) {
		(void)set_state(t, "running");
	}
	if (get_state(t, s, sizeof(s)) < 0)
		strcpy(s, "none");
	printf("%s %s\n", s,
	    strstr(e.msg, "in doubt") || (r == 0 && access(p, F_OK) == 0)
		? "doubt"
	    : strstr(e.msg, "moved to") ? "moved"
					: "-");
	return 0;
}

static int
points(void)
{
	for (int s = 0; s < MIG_STATE_MAX_; s++) {
		for (int ev = 0; ev < MIG_EVENT_MAX_; ev++) {
			struct mig_step t =
			    mig_fsm_step((enum mig_state)s, (enum mig_event)ev);
			const char *who = s < MIG_T_IDLE ? "source" : "target";

			for (int i = 0; i < MIG_STEP_ACTIONS; i++) {
				enum mig_action a = t.act[i];

				if (a == MIG_ACT_NONE)
					continue;
				printf("mig-%s-%s\n", who, mig_action_name(a));
				if (mig_action_is_work(a))
					printf("mig-%s-after-%s\n", who,
					    mig_action_name(a));
			}
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static struct toy t;
	struct vps_err e = {0};
	struct mig_opt o = {.engine = &engine, .ctx = &t, .signals = -1};
	char jdir[PATH_MAX], helper[PATH_MAX];
	int r;

	log_init(NULL);
	if (argc == 2 && strcmp(argv[1], "points") == 0)
		return points();
	if (argc < 3)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(t.root, sizeof(t.root), "%s", argv[2]);
	(void)snprintf(jdir, sizeof(jdir), "%s/journal", argv[2]);
	if (argc > 3)
		(void)snprintf(t.id, sizeof(t.id), "%s", argv[3]);
	o.jrn_dir = jdir;
	o.timeout_ms = 2000;
	o.mode = MIG_TWORSYNC;
	t.base = strcmp(argv[1], "recv") == 0 ? 900000 : 100000;
	if (strcmp(argv[1], "recover") == 0)
		return recover(&t, jdir);
	if (strcmp(argv[1], "recv") == 0) {
		o.peer = "source";
		int in, out;

		if (mig_take_stdio(&in, &out) < 0)
			return 1;
		r = mig_target_run(&o, in, out, &e);
		if (e.code < 0)
			fprintf(stderr, "recv: %s\n", e.msg);
		return r == MIG_T_DONE || r == MIG_T_GONE ? 0 : 1;
	}
	if (argc < 5)
		return 2;
	{
		char exe[PATH_MAX] = {0}, cmd[] = "recv";
		char *av[] = {exe, cmd, argv[4], NULL};
		struct mig_peer p;

		if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0 ||
		    mig_connect_argv(av, &p, &e) < 0)
			return 1;
		o.peer = "target";
		if (getenv("TOY_HELPER") != NULL)
			(void)snprintf(
			    helper, sizeof(helper), "%s", getenv("TOY_HELPER"));
		o.helper = helper;
		if (argc > 5 && strcmp(argv[5], "norsync") == 0)
			o.mode = MIG_NORSYNC;
		if (argc > 5 && strcmp(argv[5], "onersync") == 0)
			o.mode = MIG_ONERSYNC;
		if (strcmp(argv[1], "resolve") == 0)
			r = mig_source_resolve(&o, t.id, p.in, p.out, &e);
		else
			r = mig_source_run(&o, t.id, p.in, p.out, &e);
		mig_disconnect(&p);
	}
	if (r < 0)
		printf("error: %s\n", e.msg);
	else
		printf("%s%s%s\n", mig_state_name((enum mig_state)r),
		    e.code < 0 ? ": " : "", e.code < 0 ? e.msg : "");
	return r == MIG_S_DONE ? 0 : 1;
}
