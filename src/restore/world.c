/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore/world.h"

#include <stddef.h>

static const struct {
	uint32_t number;
	rst_world_fn fn;
} rows[] = {
    {0, NULL},
};

rst_world_fn
rst_world_of(uint32_t number)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].fn != NULL && rows[i].number == number)
			return rows[i].fn;
	return NULL;
}
