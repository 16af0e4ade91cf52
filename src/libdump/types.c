/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The descriptors: types/all.def read three times, for the field tables, for
 * the types, and for the list of them all.
 */
#include "libdump/types.h"

#include "libdump/desc_i.h"
#include "libdump/vd.h"

#define ROW(t, tg, f, h, k) \
	{.name = #f,        \
	    .help = (h),    \
	    .tag = (tg),    \
	    .kind = (k),    \
	    .off = offsetof(struct vd_##t, f)},
#define ARRAY_ROW(t, tg, f, h, k, s)                \
	{.name = #f,                                \
	    .help = (h),                            \
	    .tag = (tg),                            \
	    .kind = (k),                            \
	    .off = offsetof(struct vd_##t, f),      \
	    .noff = offsetof(struct vd_##t, n_##f), \
	    .sub = (s)},

/* The order of the includes matters. */
/* clang-format off */
#define VD_BEGIN(t, num, help)    static const struct vd_field fields_##t[] = {
#define VD_U32(t, tag, f, help)   ROW(t, tag, f, help, VD_K_U32)
#define VD_U64(t, tag, f, help)   ROW(t, tag, f, help, VD_K_U64)
#define VD_I64(t, tag, f, help)   ROW(t, tag, f, help, VD_K_I64)
#define VD_STR(t, tag, f, help)   ROW(t, tag, f, help, VD_K_STR)
#define VD_BYTES(t, tag, f, help) ROW(t, tag, f, help, VD_K_BYTES)
#define VD_U32S(t, tag, f, help)  ARRAY_ROW(t, tag, f, help, VD_K_U32S, NULL)
#define VD_U64S(t, tag, f, help)  ARRAY_ROW(t, tag, f, help, VD_K_U64S, NULL)
#define VD_LIST(t, tag, sub, f, help) \
	ARRAY_ROW(t, tag, f, help, VD_K_LIST, &vd_type_##sub)
#define VD_END(t) \
	}         \
	;
#include "libdump/types/all.def"
#include "libdump/types/undef.h"

#define VD_BEGIN(t, num, h)                                        \
	const struct vd_type vd_type_##t = {.name = #t,            \
	    .help = (h),                                           \
	    .number = (num),                                       \
	    .size = sizeof(struct vd_##t),                         \
	    .nfields = sizeof(fields_##t) / sizeof(fields_##t[0]), \
	    .field = fields_##t};
#include "libdump/types/empty.h"
#include "libdump/types/all.def"
#include "libdump/types/undef.h"

#define VD_BEGIN(t, num, h) &vd_type_##t,
#include "libdump/types/empty.h"
const struct vd_type *const vd_types[] = {
#include "libdump/types/all.def"
};
#include "libdump/types/undef.h"

/* clang-format on */
const size_t vd_ntypes = sizeof(vd_types) / sizeof(vd_types[0]);

const char *
vd_type_name(const struct vd_type *t)
{
	return t->name;
}

const struct vd_type *
vd_type_by_number(uint32_t number)
{
	size_t i;

	for (i = 0; i < vd_ntypes; i++)
		if (vd_types[i]->number == number)
			return vd_types[i];
	return NULL;
}
