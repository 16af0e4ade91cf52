/* SPDX-License-Identifier: BSD-2-Clause
 * memfds: sealed, not sealable, mapped, mapped with the descriptor closed. */
#include "payload.h"

#define LEN (64 * 4096)

int
main(int argc, char **argv)
{
	int plain, sealed, ro, fut, closed;
	char link[128], path[64], *fmap, *cmap, *smap;
	ssize_t n;

	pl_init(argc, argv);
	plain = pl_ok(memfd_create("plain", 0));
	pl_eq(write(plain, "plain", 5), 5);
	sealed = pl_ok(memfd_create("sealed", MFD_ALLOW_SEALING));
	pl_ok(ftruncate(sealed, LEN));
	pl_eq(pwrite(sealed, "sealed", 6, LEN / 2), 6);
	pl_ok(fcntl(
	    sealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", sealed);
	ro = pl_ok(open(link, O_RDONLY));
	smap = pl_ok(mmap(NULL, LEN, PROT_READ, MAP_SHARED, ro, 0));
	/* Who has it mapped may go on writing. */
	fut = pl_ok(memfd_create("future", MFD_ALLOW_SEALING));
	pl_ok(ftruncate(fut, LEN));
	fmap =
	    pl_ok(mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fut, 0));
	pl_ok(fcntl(fut, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	pl_fill(fmap, LEN, 7);
	closed = pl_ok(memfd_create("closed", MFD_CLOEXEC));
	pl_ok(ftruncate(closed, LEN));
	cmap = pl_ok(
	    mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, closed, 0));
	pl_fill(cmap, LEN, 8);
	pl_ok(close(closed));
	pl_wait();
	pl_eq(lseek(plain, 0, SEEK_CUR), 5);
	pl_eq(pread(plain, link, 9, 0), 5);
	pl_check(memcmp(link, "plain", 5) == 0);
	pl_eq(fcntl(plain, F_GET_SEALS), F_SEAL_SEAL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", plain);
	n = pl_ok(readlink(path, link, sizeof(link) - 1));
	link[n] = '\0';
	pl_check(strcmp(link, "/memfd:plain (deleted)") == 0);
	pl_eq(fcntl(sealed, F_GET_SEALS),
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	pl_eq(pwrite(sealed, "x", 1, 0), -1);
	pl_eq(errno, EPERM);
	pl_eq(pread(ro, link, 6, LEN / 2), 6);
	pl_check(memcmp(link, "sealed", 6) == 0);
	pl_check(memcmp(smap + LEN / 2, "sealed", 6) == 0);
	pl_eq(fcntl(fut, F_GET_SEALS), F_SEAL_FUTURE_WRITE);
	pl_check(pl_filled(fmap, LEN, 7));
	fmap[0] = 'F';
	pl_eq(pread(fut, link, 1, 0), 1);
	pl_eq(link[0], 'F');
	pl_eq(pwrite(fut, "x", 1, 0), -1);
	pl_check(pl_filled(cmap, LEN, 8));
	cmap[0] = 1;
	return pl_pass();
}
