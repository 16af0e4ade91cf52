/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The options of internet sockets that a program can have set: one table, read
 * on one side and set on the other. A value is what getsockopt(2) gives and
 * setsockopt(2) takes.
 *
 * Not in the table: buffer sizes (they depend on locks and limits), repair,
 * multicast memberships (not readable as such).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYS_OPT_VAL 40 /* the longest value: IP options */
#define SYS_OPTS    128

/* When an option takes effect as it did before. */
enum sys_opt_when {
	SYS_OPT_EARLY, /* before bind() */
	SYS_OPT_LATE,  /* once connected or listening */
	SYS_OPT_LAST,  /* when nothing else is done with the socket any more */
};

struct sys_optval {
	int level, name; /* level < 0: this socket has no such option */
	uint32_t len;
	uint8_t val[SYS_OPT_VAL];
};

/* Reads all options of the table that the socket has; row i of any two results
 * is the same option. The number of rows. */
unsigned sys_opts_read(int fd, struct sys_optval v[SYS_OPTS]);
/* As sys_opts_read() of a new socket like this one, made by the caller: rows
 * that differ are what somebody has set. */
bool sys_optval_equal(const struct sys_optval *a, const struct sys_optval *b);

/* Sets one. -EBADMSG: not in the table or of a wrong length. */
int sys_opt_set(int fd, int level, int name, const void *val, size_t len);
int sys_opt_when(int level, int name, enum sys_opt_when *ret);
/* "IP_TOS", for messages; "?" if unknown. */
const char *sys_opt_name(int level, int name);

/* A shorthand for int options. */
int sys_opt_int(int fd, int level, int name, int *ret);
int sys_opt_put(int fd, int level, int name, int v);
