/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Records filled by descriptor, for tests of the format: every field has a
 * value that depends on `seed`, lists have elements that are filled as well.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "libdump/vd.h"

/* A record of type `t`; everything in it is allocated from one block list that
 * gen_free() frees. */
void *gen_record(const struct vd_type *t, uint32_t seed);
void gen_free(void);
/* Field by field, lists included. */
bool gen_equal(const struct vd_type *t, const void *a, const void *b);
