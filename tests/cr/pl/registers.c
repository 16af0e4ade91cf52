/* SPDX-License-Identifier: BSD-2-Clause
 * The registers of a busy process, the vector and x87 ones among them. A child
 * loads them, spins until a shared word changes, and looks at them again, all
 * in one piece of assembly. */
#include "payload.h"

#if defined(__x86_64__)
static int
spin(volatile int *stop, const unsigned char in[256], unsigned char out[256])
{
	unsigned long bad = 0;

	__asm__ volatile("movdqu (%[in]), %%xmm0\n\t"
			 "movdqu 16(%[in]), %%xmm7\n\t"
			 "movdqu 32(%[in]), %%xmm15\n\t"
			 "fldpi\n\t"
			 "mov $0x1122334455667788, %%r12\n\t"
			 "mov $0x99aabbccddeeff01, %%r13\n\t"
			 "std\n\t"
			 "1: cmpl $0, (%[stop])\n\t"
			 "je 1b\n\t"
			 "pushfq\n\t"
			 "pop %%r14\n\t"
			 "cld\n\t"
			 "movdqu %%xmm0, (%[out])\n\t"
			 "movdqu %%xmm7, 16(%[out])\n\t"
			 "movdqu %%xmm15, 32(%[out])\n\t"
			 "fstpt 48(%[out])\n\t"
			 "mov $0x1122334455667788, %%r15\n\t"
			 "cmp %%r12, %%r15\n\t"
			 "je 2f\n\t"
			 "or $1, %[bad]\n"
			 "2: mov $0x99aabbccddeeff01, %%r15\n\t"
			 "cmp %%r13, %%r15\n\t"
			 "je 3f\n\t"
			 "or $2, %[bad]\n"
			 "3: test $0x400, %%r14\n\t"
			 "jne 4f\n\t"
			 "or $4, %[bad]\n"
			 "4:\n\t"
			 : [bad] "+r"(bad)
			 : [in] "r"(in), [out] "r"(out), [stop] "r"(stop)
			 : "xmm0", "xmm7", "xmm15", "r12", "r13", "r14", "r15",
			 "cc", "memory", "st");
	return (int)bad;
}
#endif

int
main(int argc, char **argv)
{
	pl_init(argc, argv);
#if defined(__x86_64__)
	unsigned char in[256], out[256] = {0};
	volatile int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long double pi;
	pid_t pid;

	pl_check(stop != MAP_FAILED);
	pl_fill(in, sizeof(in), 9);
	pid = pl_ok(fork());
	if (pid == 0) {
		pl_eq(spin(stop, in, out), 0);
		pl_check(memcmp(in, out, 48) == 0);
		memcpy(&pi, out + 48, 10);
		pl_check(pi > 3.14159265L && pi < 3.14159266L);
		_exit(0);
	}
	pl_wait();
	*stop = 1;
	pl_join(pid);
#else
	pl_wait();
#endif
	return pl_pass();
}
