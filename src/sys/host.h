/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What of this host counts for running an instance from another one: kernel,
 * vdso, processor.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct sys_host {
	char release[65], version[65], machine[65], name[65]; /* uname(2) */
	uint8_t vdso_id[64]; /* build id note of the vdso */
	size_t n_vdso_id;
	uint32_t xsave_size; /* bytes of NT_X86_XSTATE */
	uint64_t xfeatures;  /* XCR0 */
	char cpu[128];       /* model name */
	char *cpu_flags;     /* owned; sorted words */
	uint32_t page_size;
	uint64_t hwcap[2];
};

/* 0 or negative errno. */
int sys_host_read(struct sys_host *ret);
void sys_host_fini(struct sys_host *h);
