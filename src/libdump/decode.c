/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes to records, by descriptor. The bytes come from anywhere: nothing in
 * them is believed before it is checked. The record's memory is bounded, since
 * a list element of 8 bytes becomes a whole struct.
 *
 * Strings are bytes without NUL, not necessarily UTF-8: file names aren't.
 */
#include "libdump/wire_i.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct vd_chunk {
	struct vd_chunk *next;
	size_t used, size;
	_Alignas(16) uint8_t data[];
};

void *
vd_arena_alloc(struct vd_arena *a, size_t n)
{
	struct vd_chunk *c = a->head;
	void *p;

	if (n > a->max)
		return NULL;
	n = (n + 15) & ~(size_t)15;
	if (n > a->max - a->bytes)
		return NULL;
	if (c == NULL || n > c->size - c->used) {
		size_t size = c == NULL ? 496 : c->size * 2;

		if (size > 1 << 20)
			size = 1 << 20;
		if (size < n)
			size = n;
		c = malloc(sizeof(*c) + size);
		if (c == NULL)
			return NULL;
		*c = (struct vd_chunk){.next = a->head, .size = size};
		a->head = c;
	}
	p = c->data + c->used;
	c->used += n;
	a->bytes += n;
	memset(p, 0, n);
	return p;
}

void
vd_arena_free(struct vd_arena *a)
{
	struct vd_chunk *c, *next;

	for (c = a->head; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	a->head = NULL;
	a->bytes = 0;
}

struct dec {
	struct vd_arena *a;
	char *why;
	size_t whylen;
};

static int __attribute__((format(printf, 4, 5))) bad(const struct dec *d,
    const struct vd_type *t, const struct vd_field *f, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(d->why, d->whylen, "%s%s%s: %s", t->name,
	    f != NULL ? " " : "", f != NULL ? f->name : "", text);
	return -EBADMSG;
}

static const struct vd_field *
field_by_tag(const struct vd_type *t, uint32_t tag)
{
	uint32_t i;

	for (i = 0; i < t->nfields; i++)
		if (t->field[i].tag == tag)
			return &t->field[i];
	return NULL;
}

static int decode(const struct dec *d, const struct vd_type *t, uint8_t *p,
    size_t n, void *rec, int depth);

static int
dec_array(const struct dec *d, const struct vd_type *t,
    const struct vd_field *f, uint8_t *p, size_t n, void *rec)
{
	size_t each = f->kind == VD_K_U32S ? 4 : 8;
	size_t i;

	if (n % each != 0)
		return bad(d, t, f, "%zu bytes aren't whole numbers", n);
	for (i = 0; i < n; i += each) {
		uint32_t v32;
		uint64_t v64;

		if (each == 4) {
			v32 = get_u32(p + i);
			memcpy(p + i, &v32, sizeof(v32));
		} else {
			v64 = get_u64(p + i);
			memcpy(p + i, &v64, sizeof(v64));
		}
	}
	*(void **)((uint8_t *)rec + f->off) = p;
	*(size_t *)(void *)((uint8_t *)rec + f->noff) = n / each;
	return 0;
}

static int
dec_list(const struct dec *d, const struct vd_type *t, const struct vd_field *f,
    uint8_t *p, size_t n, void *rec, int depth)
{
	size_t count = 0, off, len;
	uint8_t *el;
	int r;

	if (depth >= WIRE_DEPTH_MAX)
		return bad(d, t, f, "nested too deep");
	for (off = 0; off < n; off += 8 + len, count++) {
		if (n - off < 8)
			return bad(d, t, f, "element %zu is cut", count);
		len = get_u32(p + off);
		if (len > n - off - 8 || len % 8 != 0 ||
		    get_u32(p + off + 4) != 0)
			return bad(
			    d, t, f, "element %zu has a bad length", count);
	}
	if (count > d->a->max / f->sub->size)
		return bad(d, t, f, "%zu elements are too many", count);
	el = vd_arena_alloc(d->a, count * f->sub->size);
	if (el == NULL)
		return bad(d, t, f, "%zu elements need too much memory", count);
	*(void **)((uint8_t *)rec + f->off) = el;
	*(size_t *)(void *)((uint8_t *)rec + f->noff) = count;
	for (off = 0; off < n; off += 8 + len, el += f->sub->size) {
		len = get_u32(p + off);
		r = decode(d, f->sub, p + off + 8, len, el, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
dec_field(const struct dec *d, const struct vd_type *t,
    const struct vd_field *f, uint8_t *p, size_t n, void *rec, int depth)
{
	void *to = (uint8_t *)rec + f->off;

	switch ((enum vd_kind)f->kind) {
	case VD_K_U32:
		if (n != 4)
			return bad(d, t, f, "%zu bytes in place of 4", n);
		*(uint32_t *)to = get_u32(p);
		return 0;
	case VD_K_U64:
	case VD_K_I64:
		if (n != 8)
			return bad(d, t, f, "%zu bytes in place of 8", n);
		*(uint64_t *)to = get_u64(p);
		return 0;
	case VD_K_STR:
		if (n == 0 || memchr(p, '\0', n) != p + n - 1)
			return bad(d, t, f, "no string");
		*(const char **)to = (const char *)p;
		return 0;
	case VD_K_BYTES:
		*(struct vd_bytes *)to = (struct vd_bytes){p, n};
		return 0;
	case VD_K_U32S:
	case VD_K_U64S:
		return dec_array(d, t, f, p, n, rec);
	case VD_K_LIST:
		return dec_list(d, t, f, p, n, rec, depth);
	}
	return bad(d, t, f, "no such kind of field");
}

static int
decode(const struct dec *d, const struct vd_type *t, uint8_t *p, size_t n,
    void *rec, int depth)
{
	uint32_t i, last = 0;
	size_t off, len, pad, k;
	int r;

	for (i = 0; i < t->nfields; i++)
		if (t->field[i].kind == VD_K_STR)
			*(const char **)(void *)((uint8_t *)rec +
						 t->field[i].off) = "";
	for (off = 0; off < n; off += len + pad) {
		const struct vd_field *f;
		uint32_t tag, kind;

		if (n - off < WIRE_FIELD)
			return bad(d, t, NULL, "cut within a field");
		tag = get_u32(p + off) & 0xffff;
		kind = get_u32(p + off) >> 16;
		len = get_u32(p + off + 4);
		pad = wire_pad8(len);
		off += WIRE_FIELD;
		if (len > n - off || pad > n - off - len)
			return bad(d, t, NULL,
			    "field %u is longer than the record", tag);
		for (k = 0; k < pad; k++)
			if (p[off + len + k] != 0)
				return bad(d, t, NULL,
				    "field %u isn't padded with zeros", tag);
		if (tag <= last)
			return bad(
			    d, t, NULL, "field %u follows %u", tag, last);
		last = tag;
		f = field_by_tag(t, tag);
		if (f == NULL && (tag & WIRE_OPTIONAL) == 0)
			return bad(d, t, NULL, "unknown field %u", tag);
		if (f == NULL)
			continue;
		if (kind != f->kind)
			return bad(
			    d, t, f, "kind %u in place of %u", kind, f->kind);
		r = dec_field(d, t, f, p + off, len, rec, depth);
		if (r < 0)
			return r;
	}
	return 0;
}

int
vd_decode(const struct vd_type *t, uint8_t *p, size_t n, struct vd_arena *a,
    void **ret, char *why, size_t whylen)
{
	struct dec d = {.a = a, .why = why, .whylen = whylen};
	void *rec = vd_arena_alloc(a, t->size);
	int r;

	if (rec == NULL) {
		(void)snprintf(why, whylen, "%s: out of memory", t->name);
		return -ENOMEM;
	}
	r = decode(&d, t, p, n, rec, 0);
	if (r < 0)
		return r;
	*ret = rec;
	return 0;
}
