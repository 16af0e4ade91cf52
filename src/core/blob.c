/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/blob.h"

#include "vps_init_blob.h" /* generated: see meson.build */

struct core_blob
core_blob_init(void)
{
	return (struct core_blob){vps_init_blob, sizeof(vps_init_blob)};
}
