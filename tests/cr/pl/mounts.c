/* SPDX-License-Identifier: BSD-2-Clause
 * @cr alone userns
 * Mounts made inside: a tmpfs with contents, owners, times, links and a FIFO,
 * an open file on it, a bind mount of a directory. */
#include <sys/mount.h>
#include <sys/vfs.h>

#include "payload.h"

int
main(int argc, char **argv)
{
	struct timespec when[2] = {{1000000000, 5}, {1100000000, 7}};
	struct stat st, st2;
	struct statfs fs;
	char buf[64];
	int fd, fd2;

	pl_init(argc, argv);
	pl_ok(mkdir("t", 0755));
	pl_ok(mkdir("b", 0755));
	pl_ok(mkdir("src", 0755));
	pl_ok(mount(
	    "some", "t", "tmpfs", MS_NOSUID | MS_NODEV, "size=5m,mode=0751"));
	pl_ok(mount("src", "b", NULL, MS_BIND, NULL));
	pl_ok(mkdir("t/dir", 0700));
	fd = pl_ok(open("t/dir/file", O_RDWR | O_CREAT, 0640));
	pl_eq(write(fd, "contents", 8), 8);
	pl_eq(lseek(fd, 3, SEEK_SET), 3);
	pl_ok(fchown(fd, 12, 34));
	pl_ok(fchmod(fd, 02640));
	pl_ok(futimens(fd, when));
	pl_ok(link("t/dir/file", "t/hard"));
	pl_ok(symlink("dir/file", "t/soft"));
	pl_ok(mkfifo("t/fifo", 0600));
	fd2 = pl_ok(creat("src/under", 0600));
	close(fd2);
	pl_wait();
	pl_ok(statfs("t", &fs));
	pl_eq(fs.f_type, 0x01021994);
	pl_eq(fs.f_blocks * (unsigned long)fs.f_bsize, 5 << 20);
	pl_ok(stat("t", &st));
	pl_eq(st.st_mode & 07777, 0751);
	pl_ok(stat("t/dir/file", &st));
	pl_eq(st.st_mode & 07777, 02640);
	pl_check(st.st_uid == 12 && st.st_gid == 34);
	pl_eq(st.st_mtim.tv_sec, 1100000000);
	pl_eq(st.st_mtim.tv_nsec, 7);
	pl_ok(stat("t/hard", &st2));
	pl_eq(st.st_ino, st2.st_ino);
	pl_eq(st.st_nlink, 2);
	pl_ok(fstat(fd, &st2));
	pl_eq(st.st_ino, st2.st_ino);
	pl_eq(read(fd, buf, sizeof(buf)), 5);
	pl_check(memcmp(buf, "tents", 5) == 0);
	pl_eq(readlink("t/soft", buf, sizeof(buf)), 8);
	pl_ok(lstat("t/fifo", &st));
	pl_check(S_ISFIFO(st.st_mode));
	pl_ok(access("b/under", F_OK));
	close(fd);
	pl_ok(umount("b"));
	pl_ok(umount("t"));
	return pl_pass();
}
