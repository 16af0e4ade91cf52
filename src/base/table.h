/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables for people: columns as wide as their widest cell, two blanks apart.
 * Bytes that could do something to a terminal are shown as '?'.
 */
#pragma once
#include <stdint.h>

#include "base/buf.h"

#define TABLE_COLS_MAX 16
#define TABLE_FMT_MAX  16

struct table {
	unsigned cols;
	unsigned right;   /* bit i: column i is aligned to the right */
	struct buf cells; /* strings, each with its NUL, row by row */
	unsigned n;
};

/* The first row. table_fini() frees. */
void table_init(
    struct table *t, unsigned right, unsigned cols, const char *const *heads);
void table_fini(struct table *t);
/* The next cell; a row is complete with `cols` of them. */
void table_cell(struct table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void table_print(const struct table *t, struct buf *out);

/* "640K", "1.5G": at most three digits and a unit of 1024. */
const char *fmt_bytes(uint64_t v, char s[TABLE_FMT_MAX]);
/* "7s", "5m09s", "4h12m", "3d04h". */
const char *fmt_age(uint64_t seconds, char s[TABLE_FMT_MAX]);
