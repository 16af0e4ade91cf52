/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The records of an image up to the first block of pages: sorted into the
 * builder's tables, references checked. What belongs to the world is built on
 * the way, since its contents may be large.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "restore/kinds.h"
#include "restore/rst_i.h"
#include "restore/world.h"

#define IDS_MAX 4000000u /* of one kind in an image */

/* Room for index `i` in a table of `size`-byte elements; new ones are zero. */
static int
table_grow(void *table, size_t *cap, size_t i, size_t size)
{
	void **t = table;
	size_t want = *cap ? *cap : 64;
	uint8_t *p;

	if (i < *cap)
		return 0;
	if (i >= IDS_MAX)
		return -EBADMSG;
	while (want <= i)
		want *= 2;
	p = reallocarray(*t, want, size);
	if (p == NULL)
		return -ENOMEM;
	memset(p + *cap * size, 0, (want - *cap) * size);
	*t = p;
	*cap = want;
	return 0;
}

static int
take_system(struct rst *r, const void *rec, struct vps_err *e)
{
	(void)e;
	r->system = rec;
	return 0;
}

static int
take_instance(struct rst *r, const void *rec, struct vps_err *e)
{
	(void)e;
	r->instance = rec;
	return 0;
}

static int
take_proc(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_proc *p = rec;
	int rc =
	    table_grow(&r->procs, &r->procs_cap, r->nprocs, sizeof(*r->procs));

	if (rc < 0)
		return vps_err_set(e, rc, "process table");
	if (p->pid == 0 || p->n_tids == 0 || p->n_tids > 100000 ||
	    rst_proc(r, p->pid) != NULL)
		return vps_err_say(
		    e, -EBADMSG, "image: process %u is not valid", p->pid);
	r->procs[r->nprocs++] = (struct rst_proc){.rec = p, .mem = -1};
	return 0;
}

static int
take_thread(struct rst *r, const void *rec, struct vps_err *e)
{
	int rc = table_grow(
	    &r->threads, &r->threads_cap, r->nthreads, sizeof(*r->threads));

	if (rc < 0)
		return vps_err_set(e, rc, "thread table");
	r->threads[r->nthreads++] = rec;
	return 0;
}

static int
take_file(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_file *f = rec;
	int rc;

	if (f->id == 0 || rst_kind_of(f->kind) == NULL)
		return vps_err_say(e, -EBADMSG,
		    "image: file %u is of unknown kind %u", f->id, f->kind);
	rc = table_grow(&r->files, &r->files_cap, f->id - 1, sizeof(*r->files));
	if (rc < 0)
		return vps_err_set(e, rc, "file table");
	if (r->files[f->id - 1].f != NULL)
		return vps_err_say(e, -EBADMSG, "image: file %u twice", f->id);
	r->files[f->id - 1] = (struct rst_file){.f = f, .fd = -1};
	if (f->id > r->nfiles)
		r->nfiles = f->id;
	r->last_file = f->id;
	return 0;
}

/* A table of pointers, by id from 1. */
static int
take_by_id(void *table, size_t *n, uint32_t id, const void *rec,
    const char *what, struct vps_err *e)
{
	const void ***t = table;
	size_t cap = *n;
	int rc;

	if (id == 0)
		return vps_err_say(e, -EBADMSG, "image: %s 0", what);
	rc = table_grow(table, &cap, id - 1, sizeof(**t));
	if (rc < 0)
		return vps_err_set(e, rc, "%s table", what);
	if ((*t)[id - 1] != NULL)
		return vps_err_say(e, -EBADMSG, "image: %s %u twice", what, id);
	(*t)[id - 1] = rec;
	*n = cap;
	return 0;
}

static int
take_mm(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_mm *m = rec;

	return take_by_id(&r->mms, &r->nmms, m->id, rec, "memory map", e);
}

static int
take_mapfile(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_mapfile *m = rec;

	return take_by_id(
	    &r->mapfiles, &r->nmapfiles, m->id, rec, "mapped file", e);
}

static int
take_seccomp(struct rst *r, const void *rec, struct vps_err *e)
{
	const struct vd_seccomp *f = rec;

	return take_by_id(
	    &r->filters, &r->nfilters, f->id, rec, "seccomp filter", e);
}

static const struct {
	uint32_t number;
	int (*take)(struct rst *r, const void *rec, struct vps_err *e);
} takers[] = {
    {VD_T_system, take_system},
    {VD_T_instance, take_instance},
    {VD_T_proc, take_proc},
    {VD_T_thread, take_thread},
    {VD_T_file, take_file},
    {VD_T_mm, take_mm},
    {VD_T_mapfile, take_mapfile},
    {VD_T_seccomp, take_seccomp},
};

static int
take(struct rst *r, const struct vd_item *it, struct vps_err *e)
{
	const struct rst_rec *rec;
	rst_world_fn world;

	for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++)
		if (takers[i].number == it->number)
			return takers[i].take(r, it->rec, e);
	world = rst_world_of(it->number);
	if (world != NULL) {
		int rc = world(r, it->rec, e);

		/* Contents of files; there may be many. */
		if (it->number == VD_T_idata || it->number == VD_T_inode)
			vd_drop(r->rd, it->rec);
		return rc;
	}
	/* the record of a file's kind comes right behind it */
	if (r->last_file != 0 &&
	    r->files[r->last_file - 1].f->kind == it->number &&
	    r->files[r->last_file - 1].rec == NULL) {
		r->files[r->last_file - 1].rec = it->rec;
		return 0;
	}
	rec = rst_rec_of(it->number);
	if (rec != NULL)
		return rec->take(r, it->rec, e);
	return vps_err_say(e, -EBADMSG, "image: record %s isn't expected here",
	    vd_type_name(it->type));
}

struct rst_proc *
rst_proc(struct rst *r, uint32_t pid)
{
	for (size_t i = 0; i < r->nprocs; i++)
		if (r->procs[i].rec->pid == pid)
			return &r->procs[i];
	return NULL;
}

/* Gives each process its map and its threads, in the order of its tids. */
static int
connect_all(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];
		uint32_t mm = p->rec->mm;

		p->th = arena_array(&r->arena, p->rec->n_tids, sizeof(*p->th));
		if (p->th == NULL)
			return vps_err_set(e, -ENOMEM, "thread table");
		if (p->rec->zombie)
			continue;
		if (mm == 0 || mm > r->nmms || r->mms[mm - 1] == NULL)
			return vps_err_say(e, -EBADMSG,
			    "image: process %u has no memory map", p->rec->pid);
		p->mm = r->mms[mm - 1];
	}
	for (size_t i = 0; i < r->nthreads; i++) {
		const struct vd_thread *t = r->threads[i];
		struct rst_proc *p = rst_proc(r, t->pid);
		size_t k;

		if (p == NULL)
			return vps_err_say(e, -EBADMSG,
			    "image: thread %u of no process", t->tid);
		for (k = 0; k < p->rec->n_tids; k++)
			if (p->rec->tids[k] == t->tid)
				break;
		if (k == p->rec->n_tids || p->th[k].rec != NULL ||
		    (!t->exited && t->n_creds != 1))
			return vps_err_say(e, -EBADMSG,
			    "image: thread %u is not valid", t->tid);
		p->th[k].rec = t;
	}
	for (size_t i = 0; i < r->nprocs; i++) {
		const struct rst_proc *p = &r->procs[i];

		for (size_t k = 0; !p->rec->zombie && k < p->rec->n_tids; k++)
			if (p->th[k].rec == NULL)
				return vps_err_say(e, -EBADMSG,
				    "image: thread %u is missing",
				    p->rec->tids[k]);
	}
	return 0;
}

static int
files_complete(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nfiles; i++)
		if (r->files[i].f == NULL || r->files[i].rec == NULL)
			return vps_err_say(
			    e, -EBADMSG, "image: file %zu is missing", i + 1);
	for (size_t i = 0; i < r->nprocs; i++) {
		const struct vd_proc *p = r->procs[i].rec;

		for (size_t k = 0; k < p->n_fds; k++)
			if (p->fds[k].file == 0 || p->fds[k].file > r->nfiles ||
			    p->fds[k].fd > 1u << 20 ||
			    (k > 0 && p->fds[k].fd <= p->fds[k - 1].fd))
				return vps_err_say(e, -EBADMSG,
				    "image: descriptor %u of process %u",
				    p->fds[k].fd, p->pid);
	}
	return 0;
}

int
rst_read(struct rst *r, struct vps_err *e)
{
	int rc;

	for (;;) {
		rc = vd_next(r->rd, &r->item);
		if (rc < 0)
			return vps_err_say(
			    e, rc, "image: %s", vd_reader_why(r->rd));
		if (r->item.what != VD_ITEM_RECORD)
			break;
		rc = take(r, &r->item, e);
		if (rc < 0)
			return rc;
	}
	if (r->nprocs == 0)
		return vps_err_say(
		    e, -EBADMSG, "image: no instance is described in it");
	rc = connect_all(r, e);
	return rc < 0 ? rc : files_complete(r, e);
}
