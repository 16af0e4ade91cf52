/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Descriptors of the record types, made from the rows of types/NAME.def.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "libdump/types.h"

/* As on the wire: numbers are for ever. */
enum vd_kind {
	VD_K_U32 = 1,
	VD_K_U64 = 2,
	VD_K_I64 = 3,
	VD_K_STR = 4,
	VD_K_BYTES = 5,
	VD_K_U32S = 6,
	VD_K_U64S = 7,
	VD_K_LIST = 8,
};

struct vd_field {
	const char *name, *help;
	uint16_t tag;
	uint16_t kind;             /* enum vd_kind */
	uint32_t off;              /* in the struct */
	uint32_t noff;             /* of the count: U32S, U64S, LIST */
	const struct vd_type *sub; /* LIST */
};

struct vd_type {
	const char *name, *help;
	uint32_t number;
	uint32_t size;
	uint32_t nfields;
	const struct vd_field *field; /* tags ascend */
};

extern const struct vd_type *const vd_types[];
extern const size_t vd_ntypes;

static inline const void *
vd_at(const void *rec, uint32_t off)
{
	return (const uint8_t *)rec + off;
}

static inline size_t
vd_count(const struct vd_field *f, const void *rec)
{
	return *(const size_t *)vd_at(rec, f->noff);
}

/* The array behind a U32S, U64S or LIST field. */
static inline const void *
vd_array(const struct vd_field *f, const void *rec)
{
	return *(const void *const *)vd_at(rec, f->off);
}
