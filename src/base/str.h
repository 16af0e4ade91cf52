/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Strict conversions: the whole string or -EINVAL, -ERANGE outside the type.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int str_u64(const char *s, int base, uint64_t *ret);
int str_u32(const char *s, int base, uint32_t *ret);
int str_i64(const char *s, int base, int64_t *ret);
/* snprintf() into `d` that fails with -ENAMETOOLONG instead of cutting. */
int str_fmt(char *d, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool str_has_prefix(const char *s, const char *prefix);
