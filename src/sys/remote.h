/* SPDX-License-Identifier: BSD-2-Clause
 *
 * System calls run inside a stopped task, many in one stop: a table of calls
 * that a stub of a few dozen bytes works through (ptrace(2)). A table has a
 * data area that is copied in before and out after the run; arguments may
 * point into it, and may be the result of an earlier call of the same table.
 *
 * The stub ends in rt_sigreturn on a frame that holds the task's own
 * registers, so that a tracer that dies in the middle kills nobody: the table
 * is finished and the task goes on where it was (with the stub still mapped).
 * The tracer learns of the end from a signal that the task sends to itself and
 * that is harmless when nobody traces.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYS_RCALLS_MAX 256
#define SYS_RDATA_MAX  65536

/* How an argument is meant: bit i of `data` = arg[i] is an offset into the data
 * area; bit i of `prev` = arg[i] is the index of an earlier call, whose result
 * is taken. */
struct sys_rcall {
	long nr;
	uint64_t arg[6];
	uint32_t data, prev;
	bool may_fail; /* a failure doesn't stop the table */
	int64_t ret;   /* filled: result, negative errno on failure */
};

struct sys_rcalls {
	struct sys_rcall *call; /* owned, SYS_RCALLS_MAX */
	unsigned n;
	uint8_t *data; /* owned, SYS_RDATA_MAX bytes */
	size_t ndata;
	int err; /* sticks: -ENOSPC when the table or data area is full */
};

int sys_rcalls_init(struct sys_rcalls *c); /* -ENOMEM */
void sys_rcalls_fini(struct sys_rcalls *c);
void sys_rcalls_reset(struct sys_rcalls *c);

struct sys_rarg {
	uint64_t v;
	enum { RA_VAL_, RA_DATA_, RA_PREV_ } how;
};
#define RA_VAL(x)  ((struct sys_rarg){(uint64_t)(x), RA_VAL_})
#define RA_DATA(x) ((struct sys_rarg){(uint64_t)(x), RA_DATA_})
#define RA_PREV(x) ((struct sys_rarg){(uint64_t)(x), RA_PREV_})
/* Appends a call with up to six arguments; returns its index (0 when the table
 * is full, which c->err tells).
 *   off = sys_rdata(c, &ts, sizeof(ts));
 *   i = sys_radd(c, SYS_nanosleep, RA_DATA(off), RA_VAL(0));            */
#define sys_radd(c, nr, ...)                                         \
	sys_radd_((c), (nr), (const struct sys_rarg[]){__VA_ARGS__}, \
	    sizeof((const struct sys_rarg[]){__VA_ARGS__}) /         \
		sizeof(struct sys_rarg))
unsigned
sys_radd_(struct sys_rcalls *c, long nr, const struct sys_rarg *a, size_t n);
void sys_rmay_fail(struct sys_rcalls *c); /* of the call added last */
/* Copies n bytes (p NULL: zeros) to the data area, 16-aligned; the offset. */
size_t sys_rdata(struct sys_rcalls *c, const void *p, size_t n);
static inline void *
sys_rptr(struct sys_rcalls *c, size_t off)
{
	return c->data + off;
}

/* A process with the stub mapped in it. */
struct sys_remote {
	pid_t pid;        /* any thread of it that is in a ptrace stop */
	uint64_t base;    /* of the stub's area */
	uint64_t sysinsn; /* a syscall instruction of the target (its vdso) */
	uint64_t pad;     /* unused bytes behind the vdso's image, or 0 */
};
#define SYS_REMOTE_SIZE (4096 + 16384 + 32768 + SYS_RDATA_MAX)
/* Where the data area begins, for structures that hold addresses. */
#define SYS_REMOTE_DATA (4096 + 16384 + 32768)

/* Maps the stub in `pid`, which is in a ptrace stop. `at`: where, 0 = anywhere
 * free. `vdso`: where its vdso is. The task's registers are as before. */
int
sys_remote_open(struct sys_remote *m, pid_t pid, uint64_t vdso, uint64_t at);
/* The same for a stub that is there already, at `at`. */
int
sys_remote_attach(struct sys_remote *m, pid_t pid, uint64_t vdso, uint64_t at);
/* Whether a task at `pc` is still in our code. */
bool sys_remote_has(const struct sys_remote *m, uint64_t pc);
/* One system call by its own two stops, without the stub; the registers are as
 * before. Result or negative errno in *ret. Should the tracer die, the task
 * gives itself its own registers and mask back (by code in m->pad, which is
 * empty again afterwards). */
int sys_remote_call(const struct sys_remote *m, pid_t tid, long nr,
    const uint64_t arg[6], int64_t *ret);

struct sys_tracee; /* sys/ptrace.h */

/* Called for each process or thread that the table's clone calls make: it is
 * traced and stopped, before its first instruction. */
typedef void (*sys_remote_born)(void *arg, pid_t child);

/* Runs the table in thread `t` of the process. Returns 0 when all calls that
 * may not fail succeeded; else the negative errno of the one that did, whose
 * index is in *ret_failed; -ESRCH: the task is gone. The thread is left in a
 * stop inside the stub; sys_tracee_put() gives it its own registers back. */
int sys_remote_run(const struct sys_remote *m, struct sys_tracee *t,
    struct sys_rcalls *c, unsigned *ret_failed, sys_remote_born born,
    void *arg);
/* Unmaps the stub by a call in `tid`. */
int sys_remote_close(struct sys_remote *m, pid_t tid);
