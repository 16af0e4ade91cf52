/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/caps.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"

static void
word(char *d, size_t n, const char *s)
{
	size_t i;

	for (i = 0; i + 1 < n && s[i] > ' ' && s[i] < 0x7f; i++)
		d[i] = s[i];
	d[i] = '\0';
}

/* The build id note of the vdso that the kernel has mapped for us. */
static void
vdso_id(char *d, size_t n)
{
	const uint8_t *b =
	    (const uint8_t *)(uintptr_t)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)b;
	const Elf64_Phdr *ph;

	d[0] = '\0';
	if (b == NULL)
		return;
	ph = (const Elf64_Phdr *)(const void *)(b + eh->e_phoff);
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		const uint8_t *p = b + ph[i].p_offset, *end;

		end = p + ph[i].p_filesz;
		while (ph[i].p_type == PT_NOTE && p + 12 <= end) {
			const Elf64_Nhdr *nh =
			    (const Elf64_Nhdr *)(const void *)p;
			const uint8_t *id = p + 12 + ((nh->n_namesz + 3) & ~3u);

			if (nh->n_type == NT_GNU_BUILD_ID) {
				for (unsigned k = 0;
				     k < nh->n_descsz && 2 * k + 2 < n; k++)
					(void)snprintf(
					    d + 2 * k, 3, "%02x", id[k]);
				return;
			}
			p = id + ((nh->n_descsz + 3) & ~3u);
		}
	}
}

static void
xsave(struct mig_caps *c)
{
	unsigned a, b, cx, dx;
	uint32_t lo, hi;

	if (!__get_cpuid(1, &a, &b, &cx, &dx) || !(cx & bit_OSXSAVE) ||
	    !__get_cpuid_count(0xd, 0, &a, &b, &cx, &dx))
		return;
	c->xsave = b;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	c->xcr0 = (uint64_t)hi << 32 | lo;
}

static void
cpu_flags(char *d, size_t n)
{
	auto_buf struct buf b = {0};
	const char *s, *nl;

	/* The file is as long as there are processors; the first will do. */
	(void)file_read(AT_FDCWD, "/proc/cpuinfo", &b, 4u << 20);
	s = strstr(buf_str(&b), "\nflags");
	s = s == NULL ? NULL : strchr(s, ':');
	if (s == NULL)
		return;
	s += 1 + (s[1] == ' ');
	nl = strchr(s, '\n');
	if (nl != NULL && (size_t)(nl - s) < n)
		(void)snprintf(d, n, "%.*s", (int)(nl - s), s);
}

void
mig_caps_get(struct mig_caps *c)
{
	struct utsname u;

	memset(c, 0, sizeof(*c));
	if (uname(&u) == 0) {
		word(c->machine, sizeof(c->machine), u.machine);
		word(c->kernel, sizeof(c->kernel), u.release);
	}
	word(c->vps, sizeof(c->vps), VPS_VERSION);
	if (access("/usr/bin/rsync", X_OK) == 0)
		word(c->rsync, sizeof(c->rsync), "yes");
	vdso_id(c->vdso, sizeof(c->vdso));
	cpu_flags(c->cpu, sizeof(c->cpu));
	xsave(c);
	c->page = (uint32_t)sysconf(_SC_PAGESIZE);
}

static bool
has_word(const char *words, const char *w, size_t n)
{
	for (const char *s = words; *s != '\0';) {
		size_t k = strcspn(s, " ");

		if (k == n && memcmp(s, w, n) == 0)
			return true;
		s += k;
		s += strspn(s, " ");
	}
	return false;
}

/* Words of `a` that `b` lacks, the first few. */
static void
missing(const char *a, const char *b, struct buf *out, const char *what)
{
	unsigned n = 0;

	for (const char *s = a; *s != '\0';) {
		size_t k = strcspn(s, " ");

		if (!has_word(b, s, k)) {
			if (n == 0)
				buf_addf(out, "%s missing there:", what);
			if (n++ < 8)
				buf_addf(out, " %.*s", (int)k, s);
		}
		s += k;
		s += strspn(s, " ");
	}
	if (n > 8)
		buf_addf(out, " and %u more", n - 8);
	if (n > 0)
		buf_adds(out, "\n");
}

int
mig_caps_check(
    const struct mig_caps *from, const struct mig_caps *to, struct vps_err *e)
{
	auto_buf struct buf b = {0};

	if (strcmp(from->machine, to->machine) != 0)
		buf_addf(&b, "machine is %s there, %s here\n", to->machine,
		    from->machine);
	if (from->page != to->page)
		buf_addf(&b, "page size is %u there, %u here\n", to->page,
		    from->page);
	if (strcmp(from->vdso, to->vdso) != 0)
		buf_addf(&b,
		    "the kernel's vdso is another one there (kernel "
		    "%s, here %s); both need the same kernel build\n",
		    to->kernel, from->kernel);
	if (from->xsave > to->xsave || (from->xcr0 & ~to->xcr0) != 0)
		buf_addf(&b,
		    "registers: XSAVE area of %u bytes, components %llx "
		    "there; %u, %llx here\n",
		    to->xsave, (unsigned long long)to->xcr0, from->xsave,
		    (unsigned long long)from->xcr0);
	missing(from->cpu, to->cpu, &b, "CPU flags");
	missing(from->features, to->features, &b, "kernel features");
	missing(from->modules, to->modules, &b, "modules");
	if (b.len == 0)
		return 0;
	b.len--; /* the last newline */
	return vps_err_say(e, -EOPNOTSUPP, "%.1000s", buf_str(&b));
}
