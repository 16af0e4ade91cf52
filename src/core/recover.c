/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/recover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "core/control.h"
#include "core/destroy.h"
#include "core/keeper.h"
#include "sys/proc.h"

#define LOG_SUBSYS "core"
#include "base/log.h"

#define RECORD_MAX 4096

static int
undo_one(struct core_inst *in, const struct core_undo_kind *kinds, int number,
    struct vps_err *e)
{
	char path[32], s[RECORD_MAX], *arg;
	int r;

	(void)snprintf(path, sizeof(path), "undo/%d", number);
	r = file_read_str(in->dir, path, s, sizeof(s));
	if (r < 0)
		return vps_err_set(e, r, "read %s of %s", path, in->id);
	arg = strchr(s, ' ');
	if (arg != NULL)
		*arg++ = '\0';
	for (; kinds != NULL && kinds->name != NULL; kinds++) {
		if (strcmp(kinds->name, s) != 0)
			continue;
		log_dbg("%s: undo %s", in->id, s);
		r = kinds->undo(in, arg != NULL ? arg : "", e);
		if (r < 0)
			return vps_err_wrap(e, r, "undo %s of %s", s, in->id);
		(void)unlinkat(in->dir, path, 0);
		return 0;
	}
	return vps_err_say(e, -ENOSYS,
	    "%s: a command that died left '%s', which this program can't undo",
	    in->id, s);
}

/* Files that were about to get their names (see file_replace()); nobody else
 * writes to these while `in` is locked. Their number. */
static int
nameless(const struct core_inst *in, const char *dir, const char *prefix,
    bool take_away)
{
	int fd = openat(in->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *x;
	int n = 0;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	while (d != NULL && (x = readdir(d)) != NULL) {
		if (strncmp(x->d_name, prefix, strlen(prefix)) != 0 ||
		    strstr(x->d_name, ".new") == NULL)
			continue;
		n++;
		if (take_away)
			(void)unlinkat(dirfd(d), x->d_name, 0);
	}
	return n;
}

int
core_undo_all(
    struct core_inst *in, const struct core_undo_kind *kinds, struct vps_err *e)
{
	auto_free int *v = NULL;
	int n = sys_numdir(in->dir, "undo", &v), i, r;

	if (n < 0)
		return vps_err_set(e, n, "read undo of %s", in->id);
	for (i = n - 1; i >= 0; i--) {
		r = undo_one(in, kinds, v[i], e);
		if (r < 0)
			return r;
	}
	(void)nameless(in, "undo", "", true);
	(void)nameless(in, ".", "state.", true);
	return n;
}

int
core_undo_add(
    struct core_inst *in, const char *kind, const char *arg, struct vps_err *e)
{
	auto_free int *v = NULL;
	char path[32], s[RECORD_MAX];
	int n = sys_numdir(in->dir, "undo", &v), number, r;

	if (n < 0)
		return vps_err_set(e, n, "read undo of %s", in->id);
	number = n > 0 ? v[n - 1] + 1 : 1;
	if (in->work < 0) {
		/* without a keeper the next command sees the record */
		in->work = core_keeper_open(in, NULL);
		if (in->work < 0)
			log_dbg("%s: no keeper to watch us", in->id);
		else
			(void)core_keeper_ask(in->work, KEEP_WORK, 0, -1, NULL);
	}
	r = snprintf(s, sizeof(s), "%s %s\n", kind, arg);
	if (r < 0 || (size_t)r >= sizeof(s))
		return vps_err_set(e, -E2BIG, "note %s", kind);
	(void)snprintf(path, sizeof(path), "undo/%d", number);
	r = file_replace(in->dir, path, s, (size_t)r, 0600);
	if (r < 0)
		return vps_err_set(e, r, "write %s of %s", path, in->id);
	return number;
}

void
core_undo_done(struct core_inst *in, int number)
{
	char path[32];

	if (number <= 0)
		return;
	(void)snprintf(path, sizeof(path), "undo/%d", number);
	(void)unlinkat(in->dir, path, 0);
}

int
core_recover(
    struct core_inst *in, const struct core_undo_kind *kinds, struct vps_err *e)
{
	enum core_st st = core_state(in);
	int r;

	r = core_undo_all(in, kinds, e);
	if (r < 0)
		return r;
	switch (st) {
	case CORE_ST_CREATING:
	case CORE_ST_RESTORING:
	case CORE_ST_DYING:
		log_dbg("%s: was left %s", in->id, core_st_name(st));
		r = core_destroy(in, false, e);
		return r < 0 ? r : 1;
	case CORE_ST_SNAPSHOTTING:
		return core_set_state(in, CORE_ST_SUSPENDED, e);
	default:
		return 0;
	}
}

static bool
was_left(const struct core_inst *in)
{
	auto_free int *v = NULL;
	enum core_st st = core_state(in);

	return st == CORE_ST_CREATING || st == CORE_ST_RESTORING ||
	       st == CORE_ST_DYING || st == CORE_ST_SNAPSHOTTING ||
	       sys_numdir(in->dir, "undo", &v) > 0 ||
	       nameless(in, "undo", "", false) > 0;
}

/* Whoever looks at an instance that is in between puts it right, if nobody is
 * at work on it. */
static int
put_right(const char *id, const struct core_undo_kind *kinds, struct vps_err *e)
{
	struct core_inst *in;
	int r;

	r = core_inst_open(id, CORE_READ, &in, e);
	if (r < 0)
		return r;
	r = was_left(in);
	core_inst_close(in);
	if (r == 0)
		return 0;
	r = core_inst_open(id, CORE_EXCL, &in, e);
	if (r < 0)
		return r == -EBUSY ? 0 : r;
	r = core_recover(in, kinds, e);
	core_inst_close(in);
	return r;
}

int
core_open(const char *id, enum core_mode mode,
    const struct core_undo_kind *kinds, struct core_inst **ret,
    struct vps_err *e)
{
	struct core_inst *in;
	int r;

	if (mode != CORE_EXCL) {
		r = put_right(id, kinds, e);
		if (r < 0)
			return r;
		r = core_inst_open(id, mode, &in, e);
	} else {
		r = core_inst_open(id, mode, &in, e);
		if (r == 0 && was_left(in)) {
			r = core_recover(in, kinds, e);
			if (r != 0)
				core_inst_close(in);
			if (r > 0)
				r = vps_err_say(
				    e, -VPS_ENOINST, "no instance %s", id);
		}
	}
	if (r < 0)
		return r;
	*ret = in;
	return 0;
}
