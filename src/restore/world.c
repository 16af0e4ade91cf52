/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore/world.h"

#include <stddef.h>

#include "restore/mount.h"
#include "restore/netdev.h"

static const struct {
	uint32_t number;
	rst_world_fn fn;
} rows[] = {
    {VD_T_idata, rst_idata},
    {VD_T_inode, rst_inode},
    {VD_T_mount, rst_mount},
    {VD_T_mounted, rst_mounted},
    {VD_T_netmsg, rst_netmsg},
    {VD_T_netsysctl, rst_netsysctl},
};

rst_world_fn
rst_world_of(uint32_t number)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].fn != NULL && rows[i].number == number)
			return rows[i].fn;
	return NULL;
}
