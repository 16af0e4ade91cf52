/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A filesystem pass between two trees with different id ranges: what travels,
 * and that a tree whose directories turn into links while it is read leaves
 * everything outside alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "migrate/pass.h"

#define CHECK(c)                                                      \
	do {                                                          \
		if (!(c)) {                                           \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, \
			    __LINE__, #c, strerror(errno));           \
			exit(1);                                      \
		}                                                     \
	} while (0)

extern int
mount(const char *, const char *, const char *, unsigned long, const void *);

static const char *helper;

static void
make_fs(struct mig_fs *fs, const char *dir, unsigned base)
{
	fs->tree = (int)syscall(
	    SYS_open_tree, AT_FDCWD, dir, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	CHECK(fs->tree >= 0);
	(void)snprintf(fs->uid_map, sizeof(fs->uid_map), "0 %u 65536\n", base);
	(void)snprintf(fs->gid_map, sizeof(fs->gid_map), "0 %u 65536\n", base);
}

static void
pass(enum mig_pass_kind kind, int list, int *client, int *server)
{
	struct mig_pass c = MIG_PASS_INIT, s = MIG_PASS_INIT;
	struct vps_err e = {0};
	struct mig_fs from, to;
	struct pollfd p;
	int rd, wr;

	make_fs(&from, "a", 100000);
	make_fs(&to, "b", 900000);
	if (mig_pass_client(&c, kind, &from, list, helper, &e) < 0) {
		fprintf(stderr, "client: %s\n", e.msg);
		exit(1);
	}
	p = (struct pollfd){.fd = c.helper, .events = POLLIN};
	CHECK(poll(&p, 1, 10000) == 1);
	if (mig_pass_transport(&c, &rd, &wr) < 0) {
		mig_pass_listen(&c);
		fprintf(stderr, "no transport: %s\n", c.said);
		exit(1);
	}
	if (mig_pass_server(&s, kind, &to, rd, wr, &e) < 0) {
		fprintf(stderr, "server: %s\n", e.msg);
		exit(1);
	}
	(void)close(rd);
	(void)close(wr);
	*server = mig_pass_reap(&s);
	mig_pass_tell(&c, (unsigned char)*server);
	*client = mig_pass_reap(&c);
	if (*client != 0 || *server != 0)
		fprintf(stderr, "client %d: %s\nserver %d: %s\n", *client,
		    c.said, *server, s.said);
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	CHECK(close(fd) == 0);
	CHECK(chown(path, 100007, 100008) == 0);
}

static void
has(const char *path, const char *text)
{
	char b[256] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		fprintf(stderr, "%s:\n", path);
	CHECK(fd >= 0);
	CHECK(read(fd, b, sizeof(b) - 1) >= 0);
	if (strcmp(b, text) != 0) {
		fprintf(stderr, "%s holds '%s', not '%s'\n", path, b, text);
		exit(1);
	}
	(void)close(fd);
}

static void
full_pass(void)
{
	struct stat st, st2;
	char v[16] = {0};
	int c, s;

	put("a/file", "one");
	CHECK(link("a/file", "a/hard") == 0);
	CHECK(symlink("/etc/passwd", "a/link") == 0);
	CHECK(mkfifo("a/fifo", 0600) == 0);
	CHECK(chown("a/fifo", 100000, 100000) == 0);
	CHECK(setxattr("a/file", "user.x", "val", 3, 0) == 0 ||
	      errno == EOPNOTSUPP);
	CHECK(mkdir("a/dir", 0751) == 0);
	CHECK(chown("a/dir", 100001, 100001) == 0);
	put("a/dir/sub", "two");
	put("b/stale", "x");
	CHECK(chown("b/stale", 900000, 900000) == 0);
	CHECK(chmod("a/file", 06755) == 0);
	pass(MIG_PASS_FULL, -1, &c, &s);
	CHECK(c == 0 && s == 0);
	has("b/file", "one");
	has("b/dir/sub", "two");
	CHECK(access("b/stale", F_OK) < 0);
	CHECK(stat("b/file", &st) == 0);
	CHECK(st.st_uid == 900007 && st.st_gid == 900008);
	CHECK((st.st_mode & 07777) == 06755);
	CHECK(st.st_nlink == 2);
	CHECK(stat("b/hard", &st2) == 0 && st2.st_ino == st.st_ino);
	CHECK(lstat("b/fifo", &st) == 0 && S_ISFIFO(st.st_mode));
	CHECK(lstat("b/link", &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(stat("b/dir", &st) == 0 && (st.st_mode & 07777) == 0751);
	CHECK(st.st_uid == 900001);
	if (getxattr("a/file", "user.x", v, sizeof(v)) == 3)
		CHECK(getxattr("b/file", "user.x", v, sizeof(v)) == 3);
}

/* Same size, same time, other content: only a list pass sees it. */
static void
list_pass(void)
{
	static const char list[] = "dir/sub\0gone\0new/x";
	int c, s, fd = memfd_create("list", MFD_CLOEXEC);
	struct timespec ts[2];
	struct stat st;

	CHECK(mkdir("a/gone", 0700) == 0);
	CHECK(chown("a/gone", 100000, 100000) == 0);
	put("a/gone/below", "x");
	pass(MIG_PASS_FULL, -1, &c, &s);
	CHECK(c == 0 && s == 0);
	has("b/gone/below", "x");
	CHECK(stat("a/dir/sub", &st) == 0);
	ts[0] = st.st_atim;
	ts[1] = st.st_mtim;
	put("a/dir/sub", "TWO");
	CHECK(utimensat(AT_FDCWD, "a/dir/sub", ts, 0) == 0);
	pass(MIG_PASS_FULL, -1, &c, &s);
	has("b/dir/sub", "two");
	CHECK(unlink("a/gone/below") == 0 && rmdir("a/gone") == 0);
	CHECK(mkdir("a/new", 0711) == 0);
	CHECK(chown("a/new", 100003, 100003) == 0);
	put("a/new/x", "y");
	CHECK(write(fd, list, sizeof(list)) == sizeof(list));
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	pass(MIG_PASS_LIST, fd, &c, &s);
	CHECK(c == 0 && s == 0);
	has("b/dir/sub", "TWO");
	has("b/new/x", "y");
	CHECK(stat("b/new", &st) == 0 && st.st_uid == 900003);
	CHECK((st.st_mode & 07777) == 0711);
	CHECK(access("b/gone", F_OK) < 0);
	(void)close(fd);
}

/* The instance swaps a directory for a link to one of the host, all the time.
 */
static void
swapped_dir(void)
{
	int c, s;
	pid_t pid;

	CHECK(mkdir("a/swap", 0755) == 0);
	CHECK(chown("a/swap", 100000, 100000) == 0);
	for (int i = 0; i < 200; i++) {
		char p[64];

		(void)snprintf(p, sizeof(p), "a/swap/f%03d", i);
		put(p, "inside");
		(void)snprintf(p, sizeof(p), "outside/f%03d", i);
		put(p, "secret");
	}
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		char target[512];

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);

		CHECK(getcwd(target, sizeof(target) - 16) != NULL);
		strcat(target, "/outside");
		for (;;) {
			(void)rename("a/swap", "a/kept");
			(void)symlink(target, "a/swap");
			(void)unlink("a/swap");
			(void)rename("a/kept", "a/swap");
		}
	}
	for (int i = 0; i < 6; i++) {
		char p[64], b[16];

		pass(MIG_PASS_FULL, -1, &c, &s);
		for (int k = 0; k < 200; k++) {
			struct stat st;
			int fd;

			(void)snprintf(p, sizeof(p), "outside/f%03d", k);
			has(p, "secret");
			/* The link itself may have been copied. */
			if (lstat("b/swap", &st) < 0 || !S_ISDIR(st.st_mode))
				continue;
			(void)snprintf(p, sizeof(p), "b/swap/f%03d", k);
			fd = open(p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
			if (fd < 0)
				continue;
			CHECK(read(fd, b, 6) == 6);
			CHECK(memcmp(b, "inside", 6) == 0);
			(void)close(fd);
		}
	}
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

/* A link of the tree must not lead the writing end out of it either: the
 * target's own tree has one where the source has a directory. */
static void
link_at_target(void)
{
	char to[512];
	int c, s;

	CHECK(mkdir("a/conf", 0755) == 0);
	CHECK(chown("a/conf", 100000, 100000) == 0);
	put("a/conf/passwd", "evil");
	CHECK(getcwd(to, sizeof(to) - 16) != NULL);
	strcat(to, "/outside");
	CHECK(symlink(to, "b/conf") == 0);
	CHECK(lchown("b/conf", 900000, 900000) == 0);
	pass(MIG_PASS_FULL, -1, &c, &s);
	CHECK(access("outside/passwd", F_OK) < 0);
	has("b/conf/passwd", "evil");
}

int
main(int argc, char **argv)
{
	if (argc != 2 || geteuid() != 0) {
		fprintf(stderr, "usage, as root: mig_pass HELPER\n");
		return 77;
	}
	if (access("/usr/bin/rsync", X_OK) < 0) {
		fprintf(stderr, "no rsync\n");
		return 77;
	}
	helper = realpath(argv[1], NULL);
	CHECK(helper != NULL);
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, 16384ul | (1ul << 18), NULL) == 0);
	CHECK(mount("none", "/mnt", "tmpfs", 0, "mode=755") == 0);
	CHECK(chdir("/mnt") == 0);
	(void)umask(022);
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
	CHECK(mkdir("outside", 0755) == 0);
	CHECK(chown("a", 100000, 100000) == 0);
	CHECK(chown("b", 900000, 900000) == 0);
	full_pass();
	list_pass();
	swapped_dir();
	link_at_target();
	return 0;
}
