/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Locals that own something release it at the end of their scope. Initialise
 * at the declaration: NULL for pointers, -1 for descriptors. take_ptr() and
 * take_fd() hand ownership over.
 */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define auto_free     __attribute__((cleanup(auto_freep_)))
#define auto_close    __attribute__((cleanup(auto_closep_)))
#define auto_closedir __attribute__((cleanup(auto_closedirp_)))
#define auto_fclose   __attribute__((cleanup(auto_fclosep_)))

static inline void
auto_freep_(void *p)
{
	void **pp = p;

	free(*pp);
}

/* Keeps errno, so that a failure can be reported after the scope is left. */
static inline void
auto_closep_(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

static inline void
auto_closedirp_(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static inline void
auto_fclosep_(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}

#define take_ptr(pp)                        \
	__extension__({                     \
		__typeof__(pp) pp_ = (pp);  \
		__typeof__(*pp_) p_ = *pp_; \
		*pp_ = NULL;                \
		p_;                         \
	})

static inline int
take_fd(int *fd)
{
	int r = *fd;

	*fd = -1;
	return r;
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
