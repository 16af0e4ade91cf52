/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Memory that is given back all at once. Zeroed, aligned to 16 bytes.
 */
#pragma once
#include <stddef.h>

struct arena_chunk;
struct arena {
	struct arena_chunk *head; /* owned */
	size_t total;             /* bytes handed out */
};

void *arena_alloc(struct arena *a, size_t n);              /* NULL: no memory */
void *arena_array(struct arena *a, size_t n, size_t size); /* checked n*size */
void *arena_copy(struct arena *a, const void *p, size_t n);
char *arena_str(struct arena *a, const char *s);
void arena_fini(struct arena *a);
