/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Names that PRIV_ALLOW and PRIV_NOSYS know.
 */
#pragma once
#include <stdbool.h>

bool priv_is_cap(const char *s);     /* CAP_SYS_TIME, ... */
bool priv_is_syscall(const char *s); /* of x86-64 */
/* The capability that is nearest to one of priv(9), or NULL. */
const char *priv_of_freebsd(const char *s);
