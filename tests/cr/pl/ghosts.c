/* SPDX-License-Identifier: BSD-2-Clause
 * Files without a name: with holes, attributes and several descriptions; one
 * that is mapped; one whose directory is gone, too; one whose name is another
 * file's; one made by O_TMPFILE; one whose other name is left. */
#include "payload.h"

#define MIB (1024 * 1024)

int
main(int argc, char **argv)
{
	struct timespec t[2] = {{1000000000, 5}, {1100000000, 7}};
	int a, ro, app, deep, old, tmp, linked, m;
	struct stat st, st2;
	char b[64], *map;

	pl_init(argc, argv);
	a = pl_ok(open("g", O_RDWR | O_CREAT | O_TRUNC, 0600));
	ro = pl_ok(open("g", O_RDONLY));
	app = pl_ok(open("g", O_WRONLY | O_APPEND));
	pl_eq(pwrite(a, "start", 5, 0), 5);
	pl_eq(pwrite(a, "middle", 6, 3 * MIB), 6);
	pl_eq(pwrite(a, "tail", 4, 5 * MIB + 4094), 4);
	pl_ok(ftruncate(a, 8 * MIB + 11));
	pl_ok(fchmod(a, 0751));
	pl_eq(lseek(ro, 3 * MIB, SEEK_SET), 3 * MIB);
	pl_ok(unlink("g"));
	pl_ok(futimens(a, t));

	m = pl_ok(open("m", O_RDWR | O_CREAT | O_TRUNC, 0600));
	pl_ok(ftruncate(m, 2 * 4096));
	map = pl_ok(
	    mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0));
	strcpy(map, "mapped");
	strcpy(map + 4096, "second");
	pl_ok(unlink("m"));

	pl_ok(mkdir("d", 0700));
	deep = pl_ok(open("d/x", O_RDWR | O_CREAT, 0600));
	pl_eq(write(deep, "deep", 4), 4);
	pl_ok(unlink("d/x"));
	pl_ok(rmdir("d"));
	old = pl_ok(open("r", O_RDWR | O_CREAT | O_TRUNC, 0600));
	pl_eq(write(old, "old", 3), 3);
	tmp = pl_ok(open("r2", O_WRONLY | O_CREAT, 0600));
	pl_ok(close(tmp));
	pl_ok(rename("r2", "r"));
	tmp = pl_ok(open(".", O_TMPFILE | O_RDWR, 0600));
	pl_eq(write(tmp, "tmpfile", 7), 7);
	linked = pl_ok(open("l", O_RDWR | O_CREAT | O_TRUNC, 0600));
	pl_eq(write(linked, "linked", 6), 6);
	pl_ok(link("l", "other"));
	pl_ok(unlink("l"));
	pl_wait();
	pl_ok(fstat(a, &st));
	pl_eq(st.st_nlink, 0);
	pl_eq(st.st_size, 8 * MIB + 11);
	pl_eq(st.st_mode & 07777, 0751);
	pl_eq(st.st_mtim.tv_sec, 1100000000);
	pl_eq(st.st_mtim.tv_nsec, 7);
	pl_check(st.st_blocks < 400);
	pl_eq(pread(a, b, 5, 0), 5);
	pl_check(memcmp(b, "start", 5) == 0);
	pl_eq(read(ro, b, 6), 6);
	pl_check(memcmp(b, "middle", 6) == 0);
	pl_eq(pread(ro, b, 4, 5 * MIB + 4094), 4);
	pl_check(memcmp(b, "tail", 4) == 0);
	pl_eq(write(app, "more", 4), 4);
	pl_eq(pread(ro, b, 64, 8 * MIB + 11), 4);
	pl_check(memcmp(b, "more", 4) == 0);
	pl_check(strcmp(map, "mapped") == 0);
	strcpy(map + 4096, "SECOND");
	pl_eq(pread(m, b, 7, 4096), 7);
	pl_check(strcmp(b, "SECOND") == 0);
	pl_eq(pwrite(m, "written", 8, 0), 8);
	pl_check(strcmp(map, "written") == 0);
	pl_eq(pread(deep, b, 64, 0), 4);
	pl_eq(lseek(old, 0, SEEK_CUR), 3);
	pl_eq(pread(old, b, 64, 0), 3);
	pl_ok(stat("r", &st));
	pl_eq(st.st_size, 0);
	pl_eq(pread(tmp, b, 64, 0), 7);
	pl_ok(linkat(tmp, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	pl_ok(stat("named", &st));
	pl_eq(st.st_size, 7);
	pl_ok(stat("other", &st));
	pl_ok(fstat(linked, &st2));
	pl_eq(st.st_ino, st2.st_ino);
	return pl_pass();
}
