/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs kinds of open files without the engine: a test makes objects in child
 * processes, everything that they hold is dumped into an image through
 * snapst/kinds.c, the processes are killed, made again with the same pids, and
 * get what restore/kinds.c makes of the image.
 *
 * This file is the snap_*() and rst_*() that the kinds are written against. Ids
 * inside are ids outside, the root is "/", and the test itself is the builder.
 *
 *	static int setup(void *sh) { open things at fixed numbers; return 0; }
 *	static int verify(void *sh) { KT_ASSERT(read(5, ...) == 3); return 0; }
 *
 *	kt = kt_new();
 *	pid = kt_spawn(kt);
 *	kt_run(kt, pid, setup);
 *	kt_check(kt);              number of objections, kt_objections() the
 *text kt_cr(kt);                 dump, kill, restore kt_run(kt, pid, verify);
 *
 * Functions run in the child are functions of the test program; they share
 * kt_shared() with the test and among each other.
 */
#pragma once
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"

#define KT_SHARED 65536
/* The children's line to the test; they must leave it alone, and 0 to 2. */
#define KT_CTL 900

#define KT_ASSERT(x)                                                           \
	do {                                                                   \
		if (!(x)) {                                                    \
			fprintf(stderr, "%s:%d: %s: %m\n", __FILE__, __LINE__, \
			    #x);                                               \
			return -1;                                             \
		}                                                              \
	} while (0)

struct kt;

struct kt *kt_new(void);
void kt_free(struct kt *kt); /* kills and reaps all children */
void *kt_shared(struct kt *kt);

/* A child of the test that holds nothing but 0 to 2 and KT_CTL. */
pid_t kt_spawn(struct kt *kt);
/* Runs fn in the child; its result, or -1 if the child died. */
int kt_run(struct kt *kt, pid_t pid, int (*fn)(void *shared));

/* Asks `check` of every descriptor; how many objections there are. */
int kt_check(struct kt *kt);
const char *kt_objections(const struct kt *kt);

/* Each prints why and returns < 0 on failure. kt_kill reaps too. */
int kt_dump(struct kt *kt);
void kt_kill(struct kt *kt);
/* Makes the processes again (no descriptors yet): room for setsid() by kt_run
 * before their files come. */
int kt_restore_procs(struct kt *kt);
int kt_restore_files(struct kt *kt);
/* All four in that order. */
int kt_cr(struct kt *kt);

/* A test program is a list of these. Prints TAP, returns main()'s value. */
struct kt_test {
	const char *name;
	int (*fn)(void); /* 0: passed; 77: skipped, having printed why */
};
int kt_main(const struct kt_test *t, size_t n, const char *only);
/* setup, kt_cr, verify in one child; objections are a failure. */
int kt_simple(int (*setup)(void *), int (*verify)(void *));
/* setup must meet an objection that contains `text`. */
int kt_refused(int (*setup)(void *), const char *text);
