/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
#include "restore/rst.h"

/* One line per kind, sorted: extern const struct rst_kind rst_pipe; */

const struct rst_kind *rst_kind_of(uint32_t number);
/* NULL: not a record of any kind of file. */
const struct rst_rec *rst_rec_of(uint32_t number);
