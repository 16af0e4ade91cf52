/* SPDX-License-Identifier: BSD-2-Clause
 * Files of /proc and /sys with a position, of this process and of one that is
 * gone; a namespace; a directory of /proc. */
#include "payload.h"

int
main(int argc, char **argv)
{
	int st, maps, mem, ns, dir, dead, sys;
	char b[4096], path[64];
	struct stat s1, s2;
	long value = 42;
	pid_t pid;

	pl_init(argc, argv);
	st = pl_ok(open("/proc/stat", O_RDONLY));
	pl_eq(read(st, b, 10), 10);
	maps = pl_ok(open("/proc/self/maps", O_RDONLY));
	mem = pl_ok(open("/proc/self/mem", O_RDWR));
	ns = pl_ok(open("/proc/self/ns/net", O_RDONLY));
	dir = pl_ok(open("/proc", O_RDONLY | O_DIRECTORY));
	sys = pl_ok(open("/sys/class/net", O_RDONLY | O_DIRECTORY));
	pid = pl_ok(fork());
	if (pid == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	dead = pl_ok(open(path, O_RDONLY));
	pl_ok(kill(pid, SIGKILL));
	pl_eq(waitpid(pid, NULL, 0), pid);
	pl_wait();
	pl_eq(lseek(st, 0, SEEK_CUR), 10);
	pl_eq(pread(st, b, 4, 0), 4);
	pl_check(memcmp(b, "cpu ", 4) == 0);
	pl_check(read(maps, b, sizeof(b)) > 100);
	pl_check(strstr(b, pl_name) != NULL);
	pl_eq(pread(mem, b, sizeof(value), (off_t)(uintptr_t)&value),
	    sizeof(value));
	pl_eq(b[0], 42);
	b[0] = 43;
	pl_eq(pwrite(mem, b, sizeof(value), (off_t)(uintptr_t)&value),
	    sizeof(value));
	pl_eq(*(volatile long *)&value, 43);
	pl_ok(stat("/proc/self/ns/net", &s1));
	pl_ok(fstat(ns, &s2));
	pl_eq(s1.st_ino, s2.st_ino);
	pl_ok(faccessat(dir, "self", F_OK, 0));
	pl_ok(faccessat(sys, "lo", F_OK, 0));
	pl_eq(read(dead, b, 1), -1);
	pl_eq(errno, ESRCH);
	return pl_pass();
}
