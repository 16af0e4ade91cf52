/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/basemounts.h"

#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define NOSUID MOUNT_ATTR_NOSUID
#define NODEV  MOUNT_ATTR_NODEV
#define NOEXEC MOUNT_ATTR_NOEXEC
#define RDONLY MOUNT_ATTR_RDONLY

/* clang-format off */
const struct core_basemount core_basemounts[] = {
	{"/proc", "proc", NULL, NOSUID | NODEV | NOEXEC, false, false},
	{"/sys", "sysfs", NULL, RDONLY | NOSUID | NODEV | NOEXEC, false, false},
	{"/dev", "tmpfs", "mode=755,size=4m,nr_inodes=4096",
	    NOSUID | NOEXEC, true, true},
	{"/dev/pts", "devpts", "mode=620,gid=5,ptmxmode=666",
	    NOSUID | NOEXEC, false, false},
	{"/dev/shm", "tmpfs", "mode=1777", NOSUID | NODEV, false, true},
	{"/dev/mqueue", "mqueue", NULL, NOSUID | NODEV | NOEXEC, false, false},
	{0},
};

const struct core_devnode core_devnodes[] = {
	{"null", S_IFCHR | 0666, 1, 3, NULL},
	{"zero", S_IFCHR | 0666, 1, 5, NULL},
	{"full", S_IFCHR | 0666, 1, 7, NULL},
	{"random", S_IFCHR | 0666, 1, 8, NULL},
	{"urandom", S_IFCHR | 0666, 1, 9, NULL},
	{"tty", S_IFCHR | 0666, 5, 0, NULL},
	{"console", S_IFREG | 0600, 0, 0, NULL},
	{"pts", S_IFDIR | 0755, 0, 0, NULL},
	{"shm", S_IFDIR | 0755, 0, 0, NULL},
	{"mqueue", S_IFDIR | 0755, 0, 0, NULL},
	{"ptmx", S_IFLNK | 0777, 0, 0, "pts/ptmx"},
	{"fd", S_IFLNK | 0777, 0, 0, "/proc/self/fd"},
	{"stdin", S_IFLNK | 0777, 0, 0, "/proc/self/fd/0"},
	{"stdout", S_IFLNK | 0777, 0, 0, "/proc/self/fd/1"},
	{"stderr", S_IFLNK | 0777, 0, 0, "/proc/self/fd/2"},
	{0},
};
/* clang-format on */

const char *const core_masked[] = {
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/acpi",
    "/proc/scsi",
    "/sys/firmware",
    NULL,
};

const struct core_basemount *
core_basemount(const char *path)
{
	const struct core_basemount *m;

	for (m = core_basemounts; m->path != NULL; m++)
		if (strcmp(m->path, path) == 0)
			return m;
	return NULL;
}

bool
core_is_masked(const char *path)
{
	const char *const *p;

	for (p = core_masked; *p != NULL; p++)
		if (strcmp(*p, path) == 0)
			return true;
	return false;
}
