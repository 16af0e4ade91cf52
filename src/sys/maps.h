/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A process's memory map: /proc/PID/smaps (proc(5)), whose VmFlags line is the
 * only place that shows madvise(2) and mlock(2) flags; and which of its pages
 * exist, by PAGEMAP_SCAN (Linux 6.7) or /proc/PID/pagemap.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of VmFlags: the two letters as bits. */
enum sys_vmflag {
	SYS_VMF_SH = 1 << 0,  /* sh: shared */
	SYS_VMF_GD = 1 << 1,  /* gd: grows down */
	SYS_VMF_LO = 1 << 2,  /* lo: locked */
	SYS_VMF_DC = 1 << 3,  /* dc: MADV_DONTFORK */
	SYS_VMF_DD = 1 << 4,  /* dd: MADV_DONTDUMP */
	SYS_VMF_WF = 1 << 5,  /* wf: MADV_WIPEONFORK */
	SYS_VMF_HG = 1 << 6,  /* hg: MADV_HUGEPAGE */
	SYS_VMF_NH = 1 << 7,  /* nh: MADV_NOHUGEPAGE */
	SYS_VMF_MG = 1 << 8,  /* mg: MADV_MERGEABLE */
	SYS_VMF_SR = 1 << 9,  /* sr: MADV_SEQUENTIAL */
	SYS_VMF_RR = 1 << 10, /* rr: MADV_RANDOM */
	SYS_VMF_NR = 1 << 11, /* nr: MAP_NORESERVE */
	SYS_VMF_HT = 1 << 12, /* ht: hugetlb */
	SYS_VMF_IO = 1 << 13, /* io: device memory */
	SYS_VMF_PF = 1 << 14, /* pf: raw pfn mapping */
	SYS_VMF_UW = 1 << 15, /* uw: userfaultfd write-protect */
	SYS_VMF_UM = 1 << 16, /* um: userfaultfd missing */
	SYS_VMF_SS = 1 << 17, /* ss: shadow stack */
	SYS_VMF_MW = 1 << 19, /* mw: may become writable */
	SYS_VMF_DP = 1 << 18, /* dp: lazily freeable (droppable) */
};

struct sys_vma {
	uint64_t start, end, off;
	uint32_t prot;    /* PROT_* */
	bool shared;      /* 's' in the mode column */
	uint32_t vmflags; /* enum sys_vmflag */
	dev_t dev;
	uint64_t ino;
	const char *name; /* "" for anonymous; points into the text */
};

struct sys_maps {
	struct sys_vma *v; /* owned */
	size_t n;
	char *text; /* owned */
};

int sys_maps_read(int proc, pid_t pid, struct sys_maps *ret);
/* Parses smaps (or maps) text, which it takes over and changes. */
int sys_maps_parse(char *text, struct sys_maps *ret);
void sys_maps_fini(struct sys_maps *m);

struct sys_prange {
	uint64_t start, end;
};
/* Ranges of pages in [start, end) that are this process's own content: present
 * or swapped, not the file's, not the zero page. Calls fn for each, ascending.
 * `pagemap`: an O_RDONLY descriptor of /proc/PID/pagemap. */
typedef int (*sys_prange_fn)(void *arg, const struct sys_prange *p);
int sys_pages_own(
    int pagemap, uint64_t start, uint64_t end, sys_prange_fn fn, void *arg);
