/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs that are part of ours, for sealed memory copies (sys/memfd.h).
 */
#pragma once
#include <stddef.h>

struct core_blob {
	const void *p;
	size_t n;
};
/* vps-init: pid 1 of an instance without INIT. */
struct core_blob core_blob_init(void);
