/* SPDX-License-Identifier: BSD-2-Clause
 * The kinds of files that a snapshot knows, in the order they are asked. */
#include "snapst/kinds.h"

#include <stddef.h>

static const struct snap_kind *const kinds[] = {
    NULL,
};

const struct snap_kind *
snap_kind_of(const struct snap_fd *f)
{
	for (size_t i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->match(f))
			return kinds[i];
	return NULL;
}
