/* SPDX-License-Identifier: BSD-2-Clause
 * Memory that processes share: anonymous, a memfd, a file, a file without a
 * name; and private copies of file pages. What one writes the other sees. */
#include "payload.h"

#define LEN (256 * 1024)

int
main(int argc, char **argv)
{
	unsigned char *anon, *mem, *file, *gone, *priv;
	int mfd, ffd, gfd, go[2];
	pid_t pid;
	char c;

	pl_init(argc, argv);
	anon = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	mfd = pl_ok(memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	pl_ok(ftruncate(mfd, LEN));
	mem = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, mfd, 0);
	ffd = pl_ok(open("file", O_RDWR | O_CREAT | O_TRUNC, 0600));
	pl_ok(ftruncate(ffd, LEN));
	file = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, ffd, 0);
	gfd = pl_ok(open("gone", O_RDWR | O_CREAT | O_TRUNC, 0600));
	pl_ok(ftruncate(gfd, LEN));
	gone = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, gfd, 0);
	pl_ok(unlink("gone"));
	close(gfd);
	priv = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE, ffd, 0);
	pl_check(anon != MAP_FAILED && mem != MAP_FAILED &&
		 file != MAP_FAILED && gone != MAP_FAILED &&
		 priv != MAP_FAILED);
	pl_fill(anon, LEN, 1);
	pl_fill(mem, LEN, 2);
	pl_fill(file, LEN, 3);
	pl_fill(gone, LEN, 4);
	pl_fill(priv + 8192, 4096, 5);
	pl_ok(pipe(go));
	pid = pl_ok(fork());
	if (pid == 0) {
		close(go[1]);
		pl_eq(read(go[0], &c, 1), 1);
		pl_check(anon[0] == 'A' && mem[0] == 'M' && file[0] == 'F' &&
			 gone[0] == 'G');
		anon[1] = 'a';
		mem[1] = 'm';
		file[1] = 'f';
		gone[1] = 'g';
		/* Its copy is its own. */
		pl_check(pl_filled(priv + 8192, 4096, 5));
		priv[8192] = 'x';
		_exit(0);
	}
	close(go[0]);
	pl_wait();
	pl_check(pl_filled(anon, LEN, 1));
	pl_check(pl_filled(mem, LEN, 2));
	pl_check(pl_filled(file, LEN, 3));
	pl_check(pl_filled(gone, LEN, 4));
	pl_check(pl_filled(priv + 8192, 4096, 5));
	pl_eq(fcntl(mfd, F_GET_SEALS), 0);
	pl_eq(lseek(mfd, 0, SEEK_END), LEN);
	anon[0] = 'A';
	mem[0] = 'M';
	file[0] = 'F';
	gone[0] = 'G';
	pl_eq(write(go[1], "x", 1), 1);
	pl_join(pid);
	pl_check(anon[1] == 'a' && mem[1] == 'm' && file[1] == 'f' &&
		 gone[1] == 'g');
	pl_check(pl_filled(priv + 8192, 4096, 5));
	pl_eq(pread(ffd, &c, 1, 1), 1);
	pl_eq(c, 'f');
	pl_eq(pread(mfd, &c, 1, 1), 1);
	pl_eq(c, 'm');
	return pl_pass();
}
