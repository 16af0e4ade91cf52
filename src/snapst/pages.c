/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The contents of private memory: which pages are the process's own is asked of
 * the kernel, they are read in large pieces into a buffer that is used again
 * and again, pages of zeros are left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/auto.h"
#include "snapst/snap_i.h"

#define BATCH  256u /* pages: VD_PAGES_MAX */
#define FILTER 64u

struct pages {
	struct snap *s;
	struct snap_proc *p;
	uint8_t *buf; /* BATCH pages */
	struct vd_extent x[BATCH];
	size_t nx, npages;
	unsigned filter; /* batches to be looked through for zeros */
};

static bool
page_is_zero(const uint8_t *p)
{
	const uint64_t *q = (const uint64_t *)(const void *)p;

	/* nearly all pages that aren't zero show it in the first words */
	for (size_t i = 0; i < 8; i++)
		if (q[i] != 0)
			return false;
	return memcmp(p, p + 64, 4096 - 64) == 0;
}

/* Extents without their zero pages, and the rest of the data behind them. */
static int
flush(struct pages *g)
{
	struct vd_extent out[BATCH];
	struct iovec iov[BATCH];
	size_t nout = 0;
	int niov = 0;
	const uint8_t *d = g->buf;

	for (size_t i = 0; i < g->nx; i++) {
		for (uint64_t k = 0; k < g->x[i].npages; k++, d += VD_PAGE) {
			uint64_t addr = g->x[i].addr + k * VD_PAGE;

			if (page_is_zero(d))
				continue;
			if (nout > 0 &&
			    out[nout - 1].addr +
				    out[nout - 1].npages * VD_PAGE ==
				addr)
				out[nout - 1].npages++;
			else
				out[nout++] = (struct vd_extent){addr, 1};
			if (niov > 0 && (uint8_t *)iov[niov - 1].iov_base +
						iov[niov - 1].iov_len ==
					    d)
				iov[niov - 1].iov_len += VD_PAGE;
			else
				iov[niov++] = (struct iovec){
				    g->buf + (d - g->buf), VD_PAGE};
		}
	}
	g->nx = g->npages = 0;
	return nout == 0
		   ? 0
		   : vd_put_pages(g->s->w, g->p->mm.id, out, nout, iov, niov);
}

/* Reads what the extents collected so far name to `d`. */
static int
fill(struct pages *g, uint8_t *d)
{
	struct iovec l = {d, g->npages * VD_PAGE}, rm[BATCH];
	auto_close int mem = -1;
	char path[32];
	ssize_t n;

	for (size_t i = 0; i < g->nx; i++)
		rm[i] = (struct iovec){
		    (void *)(uintptr_t)g->x[i].addr, g->x[i].npages * VD_PAGE};
	n = process_vm_readv(g->p->live, &l, 1, rm, g->nx, 0);
	if (n == (ssize_t)l.iov_len)
		return 0;
	/* a mapping without read permission stops it: piece by piece through
	 * /proc/PID/mem, which isn't bound by permissions */
	(void)snprintf(path, sizeof(path), "%d/mem", g->p->live);
	mem = openat(g->s->proc, path, O_RDONLY | O_CLOEXEC);
	if (mem < 0)
		return -errno;
	for (size_t i = 0; i < g->nx; i++) {
		n = pread(
		    mem, d, rm[i].iov_len, (off_t)(uintptr_t)rm[i].iov_base);
		if (n != (ssize_t)rm[i].iov_len)
			return n < 0 ? -errno : -EFAULT;
		d += n;
	}
	return 0;
}

/* Straight to where they go; the number of pages of zeros among them. */
static int
copy_in_place(struct pages *g)
{
	size_t n = g->npages;
	uint8_t *d;
	int zeros = 0, r;

	r = vd_pages_begin(g->s->w, g->p->mm.id, g->x, g->nx, &d);
	if (r == 0)
		r = fill(g, d);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		zeros += page_is_zero(d + i * VD_PAGE);
	g->nx = g->npages = 0;
	r = vd_pages_end(g->s->w);
	return r < 0 ? r : zeros;
}

/* Memory of which a good part is zeros is looked through before it is written,
 * other memory is copied once. */
static int
read_and_flush(struct pages *g)
{
	size_t n = g->npages;
	int r;

	if (n == 0)
		return 0;
	if (g->filter > 0) {
		g->filter--;
		r = fill(g, g->buf);
		return r < 0 ? r : flush(g);
	}
	r = copy_in_place(g);
	if (r > 0 && (size_t)r * 8 > n)
		g->filter = FILTER;
	return r < 0 ? r : 0;
}

static int
range(void *arg, const struct sys_prange *r)
{
	struct pages *g = arg;
	uint64_t at = r->start;

	while (at < r->end) {
		uint64_t n = (r->end - at) / VD_PAGE;
		int rc;

		if (n > BATCH - g->npages)
			n = BATCH - g->npages;
		g->x[g->nx++] = (struct vd_extent){at, n};
		g->npages += n;
		at += n * VD_PAGE;
		if (g->npages == BATCH) {
			rc = read_and_flush(g);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int
proc_pages(struct snap *s, struct snap_proc *p, uint8_t *buf)
{
	struct pages g = {.s = s, .p = p, .buf = buf};
	auto_close int pagemap = -1;
	char path[32];

	(void)snprintf(path, sizeof(path), "%d/pagemap", p->live);
	pagemap = openat(s->proc, path, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return -errno;
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct sys_vma *v = &p->maps.v[i];
		int r;

		/* shared ones travel with their file; the kernel's own stay */
		if (v->shared || strncmp(v->name, "[vvar", 5) == 0 ||
		    strcmp(v->name, "[vdso]") == 0 ||
		    strcmp(v->name, "[vsyscall]") == 0)
			continue;
		r = sys_pages_own(pagemap, v->start, v->end, range, &g);
		if (r < 0)
			return r;
	}
	return read_and_flush(&g);
}

int
snap_pages(struct snap *s, struct vps_err *e)
{
	uint8_t *buf = mmap(NULL, BATCH * VD_PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int r = 0;

	if (buf == MAP_FAILED)
		return vps_err_set(e, -ENOMEM, "buffer for pages");
	for (size_t i = 0; i < s->nprocs && r == 0; i++) {
		struct snap_proc *p = &s->procs[i];

		if (p->zombie)
			continue;
		r = proc_pages(s, p, buf);
		if (r < 0)
			vps_err_set(e, r, "process %d (%s): save its memory",
			    p->pid_in, p->stat.comm);
	}
	(void)munmap(buf, BATCH * VD_PAGE);
	return r;
}
