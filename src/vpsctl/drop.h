/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "base/err.h"

/*
 * Gives up, for good, what this process may do beyond using the descriptors
 * that it has: root becomes the user nobody, all capabilities go, new rights
 * by execve(2) are ruled out. For looking at what can't be trusted.
 */
int drop_rights(struct vps_err *e);
