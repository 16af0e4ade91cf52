/* SPDX-License-Identifier: BSD-2-Clause
 * Kinds that are files: by path, without a name, directories, devices, /proc;
 * and locks and SIGIO, which are on files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/memfd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "kindtest.h"

#define DIR_  "/tmp/vps-kinds"
#define LARGE 0100000 /* the kernel's O_LARGEFILE, which open() sets */

static int
at(int fd, int num)
{
	int r;

	if (fd < 0 || fd == num)
		return fd;
	r = dup2(fd, num);
	(void)close(fd);
	return r;
}

static int
content(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t n = write(fd, text, strlen(text));

	(void)close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static int
link_is(int fd, const char *want)
{
	char path[64], got[PATH_MAX];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, got, sizeof(got) - 1);
	got[n < 0 ? 0 : n] = '\0';
	if (strcmp(got, want) == 0)
		return 1;
	fprintf(stderr, "fd %d is %s\n", fd, got);
	return 0;
}

static int
reg_setup(void *sh)
{
	struct stat *st = sh;

	(void)mkdir(DIR_, 0755);
	KT_ASSERT(content(DIR_ "/a", "0123456789") == 0);
	KT_ASSERT(at(open(DIR_ "/a", O_RDONLY), 10) == 10);
	KT_ASSERT(lseek(10, 4, SEEK_SET) == 4);
	KT_ASSERT(dup2(10, 11) == 11);
	KT_ASSERT(at(open(DIR_ "/a", O_RDONLY), 12) == 12);
	KT_ASSERT(at(open(DIR_ "/a", O_WRONLY | O_APPEND | O_SYNC), 13) == 13);
	KT_ASSERT(
	    at(open(DIR_ "/a", O_RDWR | O_NOATIME | O_NONBLOCK), 14) == 14);
	KT_ASSERT(at(open(DIR_ "/a", O_PATH), 15) == 15);
	/* Not readable for its owner any more, and renamed. */
	KT_ASSERT(content(DIR_ "/b", "secret") == 0);
	KT_ASSERT(at(open(DIR_ "/b", O_RDONLY), 16) == 16);
	KT_ASSERT(chmod(DIR_ "/b", 0) == 0);
	KT_ASSERT(rename(DIR_ "/b", DIR_ "/b2") == 0);
	/* Opened by a name that is gone, has another one. */
	KT_ASSERT(content(DIR_ "/c", "linked") == 0);
	(void)mkdir(DIR_ "/sub", 0755);
	(void)unlink(DIR_ "/sub/other");
	KT_ASSERT(link(DIR_ "/c", DIR_ "/sub/other") == 0);
	KT_ASSERT(at(open(DIR_ "/c", O_RDONLY), 17) == 17);
	KT_ASSERT(unlink(DIR_ "/c") == 0);
	/* A name that looks like a removed one. */
	KT_ASSERT(content(DIR_ "/d (deleted)", "alive") == 0);
	KT_ASSERT(at(open(DIR_ "/d (deleted)", O_RDONLY), 18) == 18);
	/* A link itself. */
	(void)unlink(DIR_ "/l");
	KT_ASSERT(symlink("a", DIR_ "/l") == 0);
	KT_ASSERT(at(open(DIR_ "/l", O_PATH | O_NOFOLLOW), 19) == 19);
	KT_ASSERT(fstat(10, st) == 0);
	return 0;
}

static int
reg_verify(void *sh)
{
	const struct stat *st = sh;
	struct stat now;
	char b[20];

	KT_ASSERT(fstat(12, &now) == 0 && now.st_ino == st->st_ino);
	KT_ASSERT(fcntl(10, F_GETFL) == LARGE);
	KT_ASSERT(read(10, b, 2) == 2 && !memcmp(b, "45", 2));
	KT_ASSERT(lseek(11, 0, SEEK_CUR) == 6);
	KT_ASSERT(lseek(12, 0, SEEK_CUR) == 0);
	KT_ASSERT(fcntl(13, F_GETFL) == (O_WRONLY | O_APPEND | O_SYNC | LARGE));
	KT_ASSERT(write(13, "end", 3) == 3 && lseek(13, 0, SEEK_CUR) == 13);
	KT_ASSERT(
	    fcntl(14, F_GETFL) == (O_RDWR | O_NOATIME | O_NONBLOCK | LARGE));
	KT_ASSERT(pread(14, b, 20, 0) == 13);
	KT_ASSERT(fcntl(15, F_GETFL) == O_PATH && read(15, b, 1) < 0);
	KT_ASSERT(fstat(15, &now) == 0 && now.st_ino == st->st_ino);
	KT_ASSERT(read(16, b, 9) == 6 && !memcmp(b, "secret", 6));
	KT_ASSERT(read(17, b, 9) == 6 && !memcmp(b, "linked", 6));
	KT_ASSERT(link_is(17, DIR_ "/sub/other"));
	KT_ASSERT(read(18, b, 9) == 5 && !memcmp(b, "alive", 5));
	KT_ASSERT(fstat(19, &now) == 0 && S_ISLNK(now.st_mode));
	return 0;
}

static int
test_reg(void)
{
	return kt_simple(reg_setup, reg_verify);
}

/* ghosts */

static int
ghost_setup(void *sh)
{
	struct timespec t[2] = {{1000000000, 5}, {1100000000, 7}};

	(void)sh;
	(void)mkdir(DIR_, 0755);
	/* holes, a partial page, attributes, two descriptions */
	KT_ASSERT(
	    at(open(DIR_ "/g", O_RDWR | O_CREAT | O_TRUNC, 0600), 10) == 10);
	KT_ASSERT(at(open(DIR_ "/g", O_RDONLY), 11) == 11);
	KT_ASSERT(at(open(DIR_ "/g", O_WRONLY | O_APPEND), 12) == 12);
	KT_ASSERT(pwrite(10, "start", 5, 0) == 5);
	KT_ASSERT(pwrite(10, "middle", 6, 3 << 20) == 6);
	KT_ASSERT(pwrite(10, "tail", 4, (5 << 20) + 4094) == 4);
	KT_ASSERT(ftruncate(10, (8 << 20) + 11) == 0);
	KT_ASSERT(fchown(10, 33, 44) == 0 && fchmod(10, 04751) == 0);
	KT_ASSERT(fsetxattr(10, "user.color", "blue", 4, 0) == 0);
	KT_ASSERT(lseek(11, 3 << 20, SEEK_SET) > 0);
	KT_ASSERT(unlink(DIR_ "/g") == 0);
	KT_ASSERT(futimens(10, t) == 0);
	/* gone with its directory; its name is taken */
	(void)mkdir(DIR_ "/gone", 0700);
	KT_ASSERT(content(DIR_ "/gone/x", "deep") == 0);
	KT_ASSERT(at(open(DIR_ "/gone/x", O_RDONLY), 13) == 13);
	KT_ASSERT(unlink(DIR_ "/gone/x") == 0 && rmdir(DIR_ "/gone") == 0);
	KT_ASSERT(content(DIR_ "/r", "old") == 0);
	KT_ASSERT(at(open(DIR_ "/r", O_RDONLY), 14) == 14);
	KT_ASSERT(content(DIR_ "/r2", "new") == 0);
	KT_ASSERT(rename(DIR_ "/r2", DIR_ "/r") == 0);
	/* may get a name */
	KT_ASSERT(at(open(DIR_, O_TMPFILE | O_RDWR, 0600), 15) == 15);
	KT_ASSERT(write(15, "tmpfile", 7) == 7);
	/* nothing but a path */
	KT_ASSERT(content(DIR_ "/p", "path") == 0);
	KT_ASSERT(at(open(DIR_ "/p", O_PATH), 16) == 16);
	KT_ASSERT(unlink(DIR_ "/p") == 0);
	return 0;
}

static int
ghost_verify(void *sh)
{
	struct stat st, st2;
	char b[20];

	(void)sh;
	KT_ASSERT(fstat(10, &st) == 0 && st.st_nlink == 0);
	KT_ASSERT(link_is(10, DIR_ "/g (deleted)"));
	KT_ASSERT(st.st_size == (8 << 20) + 11 && st.st_blocks < 200);
	KT_ASSERT(st.st_uid == 33 && st.st_gid == 44 &&
		  (st.st_mode & 07777) == 04751);
	KT_ASSERT(st.st_atim.tv_sec == 1000000000 && st.st_atim.tv_nsec == 5);
	KT_ASSERT(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 7);
	KT_ASSERT(
	    fgetxattr(10, "user.color", b, 20) == 4 && !memcmp(b, "blue", 4));
	KT_ASSERT(pread(10, b, 5, 0) == 5 && !memcmp(b, "start", 5));
	KT_ASSERT(read(11, b, 6) == 6 && !memcmp(b, "middle", 6));
	KT_ASSERT(
	    pread(10, b, 4, (5 << 20) + 4094) == 4 && !memcmp(b, "tail", 4));
	KT_ASSERT(fstat(12, &st2) == 0 && st2.st_ino == st.st_ino);
	KT_ASSERT(fcntl(12, F_GETFL) == (O_WRONLY | O_APPEND | LARGE));
	KT_ASSERT(write(12, "more", 4) == 4);
	KT_ASSERT(pread(10, b, 4, st.st_size) == 4 && !memcmp(b, "more", 4));
	KT_ASSERT(read(13, b, 9) == 4 && !memcmp(b, "deep", 4));
	KT_ASSERT(read(14, b, 9) == 3 && !memcmp(b, "old", 3));
	KT_ASSERT(pread(15, b, 9, 0) == 7 && lseek(15, 0, SEEK_CUR) == 7);
	(void)unlink(DIR_ "/t");
	KT_ASSERT(linkat(15, "", AT_FDCWD, DIR_ "/t", AT_EMPTY_PATH) == 0);
	KT_ASSERT(linkat(10, "", AT_FDCWD, DIR_ "/t2", AT_EMPTY_PATH) < 0 &&
		  errno == ENOENT);
	KT_ASSERT(fcntl(16, F_GETFL) & O_PATH);
	KT_ASSERT(fstat(16, &st) == 0 && st.st_size == 4 && st.st_nlink == 0);
	return 0;
}

static int
test_ghost(void)
{
	return kt_simple(ghost_setup, ghost_verify);
}

static int
memfd_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(at(memfd_create("plain", 0), 10) == 10);
	KT_ASSERT(write(10, "plain", 5) == 5);
	KT_ASSERT(at(memfd_create("sealed", MFD_ALLOW_SEALING), 11) == 11);
	KT_ASSERT(ftruncate(11, 3 << 20) == 0);
	KT_ASSERT(pwrite(11, "sealed", 6, 2 << 20) == 6);
	KT_ASSERT(fcntl(11, F_ADD_SEALS,
		      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	KT_ASSERT(at(open("/proc/self/fd/11", O_RDONLY), 12) == 12);
	KT_ASSERT(at(memfd_create("open", MFD_ALLOW_SEALING), 13) == 13);
	return 0;
}

static int
memfd_verify(void *sh)
{
	struct stat st, st2;
	char b[20];

	(void)sh;
	KT_ASSERT(link_is(10, "/memfd:plain (deleted)"));
	KT_ASSERT(fcntl(10, F_GETFL) == (O_RDWR | LARGE));
	KT_ASSERT(lseek(10, 0, SEEK_CUR) == 5);
	KT_ASSERT(pread(10, b, 9, 0) == 5 && !memcmp(b, "plain", 5));
	KT_ASSERT(fcntl(10, F_GET_SEALS) == F_SEAL_SEAL);
	KT_ASSERT(fcntl(11, F_GET_SEALS) ==
		  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	KT_ASSERT(pread(12, b, 6, 2 << 20) == 6 && !memcmp(b, "sealed", 6));
	KT_ASSERT(fstat(11, &st) == 0 && fstat(12, &st2) == 0 &&
		  st.st_ino == st2.st_ino && st.st_size == 3 << 20);
	KT_ASSERT((st.st_mode & 07777) == 0777);
	KT_ASSERT(pwrite(11, "x", 1, 0) < 0 && errno == EPERM);
	KT_ASSERT(fcntl(13, F_GET_SEALS) == 0);
	KT_ASSERT(fcntl(13, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	return 0;
}

static int
test_memfd(void)
{
	return kt_simple(memfd_setup, memfd_verify);
}

static int
huge_setup(void *sh)
{
	(void)sh;
	if (memfd_create("huge", MFD_HUGETLB) < 0)
		return 77;
	return 0;
}

static int
test_huge(void)
{
	int r = kt_refused(huge_setup, "hugetlbfs");

	if (r == 77)
		fprintf(stderr, "no huge pages here\n");
	return r;
}

/* directories */

#define NFILES 3000

static int
next_name(int fd, char *ret)
{
	char b[300];
	long n = syscall(SYS_getdents64, fd, b, 280L);
	/* more entries came at once: go back to behind the first */
	int64_t off;

	if (n <= 0)
		return (int)n;
	memcpy(&off, b + 8, 8);
	(void)strcpy(ret, b + 19);
	return lseek(fd, off, SEEK_SET) < 0 ? -1 : 1;
}

static int
dir_setup(void *sh)
{
	char *seen = sh, name[300];
	int r;

	(void)mkdir(DIR_, 0755);
	(void)mkdir(DIR_ "/many", 0755);
	KT_ASSERT(at(open(DIR_ "/many", O_RDONLY | O_DIRECTORY), 10) == 10);
	for (int i = 0; i < NFILES; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		KT_ASSERT(
		    close(openat(10, name, O_CREAT | O_WRONLY, 0600)) == 0);
	}
	(void)memset(seen, 0, NFILES);
	for (int i = 0; i < 1000; i++) {
		KT_ASSERT(next_name(10, name) == 1);
		if (name[0] == 'f')
			seen[atoi(name + 1)]++;
	}
	/* at its end */
	KT_ASSERT(at(open(DIR_ "/many", O_RDONLY | O_DIRECTORY), 11) == 11);
	while ((r = next_name(11, name)) == 1)
		;
	KT_ASSERT(r == 0);
	/* at its start; removed */
	KT_ASSERT(at(open("/", O_RDONLY | O_DIRECTORY), 12) == 12);
	(void)mkdir(DIR_ "/rm", 0755);
	KT_ASSERT(at(open(DIR_ "/rm", O_RDONLY | O_DIRECTORY), 13) == 13);
	KT_ASSERT(fchmod(13, 0711) == 0 && rmdir(DIR_ "/rm") == 0);
	KT_ASSERT(at(open(DIR_, O_PATH | O_DIRECTORY), 14) == 14);
	return 0;
}

static int
dir_verify(void *sh)
{
	char *seen = sh, name[300];
	struct stat st;
	int r;

	KT_ASSERT(next_name(11, name) == 0);
	KT_ASSERT(lseek(12, 0, SEEK_CUR) == 0 && next_name(12, name) == 1);
	KT_ASSERT(fstat(13, &st) == 0 && st.st_nlink == 0 &&
		  (st.st_mode & 07777) == 0711);
	KT_ASSERT(
	    openat(13, "x", O_CREAT | O_WRONLY, 0600) < 0 && errno == ENOENT);
	KT_ASSERT(fcntl(14, F_GETFL) == (O_PATH | O_DIRECTORY));
	KT_ASSERT(faccessat(14, "many", F_OK, 0) == 0);
	while ((r = next_name(10, name)) == 1)
		if (name[0] == 'f')
			seen[atoi(name + 1)]++;
	KT_ASSERT(r == 0);
	for (int i = 0; i < NFILES; i++) {
		KT_ASSERT(seen[i] == 1);
		(void)snprintf(name, sizeof(name), "f%d", i);
		KT_ASSERT(unlinkat(10, name, 0) == 0);
	}
	return 0;
}

static int
test_dir(void)
{
	return kt_simple(dir_setup, dir_verify);
}

/* devices, /proc, /sys */

static int
dev_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(at(open("/dev/null", O_RDWR), 10) == 10);
	KT_ASSERT(at(open("/dev/zero", O_RDONLY), 11) == 11);
	KT_ASSERT(at(open("/dev/urandom", O_RDONLY | O_NONBLOCK), 12) == 12);
	KT_ASSERT(at(open("/dev/full", O_WRONLY), 13) == 13);
	return 0;
}

static int
dev_verify(void *sh)
{
	char b[4] = "xxx";

	(void)sh;
	KT_ASSERT(write(10, b, 3) == 3 && read(10, b, 3) == 0);
	KT_ASSERT(fcntl(10, F_GETFL) == (O_RDWR | LARGE));
	KT_ASSERT(read(11, b, 3) == 3 && b[2] == 0);
	KT_ASSERT(read(12, b, 3) == 3);
	KT_ASSERT(fcntl(12, F_GETFL) == (O_NONBLOCK | LARGE));
	KT_ASSERT(write(13, b, 3) < 0 && errno == ENOSPC);
	return 0;
}

static int
test_dev(void)
{
	return kt_simple(dev_setup, dev_verify);
}

static int
kmsg_setup(void *sh)
{
	(void)sh;
	if (open("/dev/kmsg", O_WRONLY) < 0)
		return 77;
	return 0;
}

static int
test_dev_refused(void)
{
	return kt_refused(kmsg_setup, "kernel log");
}

static int
proc_setup(void *sh)
{
	char b[64], path[64];
	pid_t pid;

	(void)sh;
	KT_ASSERT(at(open("/proc/stat", O_RDONLY), 10) == 10);
	KT_ASSERT(read(10, b, 10) == 10);
	KT_ASSERT(at(open("/proc/meminfo", O_RDONLY), 11) == 11);
	KT_ASSERT(at(open("/proc/self/status", O_RDONLY), 12) == 12);
	KT_ASSERT(read(12, b, 6) == 6);
	KT_ASSERT(at(open("/proc/self/mem", O_RDWR), 13) == 13);
	KT_ASSERT(
	    at(open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY),
		14) == 14);
	KT_ASSERT(at(open("/proc/self/ns/net", O_RDONLY), 15) == 15);
	KT_ASSERT(at(open("/proc", O_RDONLY | O_DIRECTORY), 16) == 16);
	pid = fork();
	if (pid == 0)
		for (;;)
			(void)pause();
	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	KT_ASSERT(at(open(path, O_RDONLY), 17) == 17);
	KT_ASSERT(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	KT_ASSERT(
	    at(open("/proc/self/task", O_RDONLY | O_DIRECTORY), 18) == 18);
	return 0;
}

static int
proc_verify(void *sh)
{
	struct stat st, st2;
	char b[4096];
	long x = 42;

	(void)sh;
	KT_ASSERT(lseek(10, 0, SEEK_CUR) == 10 && read(10, b, 100) == 100);
	KT_ASSERT(pread(10, b, 4, 0) == 4 && !memcmp(b, "cpu ", 4));
	KT_ASSERT(read(11, b, 9) == 9 && !memcmp(b, "MemTotal:", 9));
	KT_ASSERT(read(12, b, 4096) > 100 && !memcmp(b, "priv-k", 6));
	KT_ASSERT(pread(13, b, 8, (off_t)(uintptr_t)&x) == 8 && b[0] == 42);
	KT_ASSERT(read(14, b, 100) > 5 && memchr(b, '[', 100) != NULL);
	KT_ASSERT(stat("/proc/self/ns/net", &st) == 0 && fstat(15, &st2) == 0 &&
		  st.st_ino == st2.st_ino);
	KT_ASSERT(faccessat(16, "self", F_OK, 0) == 0);
	KT_ASSERT(read(17, b, 100) < 0 && errno == ESRCH);
	(void)snprintf(b, sizeof(b), "%d", getpid());
	KT_ASSERT(faccessat(18, b, F_OK, 0) == 0);
	return 0;
}

static int
test_proc(void)
{
	return kt_simple(proc_setup, proc_verify);
}

static int
ns_setup(void *sh)
{
	(void)sh;
	KT_ASSERT(at(open("/proc/self/ns/uts", O_RDONLY), 10) == 10);
	pid_t pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUTS) < 0 ||
		      at(open("/proc/self/ns/uts", O_RDONLY), 11) != 11);
	KT_ASSERT(waitpid(pid, NULL, 0) == pid);
	KT_ASSERT(unshare(CLONE_NEWUTS) == 0);
	KT_ASSERT(at(open("/proc/self/ns/uts", O_RDONLY), 11) == 11);
	return 0;
}

static int
test_ns_refused(void)
{
	return kt_refused(ns_setup, "namespace other than");
}

/* locks and SIGIO */

static int
lock_setup(void *sh)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};

	(void)sh;
	(void)mkdir(DIR_, 0755);
	KT_ASSERT(content(DIR_ "/lock", "") == 0);
	for (int i = 10; i < 14; i++)
		KT_ASSERT(at(open(DIR_ "/lock", O_RDWR), i) == i);
	KT_ASSERT(fcntl(10, F_SETLK, &l) == 0);
	l = (struct flock){.l_type = F_RDLCK, .l_start = 100};
	KT_ASSERT(fcntl(10, F_SETLK, &l) == 0);
	KT_ASSERT(flock(11, LOCK_EX) == 0);
	l = (struct flock){.l_type = F_WRLCK, .l_start = 50, .l_len = 10};
	KT_ASSERT(fcntl(12, F_OFD_SETLK, &l) == 0);
	/* on a directory */
	KT_ASSERT(at(open(DIR_, O_RDONLY | O_DIRECTORY), 14) == 14);
	KT_ASSERT(flock(14, LOCK_SH) == 0);
	/* by a process that is gone: the description is held here too */
	pid_t pid = fork();
	if (pid == 0)
		_exit(flock(13, LOCK_UN) < 0);
	KT_ASSERT(waitpid(pid, NULL, 0) == pid);
	return 0;
}

static int
lock_probe(int start, int len, int type)
{
	struct flock l = {
	    .l_type = (short)type, .l_start = start, .l_len = len};
	int fd = open(DIR_ "/lock", O_RDWR), r;

	r = fcntl(fd, F_OFD_SETLK, &l) == 0 ? 0 : -errno;
	/* It stays open: a close would drop the fcntl locks of this process. */
	l.l_type = F_UNLCK;
	(void)fcntl(fd, F_OFD_SETLK, &l);
	return r;
}

static int
lock_verify(void *sh)
{
	struct flock l = {.l_type = F_RDLCK, .l_start = 12, .l_len = 1};
	int fd, st;

	(void)sh;
	KT_ASSERT(fcntl(12, F_OFD_GETLK, &l) == 0 && l.l_type == F_WRLCK &&
		  l.l_start == 10 && l.l_len == 5 && l.l_pid == getpid());
	KT_ASSERT(lock_probe(0, 10, F_WRLCK) == 0);
	KT_ASSERT(lock_probe(14, 1, F_RDLCK) == -EAGAIN);
	KT_ASSERT(lock_probe(15, 35, F_WRLCK) == 0);
	KT_ASSERT(lock_probe(59, 1, F_WRLCK) == -EAGAIN);
	KT_ASSERT(lock_probe(1000, 1, F_WRLCK) == -EAGAIN);
	KT_ASSERT(lock_probe(1000, 1, F_RDLCK) == 0);
	fd = open(DIR_ "/lock", O_RDWR);
	KT_ASSERT(flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK);
	KT_ASSERT(flock(13, LOCK_SH | LOCK_NB) < 0);
	KT_ASSERT(flock(11, LOCK_UN) == 0 && flock(13, LOCK_EX) == 0);
	KT_ASSERT(at(open(DIR_, O_RDONLY | O_DIRECTORY), 15) == 15);
	KT_ASSERT(flock(15, LOCK_EX | LOCK_NB) < 0);
	KT_ASSERT(flock(15, LOCK_SH | LOCK_NB) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		l = (struct flock){
		    .l_type = F_WRLCK, .l_start = 10, .l_len = 1};
		_exit(fcntl(10, F_SETLK, &l) == 0);
	}
	KT_ASSERT(waitpid(pid, &st, 0) == pid && st == 0);
	return 0;
}

static int
test_lock(void)
{
	return kt_simple(lock_setup, lock_verify);
}

static int
lease_setup(void *sh)
{
	(void)sh;
	(void)mkdir(DIR_, 0755);
	KT_ASSERT(content(DIR_ "/lease", "") == 0);
	KT_ASSERT(at(open(DIR_ "/lease", O_RDONLY), 10) == 10);
	KT_ASSERT(fcntl(10, F_SETLEASE, F_RDLCK) == 0);
	return 0;
}

static int
test_lease(void)
{
	return kt_refused(lease_setup, "lease");
}

static int
sigio_setup(void *sh)
{
	struct f_owner_ex own = {.type = F_OWNER_PID, .pid = getpid()};
	int p[2];

	(void)sh;
	KT_ASSERT(pipe(p) == 0 && at(p[0], 10) == 10 && at(p[1], 11) == 11);
	KT_ASSERT(fcntl(10, F_SETOWN_EX, &own) == 0);
	KT_ASSERT(fcntl(10, F_SETSIG, SIGUSR1) == 0);
	KT_ASSERT(fcntl(10, F_SETFL, O_ASYNC) == 0);
	return 0;
}

static volatile sig_atomic_t got, got_fd;

static void
handler(int sig, siginfo_t *si, void *ctx)
{
	(void)ctx;
	got = sig;
	got_fd = si->si_fd;
}

static int
sigio_verify(void *sh)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	struct f_owner_ex own = {0};

	(void)sh;
	KT_ASSERT(sigaction(SIGUSR1, &sa, NULL) == 0);
	KT_ASSERT(fcntl(10, F_GETOWN_EX, &own) == 0 &&
		  own.type == F_OWNER_PID && own.pid == getpid());
	KT_ASSERT(fcntl(10, F_GETFL) == O_ASYNC);
	KT_ASSERT(write(11, "x", 1) == 1 && got == SIGUSR1 && got_fd == 10);
	return 0;
}

static int
test_sigio(void)
{
	return kt_simple(sigio_setup, sigio_verify);
}

int
main(int argc, char **argv)
{
	static const struct kt_test tests[] = {
	    {"reg", test_reg},
	    {"ghost", test_ghost},
	    {"memfd", test_memfd},
	    {"huge", test_huge},
	    {"dir", test_dir},
	    {"dev", test_dev},
	    {"dev-refused", test_dev_refused},
	    {"proc", test_proc},
	    {"ns-refused", test_ns_refused},
	    {"lock", test_lock},
	    {"lease", test_lease},
	    {"sigio", test_sigio},
	};

	return kt_main(tests, ARRAY_LEN(tests), argc > 1 ? argv[1] : NULL);
}
