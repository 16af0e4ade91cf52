/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/freezer.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"

static int
events_frozen(int fd)
{
	char text[256];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	return strstr(text, "frozen 1") != NULL;
}

int
sys_frozen(int dirfd)
{
	auto_close int fd =
	    openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : events_frozen(fd);
}

static long
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int
sys_freeze(int dirfd, int timeout_ms)
{
	auto_close int fd =
	    openat(dirfd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	long end = now_ms() + timeout_ms;
	int r;

	if (fd < 0)
		return -errno;
	r = file_write(dirfd, "cgroup.freeze", "1");
	if (r < 0)
		return r;
	/* Changes of cgroup.events are told to poll(2) at most every 10 ms, a
	 * hundred times what freezing takes: look, with naps that get longer.
	 */
	for (long nap = 0;; nap = nap < 500 ? nap + 10 : nap) {
		r = events_frozen(fd);
		if (r != 0)
			return r < 0 ? r : 0;
		if (now_ms() > end)
			return -ETIMEDOUT;
		if (nap > 100)
			(void)usleep((useconds_t)nap);
		else
			(void)sched_yield();
	}
}

int
sys_thaw(int dirfd)
{
	return file_write(dirfd, "cgroup.freeze", "0");
}

struct pidlist {
	pid_t *v;
	size_t n, cap;
};

static int
pids_add(int dirfd, struct pidlist *l)
{
	auto_buf struct buf b = {0};
	const char *p;
	int r = file_read(dirfd, "cgroup.procs", &b, 1 << 24);

	if (r < 0)
		return r;
	for (p = buf_str(&b); *p != '\0'; p++) {
		pid_t pid = (pid_t)strtol(p, NULL, 10);

		if (l->n == l->cap) {
			size_t cap = l->cap ? l->cap * 2 : 64;
			pid_t *v = reallocarray(l->v, cap, sizeof(*v));

			if (v == NULL)
				return -ENOMEM;
			l->v = v;
			l->cap = cap;
		}
		if (pid > 0)
			l->v[l->n++] = pid;
		p = strchr(p, '\n');
		if (p == NULL)
			break;
	}
	return 0;
}

static int
pids_walk(int dirfd, struct pidlist *l, int depth)
{
	auto_closedir DIR *d = NULL;
	struct dirent *de;
	int fd, r = pids_add(dirfd, l);

	if (r < 0 || depth > 16)
		return r;
	fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	while ((de = readdir(d)) != NULL) {
		auto_close int sub = -1;

		if (de->d_type != DT_DIR || de->d_name[0] == '.')
			continue;
		sub = openat(dirfd, de->d_name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (sub < 0)
			continue; /* just removed */
		r = pids_walk(sub, l, depth + 1);
		if (r < 0 && r != -ENODEV)
			return r;
	}
	return 0;
}

int
sys_cgroup_pids(int dirfd, pid_t **ret)
{
	struct pidlist l = {0};
	int r = pids_walk(dirfd, &l, 0);

	if (r < 0) {
		free(l.v);
		return r;
	}
	*ret = l.v;
	return (int)l.n;
}
