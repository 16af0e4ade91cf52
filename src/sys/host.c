/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/host.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"

/* The NT_GNU_BUILD_ID note of the vdso that is mapped in this process. */
static void
vdso_id(struct sys_host *h)
{
	const uint8_t *base =
	    (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph;

	if (base == NULL)
		return;
	ph = (const void *)(base + eh->e_phoff);
	for (int i = 0; i < eh->e_phnum; i++) {
		const uint8_t *p, *end;

		if (ph[i].p_type != PT_NOTE)
			continue;
		p = base + ph[i].p_offset;
		end = p + ph[i].p_filesz;
		while (p + sizeof(Elf64_Nhdr) <= end) {
			const Elf64_Nhdr *n = (const void *)p;
			const uint8_t *name = p + sizeof(*n);
			const uint8_t *desc = name + ((n->n_namesz + 3u) & ~3u);

			if (n->n_type == NT_GNU_BUILD_ID &&
			    n->n_descsz <= sizeof(h->vdso_id)) {
				memcpy(h->vdso_id, desc, n->n_descsz);
				h->n_vdso_id = n->n_descsz;
			}
			p = desc + ((n->n_descsz + 3u) & ~3u);
		}
	}
}

static void
xsave(struct sys_host *h)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	if (__get_cpuid_count(1, 0, &a, &b, &c, &d) && (c & bit_OSXSAVE)) {
		unsigned lo, hi;

		__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		h->xfeatures = (uint64_t)hi << 32 | lo;
	}
	if (__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
		h->xsave_size = b;
#else
	(void)h;
#endif
}

static int
word_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "c b a" -> "a b c" */
static int
sort_words(char *line, char **ret)
{
	char *w[1024], *save = NULL;
	struct buf b = {0};
	size_t n = 0;

	for (char *p = strtok_r(line, " \n", &save);
	     p != NULL && n < ARRAY_LEN(w); p = strtok_r(NULL, " \n", &save))
		w[n++] = p;
	if (n > 0)
		qsort(w, n, sizeof(w[0]), word_cmp);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i ? " " : "", w[i]);
	(void)buf_str(&b);
	if (buf_err(&b) < 0) {
		buf_fini(&b);
		return -ENOMEM;
	}
	*ret = (char *)b.data;
	return 0;
}

static int
cpuinfo(struct sys_host *h)
{
	auto_buf struct buf b = {0};
	char *text, *p, *nl;
	int r = file_read(AT_FDCWD, "/proc/cpuinfo", &b, 1 << 24);

	if (r < 0)
		return r;
	(void)buf_str(&b);
	text = (char *)b.data;
	p = strstr(text, "model name");
	if (p != NULL && (p = strchr(p, ':')) != NULL)
		(void)snprintf(h->cpu, sizeof(h->cpu), "%.*s",
		    (int)strcspn(p + 2, "\n"), p + 2);
	p = strstr(text, "\nflags");
	if (p == NULL)
		p = strstr(text, "\nFeatures");
	if (p == NULL || (p = strchr(p, ':')) == NULL)
		return sort_words((char[]){""}, &h->cpu_flags);
	nl = strchr(p, '\n');
	if (nl != NULL)
		*nl = '\0';
	return sort_words(p + 1, &h->cpu_flags);
}

int
sys_host_read(struct sys_host *ret)
{
	struct sys_host h = {0};
	struct utsname u;
	int r;

	if (uname(&u) < 0)
		return -errno;
	(void)snprintf(h.release, sizeof(h.release), "%s", u.release);
	(void)snprintf(h.version, sizeof(h.version), "%s", u.version);
	(void)snprintf(h.machine, sizeof(h.machine), "%s", u.machine);
	(void)snprintf(h.name, sizeof(h.name), "%s", u.nodename);
	h.page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	h.hwcap[0] = getauxval(AT_HWCAP);
	h.hwcap[1] = getauxval(AT_HWCAP2);
	vdso_id(&h);
	xsave(&h);
	r = cpuinfo(&h);
	if (r < 0)
		return r;
	*ret = h;
	return 0;
}

void
sys_host_fini(struct sys_host *h)
{
	free(h->cpu_flags);
	*h = (struct sys_host){0};
}
