/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Makes the mounts of an image, in the builder. The functions are called for
 * each record of their type in the order of the image; rst_mounted() finishes.
 * No record is needed after its function has returned.
 */
#pragma once
#include "restore/rst.h"

int rst_mount(struct rst *r, const void *rec, struct vps_err *e);
int rst_inode(struct rst *r, const void *rec, struct vps_err *e);
int rst_idata(struct rst *r, const void *rec, struct vps_err *e);
int rst_mounted(struct rst *r, const void *rec, struct vps_err *e);
