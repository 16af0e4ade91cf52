/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/maps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"

static const struct {
	char name[3];
	uint32_t bit;
} vmflag_names[] = {
    {"sh", SYS_VMF_SH},
    {"gd", SYS_VMF_GD},
    {"lo", SYS_VMF_LO},
    {"dc", SYS_VMF_DC},
    {"dd", SYS_VMF_DD},
    {"wf", SYS_VMF_WF},
    {"hg", SYS_VMF_HG},
    {"nh", SYS_VMF_NH},
    {"mg", SYS_VMF_MG},
    {"sr", SYS_VMF_SR},
    {"rr", SYS_VMF_RR},
    {"nr", SYS_VMF_NR},
    {"mw", SYS_VMF_MW},
    {"ht", SYS_VMF_HT},
    {"io", SYS_VMF_IO},
    {"pf", SYS_VMF_PF},
    {"uw", SYS_VMF_UW},
    {"um", SYS_VMF_UM},
    {"ss", SYS_VMF_SS},
    {"dp", SYS_VMF_DP},
};

static uint32_t
vmflags_parse(const char *p, const char *end)
{
	uint32_t bits = 0;

	for (; p + 1 < end; p += 3) {
		for (size_t i = 0; i < ARRAY_LEN(vmflag_names); i++)
			if (memcmp(p, vmflag_names[i].name, 2) == 0)
				bits |= vmflag_names[i].bit;
	}
	return bits;
}

static uint64_t
hex(const char **pp)
{
	const char *p = *pp;
	uint64_t v = 0;

	for (;; p++) {
		unsigned c = (unsigned char)*p;

		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			break;
	}
	*pp = p;
	return v;
}

/* "start-end rwxp off maj:min ino    name" */
static int
vma_line(char *line, struct sys_vma *v)
{
	const char *p = line;
	unsigned long ino;
	uint64_t maj, min;
	char *end;

	*v = (struct sys_vma){0};
	v->start = hex(&p);
	if (*p++ != '-')
		return -EBADMSG;
	v->end = hex(&p);
	if (*p++ != ' ' || strlen(p) < 5)
		return -EBADMSG;
	v->prot = (p[0] == 'r' ? PROT_READ : 0u) |
		  (p[1] == 'w' ? PROT_WRITE : 0u) |
		  (p[2] == 'x' ? PROT_EXEC : 0u);
	v->shared = p[3] == 's';
	p += 5;
	v->off = hex(&p);
	if (*p++ != ' ')
		return -EBADMSG;
	maj = hex(&p);
	if (*p++ != ':')
		return -EBADMSG;
	min = hex(&p);
	if (*p++ != ' ')
		return -EBADMSG;
	v->dev = makedev((unsigned)maj, (unsigned)min);
	ino = strtoul(p, &end, 10);
	v->ino = ino;
	while (*end == ' ')
		end++;
	v->name = end;
	return 0;
}

int
sys_maps_parse(char *text, struct sys_maps *ret)
{
	struct sys_maps m = {.text = text};
	size_t cap = 0;
	char *p = text;

	while (*p != '\0') {
		char *nl = strchr(p, '\n');

		if (nl == NULL)
			break;
		*nl = '\0';
		if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')) {
			if (m.n == cap) {
				struct sys_vma *v;

				cap = cap ? cap * 2 : 64;
				v = reallocarray(m.v, cap, sizeof(*v));
				if (v == NULL) {
					sys_maps_fini(&m);
					return -ENOMEM;
				}
				m.v = v;
			}
			if (vma_line(p, &m.v[m.n]) < 0) {
				sys_maps_fini(&m);
				return -EBADMSG;
			}
			m.n++;
		} else if (m.n > 0 && strncmp(p, "VmFlags: ", 9) == 0) {
			m.v[m.n - 1].vmflags = vmflags_parse(p + 9, nl);
		}
		p = nl + 1;
	}
	*ret = m;
	return 0;
}

int
sys_maps_read(int proc, pid_t pid, struct sys_maps *ret)
{
	struct buf b = {0};
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "%d/smaps", pid);
	r = file_read(proc, path, &b, 1u << 28);
	if (r == 0) {
		(void)buf_str(&b);
		r = buf_err(&b);
	}
	if (r < 0) {
		buf_fini(&b);
		return r;
	}
	return sys_maps_parse((char *)b.data, ret);
}

void
sys_maps_fini(struct sys_maps *m)
{
	free(m->v);
	free(m->text);
	*m = (struct sys_maps){0};
}

/* From <linux/fs.h> of 6.7; Debian 12's headers are older. */
struct pm_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask;
	uint64_t return_mask;
};
struct page_region {
	uint64_t start, end, categories;
};
#define PAGEMAP_SCAN    _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE    (1u << 2)
#define PAGE_IS_PRESENT (1u << 3)
#define PAGE_IS_SWAPPED (1u << 4)
#define PAGE_IS_PFNZERO (1u << 5)

static int
pages_scan(
    int pagemap, uint64_t start, uint64_t end, sys_prange_fn fn, void *arg)
{
	struct page_region vec[512];
	struct pm_scan_arg a = {.size = sizeof(a),
	    .start = start,
	    .end = end,
	    .vec = (uint64_t)(uintptr_t)vec,
	    .vec_len = ARRAY_LEN(vec),
	    .category_inverted = PAGE_IS_FILE | PAGE_IS_PFNZERO,
	    .category_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
	    .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED};

	while (a.start < end) {
		int n = ioctl(pagemap, PAGEMAP_SCAN, &a);

		if (n < 0)
			return -errno;
		for (int i = 0; i < n; i++) {
			struct sys_prange p = {vec[i].start, vec[i].end};
			int r = fn(arg, &p);

			if (r < 0)
				return r;
		}
		if (a.walk_end <= a.start)
			break;
		a.start = a.walk_end;
	}
	return 0;
}

/* Before 6.7. The zero page shows as present here: its content is found to be
 * zero by who reads it. */
static int
pages_pagemap(
    int pagemap, uint64_t start, uint64_t end, sys_prange_fn fn, void *arg)
{
	struct sys_prange run = {0};
	uint64_t e[512];

	for (uint64_t at = start; at < end;) {
		size_t n = (size_t)((end - at) / 4096);
		ssize_t got;

		if (n > ARRAY_LEN(e))
			n = ARRAY_LEN(e);
		got = pread(pagemap, e, n * 8, (off_t)(at / 4096 * 8));
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		for (size_t i = 0; i < (size_t)got / 8; i++, at += 4096) {
			bool own = (e[i] >> 62 & 3) != 0 && !(e[i] >> 61 & 1);
			int r;

			if (own && run.end == at) {
				run.end += 4096;
				continue;
			}
			if (!own)
				continue;
			if (run.end > run.start) {
				r = fn(arg, &run);
				if (r < 0)
					return r;
			}
			run = (struct sys_prange){at, at + 4096};
		}
	}
	return run.end > run.start ? fn(arg, &run) : 0;
}

int
sys_pages_own(
    int pagemap, uint64_t start, uint64_t end, sys_prange_fn fn, void *arg)
{
	int r = pages_scan(pagemap, start, end, fn, arg);

	return r == -ENOTTY || r == -EINVAL
		   ? pages_pagemap(pagemap, start, end, fn, arg)
		   : r;
}
