/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What commands may leave to be undone, of all layers; see core/recover.h.
 */
#include "core/recover.h"

const struct core_undo_kind vps_undo_kinds[] = {
    {0},
};
