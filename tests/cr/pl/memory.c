/* SPDX-License-Identifier: BSD-2-Clause
 * Private memory: anonymous, heap, stack, holes, no access, read only. */
#include "payload.h"

#define MIB (1UL << 20)

int
main(int argc, char **argv)
{
	unsigned char stack[64 * 1024], *a, *hole, *ro, *none, *heap;
	unsigned char vec[4];

	pl_init(argc, argv);
	a = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pl_check(a != MAP_FAILED);
	pl_fill(a, 8 * MIB, 1);
	/* One page written in the middle of nothing. */
	hole = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pl_check(hole != MAP_FAILED);
	pl_fill(hole + 32 * MIB, 4096, 2);
	ro = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pl_check(ro != MAP_FAILED);
	pl_fill(ro, MIB, 3);
	pl_ok(mprotect(ro, MIB, PROT_READ));
	none = mmap(NULL, MIB, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pl_check(none != MAP_FAILED);
	pl_fill(none, MIB, 4);
	pl_ok(mprotect(none, MIB, PROT_NONE));
	heap = sbrk(0);
	pl_check(sbrk(MIB) != (void *)-1);
	pl_fill(heap, MIB, 5);
	pl_fill(stack, sizeof(stack), 6);
	pl_wait();
	pl_check(pl_filled(a, 8 * MIB, 1));
	pl_check(pl_filled(hole + 32 * MIB, 4096, 2));
	for (size_t i = 0; i < 4096; i++)
		pl_eq(hole[31 * MIB + i], 0);
	/* Nobody gave it pages that it didn't have. */
	pl_ok(mincore(hole + 40 * MIB, 4 * 4096, vec));
	pl_eq(vec[0] & 1, 0);
	pl_check(pl_filled(ro, MIB, 3));
	pl_ok(mprotect(none, MIB, PROT_READ));
	pl_check(pl_filled(none, MIB, 4));
	pl_check(pl_filled(heap, MIB, 5));
	pl_check(sbrk(0) == heap + MIB);
	pl_check(pl_filled(stack, sizeof(stack), 6));
	return pl_pass();
}
