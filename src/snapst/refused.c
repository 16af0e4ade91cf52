/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What nobody carries, last in the table: each gets its plain name and what
 * the user can do.
 */
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/str.h"
#include "snapst/snap.h"

static const struct {
	const char *prefix; /* of the link */
	const char *text;
} known[] = {
    {"anon_inode:[io_uring]", "io_uring; configure the program without it"},
    {"anon_inode:[userfaultfd]", "userfaultfd"},
    {"anon_inode:[fanotify]", "fanotify; end the program that watches"},
    {"anon_inode:[perf_event]", "perf event; end the measurement"},
    {"anon_inode:bpf", "BPF object"},
    {"anon_inode:seccomp notify", "seccomp notification; end the supervisor"},
    {"anon_inode:[fscontext]", "filesystem context of fsopen(2)"},
    {"anon_inode:[landlock-ruleset]", "landlock ruleset"},
    {"anon_inode:kvm", "virtual machine"},
    {"anon_inode:sync_file", "graphics fence"},
    {"/dmabuf:", "graphics buffer"},
};

static bool
refused_match(const struct snap_fd *f)
{
	(void)f;
	return true;
}

static const char *
name_of(const struct snap_fd *f)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (str_has_prefix(f->link, known[i].prefix))
			return known[i].text;
	return NULL;
}

static int
refused_check(struct snap *s, const struct snap_fd *f)
{
	const char *name = name_of(f);

	if (name != NULL)
		snap_object(s, f, "can't carry: %s", name);
	else
		snap_object(s, f, "%s: can't carry this kind of file", f->link);
	return 0;
}

static int
refused_dump(
    struct snap *s, const struct snap_fd *f, uint32_t id, struct vps_err *e)
{
	const char *name = name_of(f);

	(void)s;
	(void)id;
	return vps_err_say(
	    e, -EOPNOTSUPP, "can't carry: %s", name != NULL ? name : f->link);
}

const struct snap_kind snap_refused = {
    .name = "unknown",
    .match = refused_match,
    .check = refused_check,
    .dump = refused_dump,
};
