/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where our helper programs are: beside the program that runs (in a build
 * tree ../helpers, installed ../libexec/vps), else where the build was told
 * that they would be installed.
 */
#pragma once
#include <stddef.h>

/* The path of the helper `name`; -ENOENT if there is none. */
int helper_path(const char *name, char *ret, size_t n);
