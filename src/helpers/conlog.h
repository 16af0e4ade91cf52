/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The console's log: a file of bounded size that loses its older half when it
 * is full.
 */
#pragma once
#include <stddef.h>

#include "base/buf.h"

struct conlog {
	int dir, fd; /* dir is borrowed */
	size_t len, max;
};

int conlog_open(struct conlog *l, int dir, size_t max);
void conlog_add(struct conlog *l, const char *b, size_t n);
/* The last n bytes or fewer. */
void conlog_last(const struct conlog *l, struct buf *out, size_t n);
