/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The skeleton: the program from which all processes of a restored instance are
 * forked. It does nothing; what its copies become is done to them from outside
 * (src/restore). Without a C library, so that there is nothing to take away:
 * no thread area, no rseq, no stack in use.
 */
#include <asm/unistd.h>

void _start(void);

void
_start(void)
{
	for (;;) {
		long r;

		__asm__ volatile("syscall"
				 : "=a"(r)
				 : "a"(__NR_pause)
				 : "rcx", "r11", "memory");
	}
}
