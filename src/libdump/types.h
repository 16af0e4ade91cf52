/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The record types of an image. Each types/NAME.def describes one type by a
 * row per field; this header turns the rows into `struct vd_NAME`, and
 * types.c turns them into the descriptor `vd_type_NAME` that encode, decode,
 * print, JSON and the fuzz dictionary work from.
 *
 *   VD_U32(type, tag, field, help)    uint32_t
 *   VD_U64, VD_I64                    uint64_t, int64_t
 *   VD_STR                            const char *, never NULL after decoding
 *   VD_BYTES                          struct vd_bytes
 *   VD_U32S, VD_U64S                  uintN_t *field; size_t n_field
 *   VD_LIST(type, tag, sub, field, help)  struct vd_sub *field; size_t n_field
 *
 * Tags are for ever: a field keeps its tag, a removed field's tag stays unused.
 * A field that is zero or empty isn't written. An unknown tag is an error
 * unless its high bit (0x8000) says that readers may skip it.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct vd_bytes {
	const uint8_t *p;
	size_t n;
};

#define VD_BEGIN(t, num, help)    struct vd_##t {
#define VD_U32(t, tag, f, help)   uint32_t f;
#define VD_U64(t, tag, f, help)   uint64_t f;
#define VD_I64(t, tag, f, help)   int64_t f;
#define VD_STR(t, tag, f, help)   const char *f;
#define VD_BYTES(t, tag, f, help) struct vd_bytes f;
#define VD_U32S(t, tag, f, help) \
	uint32_t *f;             \
	size_t n_##f;
#define VD_U64S(t, tag, f, help) \
	uint64_t *f;             \
	size_t n_##f;
#define VD_LIST(t, tag, sub, f, help) \
	struct vd_##sub *f;           \
	size_t n_##f;
#define VD_END(t) \
	}         \
	;
#include "libdump/types/all.def"
#include "libdump/types/undef.h"

enum vd_number {
#define VD_BEGIN(t, num, help) VD_T_##t = (num),
/* The order counts. */
/* clang-format off */
#include "libdump/types/empty.h"
#include "libdump/types/all.def"
#include "libdump/types/undef.h"
	/* clang-format on */
};

struct vd_type;
#define VD_BEGIN(t, num, help) extern const struct vd_type vd_type_##t;
/* The order counts. */
/* clang-format off */
#include "libdump/types/empty.h"
#include "libdump/types/all.def"
#include "libdump/types/undef.h"
/* clang-format on */
