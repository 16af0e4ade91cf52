/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/ns.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "sys/clone.h"

int
sys_ns_open(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
sys_ns_enter(int pidfd, int flags)
{
	return setns(pidfd, flags) < 0 ? -errno : 0;
}

int
sys_idmap_write(pid_t pid, uint32_t base, uint32_t count)
{
	char path[64], map[64];
	int r;

	(void)snprintf(map, sizeof(map), "0 %" PRIu32 " %" PRIu32, base, count);
	(void)snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	r = file_write(AT_FDCWD, path, map);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	return file_write(AT_FDCWD, path, map);
}

int
sys_timens_new(const struct sys_clocks *c)
{
	auto_close int fd = -1;
	char s[160];
	int r;

	if (unshare(SYS_CLONE_NEWTIME) < 0)
		return -errno;
	if (c->mono_s | c->mono_ns | c->boot_s | c->boot_ns) {
		(void)snprintf(s, sizeof(s),
		    "monotonic %" PRId64 " %" PRId64 "\nboottime %" PRId64
		    " %" PRId64 "\n",
		    c->mono_s, c->mono_ns, c->boot_s, c->boot_ns);
		r = file_write(AT_FDCWD, "/proc/self/timens_offsets", s);
		if (r < 0)
			return r;
	}
	/* unshare() made it for children; Linux 6.1 doesn't enter it on exec.
	 */
	fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return setns(fd, SYS_CLONE_NEWTIME) < 0 ? -errno : 0;
}
