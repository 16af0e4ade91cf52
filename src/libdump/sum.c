/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Checksums: XXH3-64 with seed 0. Against corruption only; whoever can change
 * an image can change its checksums.
 *
 * All of XXH3 is in its header, so that no library is loaded at start.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "libdump/wire_i.h"

#ifdef __x86_64__
#define HAS_AVX2() __builtin_cpu_supports("avx2")
#else
#define HAS_AVX2() 0
#endif

/* What is shorter isn't worth the look. */
#define LONG 4096

uint64_t
wire_sum(const void *p, size_t n)
{
	if (n >= LONG && HAS_AVX2())
		return wire_sum_avx2(p, n);
	return XXH3_64bits(p, n);
}

uint64_t
wire_sumv(const struct iovec *iov, int n)
{
	XXH3_state_t st;
	int i;

	if (HAS_AVX2())
		return wire_sumv_avx2(iov, n);
	(void)XXH3_64bits_reset(&st);
	for (i = 0; i < n; i++)
		(void)XXH3_64bits_update(&st, iov[i].iov_base, iov[i].iov_len);
	return XXH3_64bits_digest(&st);
}

uint64_t
wire_chain(uint64_t sum, uint64_t block_sum)
{
	uint8_t b[16];

	put_u64(b, sum);
	put_u64(b + 8, block_sum);
	return XXH3_64bits(b, sizeof(b));
}

void
wire_block(
    uint8_t *h, uint32_t type, uint64_t len, uint64_t seq, uint64_t payload_sum)
{
	put_u32(h, type);
	put_u32(h + 4, 0);
	put_u64(h + 8, len);
	put_u64(h + 16, seq);
	put_u64(h + 24, payload_sum);
	put_u64(h + 32, wire_sum(h, 32));
}
