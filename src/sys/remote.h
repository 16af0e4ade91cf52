/* SPDX-License-Identifier: BSD-2-Clause
 *
 * System calls run inside a stopped task, many in one stop: a table of calls
 * that a stub of a few dozen bytes works through (ptrace(2)). A table has a
 * data area that is copied in before and out after the run; arguments may
 * point into it, and may be the result of an earlier call of the same table.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define SYS_RCALLS_MAX 400
#define SYS_RDATA_MAX  49152

/* How an argument is meant: bit i of `data` = arg[i] is an offset into the data
 * area; bit i of `prev` = arg[i] is the index of an earlier call, whose result
 * is taken. */
struct sys_rcall {
	long nr;
	uint64_t arg[6];
	uint32_t data, prev;
	int64_t ret;      /* filled: result, negative errno on failure */
	int may_fail;     /* a failure doesn't stop the table */
};

struct sys_rcalls {
	struct sys_rcall call[SYS_RCALLS_MAX];
	unsigned n;
	uint8_t *data; /* owned, SYS_RDATA_MAX bytes */
	size_t ndata;
	int err; /* sticks: -ENOSPC when the table or data area is full */
};

int sys_rcalls_init(struct sys_rcalls *c);
void sys_rcalls_fini(struct sys_rcalls *c);
void sys_rcalls_reset(struct sys_rcalls *c);

/* Appends a call; returns its index. RA_DATA()/RA_PREV() mark arguments:
 *   off = sys_rdata(c, &ts, sizeof(ts));
 *   sys_radd(c, SYS_nanosleep, 2, RA_DATA(off), RA_VAL(0));            */
struct sys_rarg {
	uint64_t v;
	enum { RA_VAL_, RA_DATA_, RA_PREV_ } how;
};
#define RA_VAL(x)  ((struct sys_rarg){(uint64_t)(x), RA_VAL_})
#define RA_DATA(x) ((struct sys_rarg){(uint64_t)(x), RA_DATA_})
#define RA_PREV(x) ((struct sys_rarg){(uint64_t)(x), RA_PREV_})
int sys_radd(struct sys_rcalls *c, long nr, unsigned nargs, ...);
void sys_rmay_fail(struct sys_rcalls *c); /* of the call added last */
/* Copies n bytes (p NULL: zeros) to the data area, 8-aligned; the offset. */
size_t sys_rdata(struct sys_rcalls *c, const void *p, size_t n);
