/* SPDX-License-Identifier: BSD-2-Clause
 * Private to kindtest*.c. */
#pragma once
#include <stdbool.h>

#include "base/buf.h"
#include "kindtest.h"
#include "restore/rst.h"
#include "snapst/snap.h"

#define KT_PROCS 8
#define KT_FDS   512

struct kt_proc {
	pid_t pid;
	int sock; /* -1: not there */
};

struct kt_fd {
	struct snap_fd f; /* link, info: owned */
	uint32_t id;      /* of its description */
	bool first;       /* of several descriptors of it */
};

/* A table on its way to a child. */
struct kt_table {
	unsigned n;
	struct sys_rcall call[SYS_RCALLS_MAX];
	uint8_t data[SYS_RDATA_MAX];
};

struct kt_slot {
	struct kt_slot *next;
	uint32_t number;
	uint64_t object;
	max_align_t data[];
};

struct kt {
	void *shared;
	struct kt_table *tab; /* shared with the children */
	int root, image;
	int undo; /* journals; -1: none */
	int ext;  /* master of a terminal kept outside; 0: none */
	struct kt_proc proc[KT_PROCS];
	size_t nproc;
	struct kt_fd fd[KT_FDS];
	size_t nfd;
	uint32_t nfile;
	struct vd_writer *w;
	struct rst_file rf[KT_FDS];
	size_t nrf;
	struct kt_slot *slot;
	struct buf obj;
	int nobj;
};

/* The one test that runs; children know it by fork. */
extern struct kt *kt_current_;

/* What the kinds see of it. */
#define KT_SNAP(kt) ((struct snap *)(kt))
#define KT_RST(kt)  ((struct rst *)(kt))

struct kt_proc *kt_proc_of(struct kt *kt, pid_t pid);
int kt_table(struct kt_proc *p, struct sys_rcalls *c);
int kt_table_once(struct kt *kt, struct sys_rcalls *c);
bool kt_same_file(int a, int b);
int kt_dump_one(struct kt *kt, struct kt_fd *d, struct vps_err *e);
void kt_slots_fini(struct kt *kt);
void kt_env_fini(struct kt *kt); /* forgets all descriptors */
