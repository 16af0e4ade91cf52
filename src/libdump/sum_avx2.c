/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sum.c's two functions once more; this file is compiled with -mavx2.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "libdump/wire_i.h"

uint64_t
wire_sum_avx2(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

uint64_t
wire_sumv_avx2(const struct iovec *iov, int n)
{
	XXH3_state_t st;
	int i;

	(void)XXH3_64bits_reset(&st);
	for (i = 0; i < n; i++)
		(void)XXH3_64bits_update(&st, iov[i].iov_base, iov[i].iov_len);
	return XXH3_64bits_digest(&st);
}
