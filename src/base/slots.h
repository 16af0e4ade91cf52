/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Areas of memory found by (number, object), made zeroed when first asked for.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct slots {
	void *tree;          /* tsearch(3) */
	struct arena *arena; /* borrowed: holds the areas */
};

/* NULL: no memory. */
void *slots_get(struct slots *s, uint32_t number, uint64_t object, size_t size);
void slots_fini(struct slots *s);
