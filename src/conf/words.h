/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lists of strings, and the two ways in which a value is one: words separated
 * by blanks with quotes ('...' or "...", no escapes), and items separated by
 * commas with blanks around them.
 */
#pragma once
#include "conf/spec.h"

void strs_fini(struct spec_strs *l);
bool strs_equal(const struct spec_strs *a, const struct spec_strs *b);
/* A copy of n bytes is added; -E2BIG beyond SPEC_LIST_MAX. */
int strs_add(struct spec_strs *l, const char *s, size_t n);
/* -EINVAL: a quote isn't closed. */
int words_split(const char *s, struct spec_strs *ret);
/* -EINVAL: an item is empty. An empty string is an empty list. */
int items_split(const char *s, struct spec_strs *ret);
