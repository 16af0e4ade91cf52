/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "snapst/snap.h"

/* One line per kind, sorted: extern const struct snap_kind snap_pipe; */

/* NULL: nobody knows this kind of file. */
const struct snap_kind *snap_kind_of(const struct snap_fd *f);
