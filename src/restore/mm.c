/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Address spaces: every process gets its mappings, still empty. The vdso moves
 * to where the program knows it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst_i.h"

enum { VMA_ANON, VMA_FILE, VMA_VDSO, VMA_VVAR };

/* Descriptors of the files that are mapped, in the order of their numbers. */
static int
mapfiles_open(struct rst *r, struct vps_err *e)
{
	r->mapfds = arena_array(&r->arena, r->nmapfiles, sizeof(int));
	if (r->mapfds == NULL)
		return vps_err_set(e, -ENOMEM, "mapped files");
	for (size_t i = 0; i < r->nmapfiles; i++) {
		const struct vd_mapfile *m = r->mapfiles[i];
		int flags = O_RDONLY;

		r->mapfds[i] = -1;
		if (m == NULL)
			continue;
		if (m->write)
			flags = O_RDWR;
		r->mapfds[i] = m->ghost != 0
				   ? rst_ghost_open(r, m->ghost, flags, e)
				   : rst_open(r, m->path, flags, e);
		if (r->mapfds[i] < 0)
			return vps_err_wrap(
			    e, r->mapfds[i], "mapped file %s", m->path);
	}
	return 0;
}

struct filling {
	struct rst *r;
	struct rst_proc *p;
	uint32_t at[64]; /* which mapfile is at descriptor base + i */
	unsigned nat, base;
};

static int
run(struct filling *f, const char *what, struct vps_err *e)
{
	return f->r->calls.n == 0 ? 0 : rst_run(f->r, &f->p->th[0].t, what, e);
}

/* Closes the file descriptors that this process got for its mappings. */
static int
close_files(struct filling *f, struct vps_err *e)
{
	int rc;

	if (f->nat == 0)
		return 0;
	sys_rcalls_reset(&f->r->calls);
	for (unsigned i = 0; i < f->nat; i++)
		(void)sys_radd(&f->r->calls, SYS_close, RA_VAL(f->base + i));
	rc = run(f, "close mapped files", e);
	f->nat = 0;
	return rc;
}

/*
 * Sends the files that the next mappings need, at most 64; returns behind the
 * last mapping that is covered. They come in at the lowest free numbers, so a
 * process that has no descriptors yet gets them from 0.
 */
static int
send_files(struct filling *f, size_t from, size_t *ret_to, struct vps_err *e)
{
	const struct vd_mm *m = f->p->mm;
	int fds[64];
	size_t i;

	f->nat = 0;
	for (i = from; i < m->n_vmas; i++) {
		const struct vd_vma *v = &m->vmas[i];
		unsigned k;

		if (v->kind != VMA_FILE)
			continue;
		if (v->obj == 0 || v->obj > f->r->nmapfiles ||
		    f->r->mapfds[v->obj - 1] < 0)
			return vps_err_say(e, -EBADMSG,
			    "image: mapping of unknown file %u", v->obj);
		for (k = 0; k < f->nat; k++)
			if (f->at[k] == v->obj)
				break;
		if (k < f->nat)
			continue;
		if (f->nat == ARRAY_LEN(f->at))
			break;
		fds[f->nat] = f->r->mapfds[v->obj - 1];
		f->at[f->nat++] = v->obj;
	}
	*ret_to = i;
	f->base = 0;
	return rst_send_fds(f->r, &f->p->th[0].t, fds, f->nat, e);
}

static void
add_vma(struct filling *f, const struct vd_vma *v)
{
	struct sys_rcalls *c = &f->r->calls;
	uint64_t len = v->end - v->start;
	unsigned flags =
	    MAP_FIXED_NOREPLACE | (v->shared ? MAP_SHARED : MAP_PRIVATE);
	uint64_t fd = (uint64_t)-1;

	if (v->kind == VMA_VDSO || v->kind == VMA_VVAR)
		return; /* moved already */
	if (v->flags & 1)
		flags |= MAP_GROWSDOWN;
	if (v->flags & 1024)
		flags |= MAP_NORESERVE;
	if (v->kind == VMA_ANON) {
		flags |= MAP_ANONYMOUS;
	} else {
		for (unsigned k = 0; k < f->nat; k++)
			if (f->at[k] == v->obj)
				fd = f->base + k;
	}
	(void)sys_radd(c, SYS_mmap, RA_VAL(v->start), RA_VAL(len),
	    RA_VAL(v->prot), RA_VAL(flags), RA_VAL(fd), RA_VAL(v->off));
}

static void
add_advice(struct sys_rcalls *c, const struct vd_vma *v)
{
	static const struct {
		uint32_t bit;
		int advice;
	} rows[] = {
	    {4, MADV_DONTFORK},
	    {8, MADV_DONTDUMP},
	    {16, MADV_WIPEONFORK},
	    {32, MADV_HUGEPAGE},
	    {64, MADV_NOHUGEPAGE},
	    {128, MADV_MERGEABLE},
	    {256, MADV_SEQUENTIAL},
	    {512, MADV_RANDOM},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if ((v->flags & rows[i].bit) == 0 || v->kind == VMA_VDSO ||
		    v->kind == VMA_VVAR)
			continue;
		(void)sys_radd(c, SYS_madvise, RA_VAL(v->start),
		    RA_VAL(v->end - v->start), RA_VAL(rows[i].advice));
		sys_rmay_fail(c); /* advice that this kernel doesn't know */
	}
}

static int
move_one(struct filling *f, uint64_t from, uint64_t len, uint64_t to)
{
	struct sys_rcalls *c = &f->r->calls;

	if (from == to)
		return 0;
	(void)sys_radd(c, SYS_mremap, RA_VAL(from), RA_VAL(len), RA_VAL(len),
	    RA_VAL(MREMAP_MAYMOVE | MREMAP_FIXED), RA_VAL(to));
	return 1;
}

/*
 * vvar and vdso to the places they have in the image. Old and new places can
 * overlap, so both first go next to the stub, where nothing of the image is.
 */
static int
move_vdso(struct filling *f, struct vps_err *e)
{
	struct rst *r = f->r;
	const struct vd_mm *m = f->p->mm;
	uint64_t vdso = 0, vvar = 0, vdso_len = 0, vvar_len = 0;
	uint64_t park = r->stub.base + SYS_REMOTE_SIZE + 0x100000;
	size_t nvvar = 0;
	int rc;

	for (size_t i = 0; i < m->n_vmas; i++) {
		const struct vd_vma *v = &m->vmas[i];

		if (v->kind == VMA_VDSO) {
			vdso = v->start;
			vdso_len = v->end - v->start;
		} else if (v->kind == VMA_VVAR) {
			if (nvvar++ == 0)
				vvar = v->start;
			vvar_len = v->end - vvar;
		}
	}
	if (vdso == 0)
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %u has no vdso: can't be restored",
		    f->p->rec->pid);
	if (vdso_len != r->kmaps.vdso_len || vvar_len != r->kmaps.vvar_len)
		return vps_err_say(e, -EOPNOTSUPP,
		    "process %u: the kernel it comes from has another vdso",
		    f->p->rec->pid);
	if (vdso == r->kmaps.vdso && vvar == r->kmaps.vvar)
		return 0;
	/* mremap() moves one mapping at a time: vvar may be two */
	sys_rcalls_reset(&r->calls);
	for (size_t i = 0; i < r->kmaps.n_vparts; i++)
		(void)move_one(f, r->kmaps.vpart[i].start,
		    r->kmaps.vpart[i].len,
		    park + (r->kmaps.vpart[i].start - r->kmaps.vvar));
	(void)move_one(f, r->kmaps.vdso, r->kmaps.vdso_len, park + 0x100000);
	for (size_t i = 0; i < r->kmaps.n_vparts; i++)
		(void)move_one(f,
		    park + (r->kmaps.vpart[i].start - r->kmaps.vvar),
		    r->kmaps.vpart[i].len,
		    vvar + (r->kmaps.vpart[i].start - r->kmaps.vvar));
	(void)move_one(f, park + 0x100000, r->kmaps.vdso_len, vdso);
	rc = run(f, "move the vdso", e);
	return rc;
}

static int
proc_mm(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	struct filling f = {.r = r, .p = p};
	const struct vd_mm *m = p->mm;
	size_t i = 0;
	int rc = move_vdso(&f, e);

	while (rc == 0 && i < m->n_vmas) {
		size_t to = i;

		rc = send_files(&f, i, &to, e);
		sys_rcalls_reset(&r->calls);
		for (; rc == 0 && i < to; i++) {
			if (r->calls.n + 12 > SYS_RCALLS_MAX) {
				rc = run(&f, "map memory", e);
				sys_rcalls_reset(&r->calls);
			}
			add_vma(&f, &m->vmas[i]);
			add_advice(&r->calls, &m->vmas[i]);
		}
		if (rc == 0)
			rc = run(&f, "map memory", e);
		if (rc == 0)
			rc = close_files(&f, e);
	}
	return rc;
}

int
rst_mms(struct rst *r, struct vps_err *e)
{
	int rc = mapfiles_open(r, e);

	for (size_t i = 0; rc == 0 && i < r->nprocs; i++)
		if (!r->procs[i].rec->zombie)
			rc = proc_mm(r, &r->procs[i], e);
	return rc;
}

/* What the kernel keeps about the layout; the program; locked memory. */
static int
proc_finish(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	const struct vd_mm *m = p->mm;
	struct sys_rcalls *c = &r->calls;
	struct prctl_mm_map a = {.start_code = m->start_code,
	    .end_code = m->end_code,
	    .start_data = m->start_data,
	    .end_data = m->end_data,
	    .start_brk = m->start_brk,
	    .brk = m->brk,
	    .start_stack = m->start_stack,
	    .arg_start = m->arg_start,
	    .arg_end = m->arg_end,
	    .env_start = m->env_start,
	    .env_end = m->env_end,
	    .auxv_size = (uint32_t)m->auxv.n};
	size_t o_auxv, o_map;
	unsigned dup;
	int rc;

	if (m->exe == 0 || m->exe > r->nmapfiles || r->mapfds[m->exe - 1] < 0)
		return vps_err_say(e, -EBADMSG,
		    "image: process %u has no program", p->rec->pid);
	/* the descriptor's number there isn't known: it is moved to a known
	 * one behind the channel's */
	rc = rst_send_fds(r, &p->th[0].t, &r->mapfds[m->exe - 1], 1, e);
	if (rc < 0)
		return rc;
	a.exe_fd = (uint32_t)rst_first_free(p);
	sys_rcalls_reset(c);
	o_auxv = sys_rdata(c, m->auxv.p, m->auxv.n);
	a.auxv = (void *)(uintptr_t)(rst_remote_data(r) + o_auxv);
	o_map = sys_rdata(c, &a, sizeof(a));
	dup = sys_radd(c, SYS_prctl, RA_VAL(PR_SET_MM), RA_VAL(PR_SET_MM_MAP),
	    RA_DATA(o_map), RA_VAL(sizeof(a)), RA_VAL(0));
	(void)dup;
	(void)sys_radd(c, SYS_close, RA_VAL(a.exe_fd));
	for (size_t i = 0; i < m->n_vmas; i++) {
		const struct vd_vma *v = &m->vmas[i];

		if ((v->flags & 2) == 0)
			continue;
		if (c->n + 2 > SYS_RCALLS_MAX)
			break;
		(void)sys_radd(
		    c, SYS_mlock, RA_VAL(v->start), RA_VAL(v->end - v->start));
	}
	return rst_run(r, &p->th[0].t, "set the layout of its memory", e);
}

int
rst_mm_finish(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		int rc;

		if (r->procs[i].rec->zombie)
			continue;
		rc = proc_finish(r, &r->procs[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}
