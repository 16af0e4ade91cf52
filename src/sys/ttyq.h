/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The unread data of a pty, both ways. The kernel has no way to look at it, so
 * it is read and written back, while nobody else can touch the terminal. What
 * has been read is at no moment only in our memory: read(2) puts it straight
 * into a mapped journal, from which a dead command's work is completed.
 *
 * The journal file is of this build only and lives as long as the work.
 */
#pragma once
#include <asm/termbits.h> /* struct termios2; not with <termios.h> */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SYS_TTYQ_AREA 131072

enum sys_ttyq_how {
	SYS_TTYQ_RAW,  /* bytes without an end of line (yet) */
	SYS_TTYQ_LINE, /* a line with the character that ended it */
	SYS_TTYQ_EOF,  /* a line that VEOF ended, which isn't in the data */
};

/* What is in the mapping. Areas hold entries: length, how, bytes. */
struct sys_ttyq {
	char magic[8];
	uint32_t phase;
	uint32_t stage;      /* lines are drained, termios is changed */
	pid_t pid;           /* whose descriptor `num` is the master; */
	int num;             /* pid 0: master `num` of the holder */
	uint64_t start_time; /* of that process */
	struct termios2 tio; /* the real one */
	int packet;          /* TIOCPKT */
	int stopped;         /* output: 1 by VSTOP, 2 by TCOOFF */
	uint32_t reading;    /* a read is under way: 1 input, 2 output */
	uint32_t before;     /* FIONREAD before it */
	uint32_t nin, nout;  /* bytes used of the areas */
	uint8_t in[SYS_TTYQ_AREA], out[SYS_TTYQ_AREA];
	/* For tests: called before each step. */
	void (*step)(int n);
	int nstep;
};

/* A journal: `name` in dirfd, or memory only (dirfd -1, for a restore). */
int sys_ttyq_new(int dirfd, const char *name, struct sys_ttyq **ret);
void sys_ttyq_free(struct sys_ttyq *q);

/* Takes all that is unread out of the pty (the slave is opened by the master),
 * and reads termios, packet mode, and whether output is stopped. */
int sys_ttyq_drain(struct sys_ttyq *q, int master);
/* Puts it all back and gives the pty its termios; nothing must be unread. */
int sys_ttyq_put(struct sys_ttyq *q, int master);
/* Completes what a dead command has begun, whatever it was. */
int sys_ttyq_recover(struct sys_ttyq *q, int master);

/* Next entry of an area from *off on; -ENOENT: no more. */
int sys_ttyq_next(const uint8_t *area, uint32_t used, uint32_t *off,
    enum sys_ttyq_how *how, const uint8_t **p, uint32_t *n);
int sys_ttyq_add(uint8_t *area, uint32_t *used, enum sys_ttyq_how how,
    const void *p, size_t n);

/* Completes the journal `name` and removes it. The master is taken from the
 * process that it names; `of_holder(arg, num)` gives a descriptor of a master
 * that the holder keeps (closed here). */
int sys_ttyq_undo(int dirfd, const char *name,
    int (*of_holder)(void *arg, int num), void *arg);
