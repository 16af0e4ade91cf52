/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The `key=value` lines of an instance's state file.
 */
#pragma once
#include <stddef.h>

#include "base/buf.h"

#define CORE_KV_MAX 96

struct core_kv {
	struct {
		char *k, *v; /* owned */
	} ent[CORE_KV_MAX];
	unsigned n;
	int err; /* sticks: -ENOMEM, -ENOSPC, -EINVAL (newline in a value) */
};

void core_kv_fini(struct core_kv *kv);
/* Replaces the content; lines without '=' are -EBADMSG. Changes `text`. */
int core_kv_parse(struct core_kv *kv, char *text);
void core_kv_print(const struct core_kv *kv, struct buf *out);
const char *core_kv_get(const struct core_kv *kv, const char *k);
/* v NULL: removes it. */
void core_kv_put(struct core_kv *kv, const char *k, const char *v);
