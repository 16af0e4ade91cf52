/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs of ours that enter an instance do so as sealed copies in memory
 * (memfd_create(2)), so that nothing inside gets at a file of the host.
 */
#pragma once
#include <stddef.h>

/* A sealed executable copy, mode 0755 (what isn't readable by everyone would
 * run as not dumpable); descriptor or negative errno. */
int sys_memfd_program(const char *name, const void *p, size_t n);
/* The same from a file. */
int sys_memfd_program_file(const char *path);
/* execveat(2) of it; returns on failure only. */
int sys_memfd_exec(int fd, char *const argv[], char *const envp[]);
