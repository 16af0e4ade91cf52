/* SPDX-License-Identifier: BSD-2-Clause
 * The kinds of files that a restore knows. */
#include "restore/kinds.h"

#include <stddef.h>

static const struct rst_kind *const kinds[] = {
    NULL,
};

const struct rst_kind *
rst_kind_of(uint32_t number)
{
	for (size_t i = 0; kinds[i] != NULL; i++)
		if (kinds[i]->number == number)
			return kinds[i];
	return NULL;
}
