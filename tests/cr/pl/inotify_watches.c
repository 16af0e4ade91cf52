/* SPDX-License-Identifier: BSD-2-Clause
 * inotify: numbers of watches, files and directories, a name with a blank, one
 * that was renamed while watched, a watch for one event. */
#include <sys/inotify.h>

#include "payload.h"

static char buf[1000] __attribute__((aligned(8)));

static const struct inotify_event *
next(int fd)
{
	if (read(fd, buf, sizeof(buf)) < 0)
		return NULL;
	return (const struct inotify_event *)(const void *)buf;
}

int
main(int argc, char **argv)
{
	const struct inotify_event *v;
	int fd, f;

	pl_init(argc, argv);
	pl_ok(mkdir("a b", 0700));
	pl_ok(mkdir("before", 0700));
	f = pl_ok(open("file", O_WRONLY | O_CREAT, 0600));
	fd = pl_ok(inotify_init1(IN_NONBLOCK));
	pl_eq(inotify_add_watch(fd, "/", IN_DELETE_SELF), 1);
	pl_eq(inotify_add_watch(fd, "a b", IN_CREATE), 2);
	pl_eq(inotify_add_watch(fd, "before", IN_CREATE | IN_ONLYDIR), 3);
	pl_eq(inotify_add_watch(fd, "file", IN_MODIFY | IN_ONESHOT), 4);
	pl_ok(rename("before", "after"));
	pl_ok(inotify_rm_watch(fd, 1));
	pl_check((v = next(fd)) != NULL && (v->mask & IN_IGNORED));
	pl_wait();
	pl_check(next(fd) == NULL);
	pl_ok(mkdir("a b/sub", 0700));
	pl_check((v = next(fd)) != NULL);
	pl_eq(v->wd, 2);
	pl_eq(v->mask, IN_CREATE | IN_ISDIR);
	pl_check(strcmp(v->name, "sub") == 0);
	pl_ok(mkdir("after/sub", 0700));
	pl_check((v = next(fd)) != NULL);
	pl_eq(v->wd, 3);
	pl_eq(write(f, "x", 1), 1);
	pl_check((v = next(fd)) != NULL);
	pl_eq(v->wd, 4);
	pl_eq(v->mask, IN_MODIFY);
	pl_eq(write(f, "x", 1), 1);
	pl_check(next(fd) == NULL);
	pl_eq(inotify_add_watch(fd, "a b", IN_CREATE | IN_DELETE), 2);
	pl_eq(inotify_add_watch(fd, ".", IN_CREATE), 5);
	return pl_pass();
}
