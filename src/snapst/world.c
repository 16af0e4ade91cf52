/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/world.h"

#include <stddef.h>

#include "snapst/ipc.h"
#include "snapst/mount.h"
#include "snapst/netdev.h"

static const struct {
	int (*check)(struct snap *s);
	int (*put)(struct snap *s, struct vps_err *e);
} parts[] = {
    {snap_mounts_check, snap_mounts_dump},
    {snap_ipc_check, snap_ipc_dump},
    {snap_netdev_check, snap_netdev_dump},
};

int
snap_world_check(struct snap *s)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && r == 0; i++)
		if (parts[i].check != NULL)
			r = parts[i].check(s);
	return r;
}

int
snap_world_put(struct snap *s, struct vps_err *e)
{
	int r = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && r == 0; i++)
		if (parts[i].put != NULL)
			r = parts[i].put(s, e);
	return r;
}
