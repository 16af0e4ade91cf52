/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Records to bytes, by descriptor. What is zero or empty isn't written.
 */
#include "libdump/wire_i.h"

#include <errno.h>

static void
add_head(struct buf *b, const struct vd_field *f, size_t len)
{
	uint8_t h[WIRE_FIELD];

	put_u32(h, f->tag | (uint32_t)f->kind << 16);
	put_u32(h + 4, (uint32_t)len);
	buf_add(b, h, sizeof(h));
}

static void
add_pad(struct buf *b)
{
	static const uint8_t zero[8];

	buf_add(b, zero, wire_pad8(b->len));
}

static int
add_bytes(struct buf *b, const struct vd_field *f, const void *p, size_t n)
{
	if (n == 0)
		return 0;
	if (n > WIRE_RECORD_MAX)
		return -E2BIG;
	add_head(b, f, n);
	buf_add(b, p, n);
	add_pad(b);
	return 0;
}

static int
add_u64(struct buf *b, const struct vd_field *f, uint64_t v)
{
	v = htole64(v);
	return v == 0 ? 0 : add_bytes(b, f, &v, sizeof(v));
}

static int
add_array(struct buf *b, const struct vd_field *f, const void *rec)
{
	size_t i, n = vd_count(f, rec);
	const void *p = vd_array(f, rec);
	size_t each = f->kind == VD_K_U32S ? 4 : 8;
	uint8_t *d;

	if (n == 0)
		return 0;
	if (n > WIRE_RECORD_MAX / each)
		return -E2BIG;
	add_head(b, f, n * each);
	d = buf_reserve(b, n * each);
	if (d == NULL)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (each == 4)
			put_u32(d + i * 4, ((const uint32_t *)p)[i]);
		else
			put_u64(d + i * 8, ((const uint64_t *)p)[i]);
	b->len += n * each;
	add_pad(b);
	return 0;
}

static int
encode(const struct vd_type *t, const void *rec, struct buf *b, int depth);

static int
add_list(struct buf *b, const struct vd_field *f, const void *rec, int depth)
{
	size_t i, n = vd_count(f, rec), start, el;
	const uint8_t *p = vd_array(f, rec);
	int r;

	if (n == 0)
		return 0;
	add_head(b, f, 0);
	start = b->len;
	for (i = 0; i < n; i++) {
		static const uint8_t zero[8];

		buf_add(b, zero, sizeof(zero));
		el = b->len;
		r = encode(f->sub, p + i * f->sub->size, b, depth + 1);
		if (r < 0)
			return r;
		if (buf_err(b) != 0)
			return buf_err(b);
		put_u32(b->data + el - 8, (uint32_t)(b->len - el));
	}
	put_u32(b->data + start - 4, (uint32_t)(b->len - start));
	return 0;
}

static int
add_field(struct buf *b, const struct vd_field *f, const void *rec, int depth)
{
	const void *p = vd_at(rec, f->off);
	const struct vd_bytes *bytes;
	const char *s;
	uint32_t v;

	switch ((enum vd_kind)f->kind) {
	case VD_K_U32:
		v = htole32(*(const uint32_t *)p);
		return v == 0 ? 0 : add_bytes(b, f, &v, sizeof(v));
	case VD_K_U64:
	case VD_K_I64:
		return add_u64(b, f, *(const uint64_t *)p);
	case VD_K_STR:
		s = *(const char *const *)p;
		if (s == NULL || *s == '\0')
			return 0;
		return add_bytes(b, f, s, strlen(s) + 1);
	case VD_K_BYTES:
		bytes = p;
		return add_bytes(b, f, bytes->p, bytes->n);
	case VD_K_U32S:
	case VD_K_U64S:
		return add_array(b, f, rec);
	case VD_K_LIST:
		return add_list(b, f, rec, depth);
	}
	return -EINVAL;
}

static int
encode(const struct vd_type *t, const void *rec, struct buf *b, int depth)
{
	uint32_t i;
	int r;

	if (depth > WIRE_DEPTH_MAX)
		return -EINVAL;
	for (i = 0; i < t->nfields; i++) {
		r = add_field(b, &t->field[i], rec, depth);
		if (r < 0)
			return r;
		if (b->len > (size_t)WIRE_RECORD_MAX * 2)
			return -E2BIG;
	}
	return buf_err(b);
}

int
vd_encode(const struct vd_type *t, const void *rec, struct buf *b)
{
	return encode(t, rec, b, 0);
}
