/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A growable byte buffer. An allocation failure sticks: later appends do
 * nothing and buf_err() tells, so that only the end needs a check.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define auto_buf __attribute__((cleanup(buf_fini)))

struct buf {
	uint8_t *data; /* owned */
	size_t len, cap;
	int err; /* 0 or -ENOMEM */
};

void buf_fini(struct buf *b);
void buf_reset(struct buf *b); /* keeps the memory, clears the error */
int buf_err(const struct buf *b);
/* Room for n more bytes behind len, which it doesn't move; NULL: no memory. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The content as a string; a NUL that doesn't count is put behind it. */
const char *buf_str(struct buf *b);
