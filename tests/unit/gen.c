/* SPDX-License-Identifier: BSD-2-Clause */
#include "gen.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libdump/desc_i.h"

static struct block {
	struct block *next;
	_Alignas(16) uint8_t data[];
} * blocks;

static void *
alloc(size_t n)
{
	struct block *b = calloc(1, sizeof(*b) + n);

	assert(b != NULL);
	b->next = blocks;
	blocks = b;
	return b->data;
}

void
gen_free(void)
{
	while (blocks != NULL) {
		struct block *next = blocks->next;

		free(blocks);
		blocks = next;
	}
}

/* Never 0, so that every field is written. */
static uint64_t
number(uint32_t *x)
{
	uint64_t v;

	*x = *x * 1664525u + 1013904223u;
	v = (uint64_t)*x << 32;
	*x = *x * 1664525u + 1013904223u;
	return (v | *x) | 1;
}

static void fill(const struct vd_type *t, void *rec, uint32_t *x, int depth);

static void
fill_field(const struct vd_field *f, uint8_t *rec, uint32_t *x, int depth)
{
	size_t i, n = 1 + number(x) % 5;
	uint8_t *p;
	void *to = rec + f->off;

	switch ((enum vd_kind)f->kind) {
	case VD_K_U32:
		*(uint32_t *)to = (uint32_t)number(x);
		break;
	case VD_K_U64:
	case VD_K_I64:
		*(uint64_t *)to = number(x);
		break;
	case VD_K_STR:
		p = alloc(n + 1);
		for (i = 0; i < n; i++)
			p[i] = (uint8_t)(1 + number(x) % 255);
		*(char **)to = (char *)p;
		break;
	case VD_K_BYTES:
		p = alloc(n);
		for (i = 0; i < n; i++)
			p[i] = (uint8_t)number(x);
		*(struct vd_bytes *)to = (struct vd_bytes){p, n};
		break;
	case VD_K_U32S:
		p = alloc(n * 4);
		for (i = 0; i < n; i++)
			((uint32_t *)(void *)p)[i] = (uint32_t)number(x);
		*(void **)to = p;
		break;
	case VD_K_U64S:
		p = alloc(n * 8);
		for (i = 0; i < n; i++)
			((uint64_t *)(void *)p)[i] = number(x);
		*(void **)to = p;
		break;
	case VD_K_LIST:
		n = 1 + (depth == 0);
		p = alloc(n * f->sub->size);
		for (i = 0; i < n; i++)
			fill(f->sub, p + i * f->sub->size, x, depth + 1);
		*(void **)to = p;
		break;
	}
	if (f->kind >= VD_K_U32S)
		*(size_t *)(void *)(rec + f->noff) = n;
}

static void
fill(const struct vd_type *t, void *rec, uint32_t *x, int depth)
{
	uint32_t i;

	for (i = 0; i < t->nfields; i++)
		fill_field(&t->field[i], rec, x, depth);
}

void *
gen_record(const struct vd_type *t, uint32_t seed)
{
	void *rec = alloc(t->size);

	fill(t, rec, &seed, 0);
	return rec;
}

static bool
field_equal(const struct vd_field *f, const uint8_t *a, const uint8_t *b)
{
	const struct vd_bytes *x, *y;
	const uint8_t *p, *q;
	size_t i, n;

	switch ((enum vd_kind)f->kind) {
	case VD_K_U32:
		return memcmp(a + f->off, b + f->off, 4) == 0;
	case VD_K_U64:
	case VD_K_I64:
		return memcmp(a + f->off, b + f->off, 8) == 0;
	case VD_K_STR:
		return strcmp(*(const char *const *)vd_at(a, f->off),
			   *(const char *const *)vd_at(b, f->off)) == 0;
	case VD_K_BYTES:
		x = vd_at(a, f->off);
		y = vd_at(b, f->off);
		return x->n == y->n && memcmp(x->p, y->p, x->n) == 0;
	default:
		break;
	}
	n = vd_count(f, a);
	if (n != vd_count(f, b))
		return false;
	p = vd_array(f, a);
	q = vd_array(f, b);
	if (f->kind != VD_K_LIST)
		return memcmp(p, q, n * (f->kind == VD_K_U32S ? 4 : 8)) == 0;
	for (i = 0; i < n; i++)
		if (!gen_equal(
			f->sub, p + i * f->sub->size, q + i * f->sub->size))
			return false;
	return true;
}

bool
gen_equal(const struct vd_type *t, const void *a, const void *b)
{
	uint32_t i;

	for (i = 0; i < t->nfields; i++)
		if (!field_equal(&t->field[i], a, b)) {
			(void)fprintf(stderr, "%s.%s differs\n", t->name,
			    t->field[i].name);
			return false;
		}
	return true;
}
