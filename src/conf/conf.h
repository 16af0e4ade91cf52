/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vps.conf(5) as text: lines NAME = value. Names in any case; a value that
 * contains blanks, '#' or quotes is quoted, with ' or with ", and has no
 * escapes; '#' outside quotes begins a comment.
 */
#pragma once
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/spec.h"

#define CONF_SIZE_MAX 65536
#define CONF_DIR      "/etc/vps"

/*
 * Reads `len` bytes of text; `file` is what messages call it. The whole must
 * make sense: FSROOT is there, no key twice, no two equal addresses. On failure
 * -EINVAL, *ret untouched, message "file:line: KEY: reason".
 */
int conf_parse(const char *file, const char *text, size_t len,
    struct vps_spec *ret, struct vps_err *e);
/* The same from a file, which is at most CONF_SIZE_MAX long. */
int conf_read(const char *path, struct vps_spec *ret, struct vps_err *e);
/* /etc/vps/vps_ID.conf; `dir` NULL: CONF_DIR. */
int conf_path(const char *dir, const char *id, char *ret, size_t n);

/* Appends the canonical text: every key that isn't at its default, in the
 * order of keys.def. conf_parse() of it gives an equal spec. -EINVAL if a value
 * can't be written (made by hand: both kinds of quotes, control characters). */
int conf_print(const struct vps_spec *s, struct buf *out);

/* Appends a line for each key that is set but not enforced (yet); returns
 * their number. */
int conf_warnings(const struct vps_spec *s, struct buf *out);

/* The table, for help and for tests: NULL behind the last. */
const char *conf_key_name(unsigned i);
const char *conf_key_help(unsigned i);
