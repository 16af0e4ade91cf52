/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/slots.h"

#include <search.h>

struct slot {
	uint32_t number;
	uint64_t object;
	void *area;
};

static int
slot_cmp(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

void *
slots_get(struct slots *s, uint32_t number, uint64_t object, size_t size)
{
	struct slot key = {number, object, NULL}, *n;
	void *found = tfind(&key, &s->tree, slot_cmp);

	if (found != NULL)
		return (*(struct slot **)found)->area;
	n = arena_copy(s->arena, &key, sizeof(key));
	if (n == NULL)
		return NULL;
	n->area = arena_alloc(s->arena, size);
	if (n->area == NULL || tsearch(n, &s->tree, slot_cmp) == NULL)
		return NULL;
	return n->area;
}

static void
nofree(void *p)
{
	(void)p; /* the arena's */
}

void
slots_fini(struct slots *s)
{
	tdestroy(s->tree, nofree);
	s->tree = NULL;
}
