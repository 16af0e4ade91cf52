/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes JSON into a buffer, indented by two blanks. `key` is NULL for the
 * outermost value and inside arrays. Strings are taken as UTF-8; each byte that
 * isn't becomes U+FFFD. Numbers are written in full, up to 2^64-1.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH_MAX 16

struct json {
	struct buf *out;           /* borrowed; carries the error */
	unsigned depth;            /* what is open */
	bool one_line;             /* set while what is begun stays on a line */
	bool some[JSON_DEPTH_MAX]; /* has a member already */
	char close[JSON_DEPTH_MAX]; /* '}' or ']' */
};

void json_obj(struct json *j, const char *key);
void json_arr(struct json *j, const char *key);
void json_end(struct json *j); /* the innermost that is open */
void json_str(struct json *j, const char *key, const char *s); /* NULL: null */
void json_strn(struct json *j, const char *key, const char *s, size_t n);
void json_u64(struct json *j, const char *key, uint64_t v);
void json_i64(struct json *j, const char *key, int64_t v);
void json_bool(struct json *j, const char *key, bool v);
void json_null(struct json *j, const char *key);
/* Bytes as a string of hexadecimal digits. */
void json_hex(struct json *j, const char *key, const void *p, size_t n);
