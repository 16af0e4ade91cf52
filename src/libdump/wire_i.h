/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The layout of the stream, as vps-image(5) specifies it, and the encoding of
 * records. All numbers are little-endian; every block, field and list element
 * begins at a multiple of 8 bytes of its payload.
 */
#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "libdump/desc_i.h"
#include "libdump/vd.h"

#define WIRE_MAGIC    "VPSIMG\r\n"
#define WIRE_VERSION  1u
#define WIRE_ORDER    0x01020304u
#define WIRE_SUM_XXH3 1u

/* Stream header: 0 magic[8], 8 u32 version, 12 u32 byte order, 16 u32 page
 * size, 20 u32 checksum kind, 24 i64 time, 32 zero[24], 56 u64 checksum of
 * what is before it. */
#define WIRE_HEAD 64u

/* Block header: 0 u32 type, 4 u32 flags (0), 8 u64 payload bytes, 16 u64
 * sequence number, 24 u64 checksum of the payload, 32 u64 checksum of what is
 * before it. */
#define WIRE_BLOCK 40u

/* Block types above those of records. */
#define WIRE_PAGES 0x10000u
#define WIRE_END   0x10001u

/* Bit of a record number or field tag: readers that don't know it skip it. */
#define WIRE_OPTIONAL 0x8000u

/* Pages block: u32 object, u32 extents, u32 pages, u32 0; per extent u64
 * address, u64 pages; zeros up to a multiple of VD_PAGE of the stream; pages.
 * The end block: u64 records, u64 pages blocks, u64 pages, u64 running
 * checksum of all blocks before it. */
#define WIRE_PAGES_HEAD 16u
#define WIRE_EXTENT     16u
#define WIRE_END_LEN    32u

/* A field: u16 tag, u16 kind, u32 bytes, the bytes, zeros up to a multiple of
 * 8. A list element: u32 bytes, u32 0, fields. A string has its NUL. */
#define WIRE_FIELD 8u

#define WIRE_RECORD_MAX (16u << 20)
#define WIRE_DEPTH_MAX  8

struct wire_end {
	uint64_t records, blocks, pages, sum;
};

static inline size_t
wire_pad8(size_t n)
{
	return -n & 7;
}

static inline uint32_t
get_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t
get_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void
put_u32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
put_u64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

uint64_t wire_sum(const void *p, size_t n);
uint64_t wire_sumv(const struct iovec *iov, int n);
/* The same with AVX2: almost twice as fast. */
uint64_t wire_sum_avx2(const void *p, size_t n);
uint64_t wire_sumv_avx2(const struct iovec *iov, int n);
/* The chain over all blocks: what was before, and a block header's checksum. */
uint64_t wire_chain(uint64_t sum, uint64_t block_sum);
/* Fills a block header. */
void wire_block(uint8_t *h, uint32_t type, uint64_t len, uint64_t seq,
    uint64_t payload_sum);

/* Appends the fields of `rec`; -EINVAL for what can't be encoded. */
int vd_encode(const struct vd_type *t, const void *rec, struct buf *b);

/* Memory of decoded records, freed as a whole. */
struct vd_arena {
	struct vd_chunk *head;
	size_t bytes, max;
};
void *vd_arena_alloc(struct vd_arena *a, size_t n);
void vd_arena_free(struct vd_arena *a);

/* Decodes `n` bytes at `p` (8-aligned) into a record allocated from `a`. The
 * record points into `p`, which is changed on big-endian hosts. On failure
 * -EBADMSG and a reason in `why`, or -ENOMEM. */
int vd_decode(const struct vd_type *t, uint8_t *p, size_t n, struct vd_arena *a,
    void **ret, char *why, size_t whylen);
