/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The contents of memory, as they come from the stream. Pages of mappings that
 * the process may not write go through /proc/PID/mem, which isn't bound by
 * their protection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "restore/rst_i.h"

static struct rst_proc *
proc_of_mm(struct rst *r, uint32_t obj)
{
	if (obj == 0 || obj > r->nmms || r->mms[obj - 1] == NULL)
		return NULL;
	return rst_proc(r, r->mms[obj - 1]->pid);
}

/* The mapping that holds [addr, end), or NULL: the image lies. */
static const struct vd_vma *
vma_of(const struct vd_mm *m, uint64_t addr)
{
	size_t lo = 0, hi = m->n_vmas;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->vmas[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n_vmas && m->vmas[lo].start <= addr ? &m->vmas[lo]
							   : NULL;
}

static int
write_forced(struct rst_proc *p, uint64_t addr, const uint8_t *d, size_t len)
{
	if (p->mem < 0) {
		char path[32];

		(void)snprintf(path, sizeof(path), "/proc/%u/mem", p->rec->pid);
		p->mem = open(path, O_RDWR | O_CLOEXEC);
		if (p->mem < 0)
			return -errno;
	}
	return pwrite(p->mem, d, len, (off_t)addr) == (ssize_t)len ? 0
								   : -EFAULT;
}

static int
write_plain(struct rst_proc *p, uint64_t addr, const uint8_t *d, size_t len)
{
	struct iovec l = {(void *)(uintptr_t)d, len},
		     rm = {(void *)(uintptr_t)addr, len};

	return process_vm_writev((pid_t)p->rec->pid, &l, 1, &rm, 1, 0) ==
		       (ssize_t)len
		   ? 0
		   : -EFAULT;
}

static int
extent(struct rst_proc *p, uint64_t addr, uint64_t end, const uint8_t *d)
{
	while (addr < end) {
		const struct vd_vma *v = vma_of(p->mm, addr);
		uint64_t to;
		int rc;

		if (v == NULL || v->shared)
			return -EBADMSG;
		to = end < v->end ? end : v->end;
		rc = v->prot & PROT_WRITE ? write_plain(p, addr, d, to - addr)
					  : write_forced(p, addr, d, to - addr);
		if (rc < 0)
			return rc;
		d += to - addr;
		addr = to;
	}
	return 0;
}

static int
block(struct rst *r, const struct vd_item *it, struct vps_err *e)
{
	struct rst_proc *p = proc_of_mm(r, it->obj);
	const uint8_t *d = it->data;

	if (p == NULL || p->mm == NULL)
		return vps_err_say(
		    e, -EBADMSG, "image: pages of unknown memory %u", it->obj);
	for (size_t i = 0; i < it->nx; i++) {
		uint64_t len = it->x[i].npages * VD_PAGE;
		int rc = extent(p, it->x[i].addr, it->x[i].addr + len, d);

		if (rc < 0)
			return vps_err_set(e, rc,
			    "memory of process %u at %#llx", p->rec->pid,
			    (unsigned long long)it->x[i].addr);
		d += len;
	}
	return 0;
}

int
rst_pages(struct rst *r, struct vps_err *e)
{
	int rc = 0;

	while (rc == 0 && r->item.what == VD_ITEM_PAGES) {
		rc = r->item.obj & VD_GHOST_OBJ
			 ? rst_ghosts_pages(r, &r->item, e)
			 : block(r, &r->item, e);
		if (rc < 0)
			break;
		rc = vd_next(r->rd, &r->item);
		if (rc < 0)
			vps_err_say(e, rc, "image: %s", vd_reader_why(r->rd));
	}
	if (rc == 0 && r->item.what != VD_ITEM_END)
		rc = vps_err_say(
		    e, -EBADMSG, "image: a record behind the pages");
	for (size_t i = 0; i < r->nprocs; i++) {
		if (r->procs[i].mem >= 0)
			(void)close(r->procs[i].mem);
		r->procs[i].mem = -1;
	}
	return rc;
}
