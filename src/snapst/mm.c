/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The address space of a process and the files that it maps.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "snapst/snap_i.h"

enum { VMA_ANON, VMA_FILE, VMA_VDSO, VMA_VVAR };

struct snap_mapfile {
	struct snap_mapfile *next;
	dev_t dev; /* as maps shows it */
	uint64_t ino;
	bool write; /* some mapping is shared and writable */
	struct vd_mapfile rec;
};

static const struct {
	uint32_t vmflag, bit;
} flag_bits[] = {
    {SYS_VMF_GD, 1},
    {SYS_VMF_LO, 2},
    {SYS_VMF_DC, 4},
    {SYS_VMF_DD, 8},
    {SYS_VMF_WF, 16},
    {SYS_VMF_HG, 32},
    {SYS_VMF_NH, 64},
    {SYS_VMF_MG, 128},
    {SYS_VMF_SR, 256},
    {SYS_VMF_RR, 512},
    {SYS_VMF_NR, 1024},
};

static uint32_t
flags_of(const struct sys_vma *v)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(flag_bits); i++)
		if ((v->vmflags & flag_bits[i].vmflag) != 0)
			bits |= flag_bits[i].bit;
	return bits;
}

/* Why a mapping can't be carried; NULL: it can. */
static const char *
refuse(const struct sys_vma *v)
{
	if (v->vmflags & SYS_VMF_HT)
		return "huge pages (hugetlb)";
	if (v->vmflags & (SYS_VMF_IO | SYS_VMF_PF) && v->name[0] != '[')
		return "device memory";
	if (v->vmflags & (SYS_VMF_UM | SYS_VMF_UW))
		return "memory under userfaultfd";
	if (v->vmflags & SYS_VMF_SS)
		return "a shadow stack";
	if (str_has_prefix(v->name, "/SYSV"))
		return "a SysV shared memory segment";
	if (str_has_prefix(v->name, "anon_inode:[io_uring]") ||
	    str_has_prefix(v->name, "/anon_hugepage"))
		return "a kernel ring or huge pages";
	if (str_has_prefix(v->name, "/[aio]"))
		return "an asynchronous I/O context (io_setup)";
	if (str_has_prefix(v->name, "anon_inode:") ||
	    str_has_prefix(v->name, "socket:"))
		return "memory of a kernel object";
	return NULL;
}

int
snap_mm_check(struct snap *s, struct snap_proc *p)
{
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct sys_vma *v = &p->maps.v[i];
		const char *why = refuse(v);

		if (why != NULL)
			snap_object_proc(s, p,
			    "mapping %" PRIx64 "-%" PRIx64
			    " %s: %s can't be carried",
			    v->start, v->end, v->name, why);
	}
	return 0;
}

char *
snap_readlink(struct snap *s, const char *path)
{
	char link[4096];
	ssize_t n = readlinkat(s->proc, path, link, sizeof(link) - 1);

	if (n < 0)
		return NULL;
	if ((size_t)n == sizeof(link) - 1) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	link[n] = '\0';
	return arena_str(&s->arena, link);
}

/* Fills a new record from the file that `path` (below /proc) leads to. */
static int
mapfile_fill(struct snap *s, struct snap_mapfile *f, const char *path)
{
	auto_close int fd = openat(s->proc, path, O_PATH | O_CLOEXEC);
	const char *link = snap_readlink(s, path);
	char name[PATH_MAX];
	struct stat st;
	int r;

	if (fd < 0 || link == NULL || fstat(fd, &st) < 0)
		return -errno;
	f->rec.size = (uint64_t)st.st_size;
	f->rec.mtime_ns = st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec;
	f->rec.path = link;
	if (snap_is_ghost(&st, link)) {
		auto_close int rd = openat(s->proc, path, O_RDONLY | O_CLOEXEC);

		if (rd < 0)
			return -errno;
		return snap_ghost_id(s, rd, link, &f->rec.ghost, NULL);
	}
	/* some name must lead to it from the instance's root */
	r = snap_path(s, link, &st, name);
	if (r < 0)
		return r;
	f->rec.path = arena_str(&s->arena, name);
	return f->rec.path == NULL ? -ENOMEM : 0;
}

static int
mapfile_find(struct snap *s, dev_t dev, uint64_t ino, bool write,
    const char *path, uint32_t *ret)
{
	struct snap_mapfile *f;
	int r;

	for (f = s->mapfiles; f != NULL; f = f->next) {
		if (f->ino == ino && f->dev == dev) {
			f->write = f->write || write;
			*ret = f->rec.id;
			return 0;
		}
	}
	f = arena_alloc(&s->arena, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->dev = dev;
	f->ino = ino;
	f->write = write;
	r = mapfile_fill(s, f, path);
	if (r < 0)
		return r;
	f->rec.id = ++s->nmapfiles;
	f->next = s->mapfiles;
	s->mapfiles = f;
	*ret = f->rec.id;
	return 0;
}

static int
vma_fill(struct snap *s, struct snap_proc *p, const struct sys_vma *v,
    struct vd_vma *r)
{
	char path[96];

	*r = (struct vd_vma){.start = v->start,
	    .end = v->end,
	    .prot = v->prot,
	    .shared = v->shared,
	    .flags = flags_of(v)};
	if (strcmp(v->name, "[vdso]") == 0) {
		r->kind = VMA_VDSO;
		return 0;
	}
	if (str_has_prefix(v->name, "[vvar")) {
		r->kind = VMA_VVAR;
		return 0;
	}
	if (v->ino == 0 && !v->shared) {
		r->kind = VMA_ANON;
		return 0;
	}
	r->kind = VMA_FILE;
	r->off = v->off;
	(void)snprintf(path, sizeof(path), "%d/map_files/%" PRIx64 "-%" PRIx64,
	    p->live, v->start, v->end);
	return mapfile_find(s, v->dev, v->ino,
	    /* mprotect() may make it so later */
	    v->shared && (v->vmflags & SYS_VMF_MW) != 0, path, &r->obj);
}

/* The program: usually one of the files that are mapped. */
static int
exe_fill(struct snap *s, struct snap_proc *p)
{
	const char *link;
	char path[32];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%d/exe", p->live);
	link = snap_readlink(s, path);
	if (link == NULL)
		return -errno;
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct sys_vma *v = &p->maps.v[i];

		if (strcmp(v->name, link) == 0 && v->ino != 0)
			return mapfile_find(
			    s, v->dev, v->ino, false, path, &p->mm.exe);
	}
	if (fstatat(s->proc, path, &st, 0) < 0)
		return -errno;
	return mapfile_find(s, st.st_dev, st.st_ino, false, path, &p->mm.exe);
}

static int
auxv_fill(struct snap *s, struct snap_proc *p)
{
	auto_buf struct buf b = {0};
	char path[32];
	int r;

	(void)snprintf(path, sizeof(path), "%d/auxv", p->live);
	r = file_read(s->proc, path, &b, 65536);
	if (r < 0)
		return r;
	p->mm.auxv.n = b.len;
	p->mm.auxv.p = arena_copy(&s->arena, b.data, b.len);
	return p->mm.auxv.p == NULL ? -ENOMEM : 0;
}

int
snap_mm(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	const struct sys_pstat *st = &p->stat;
	struct sys_pstat other;
	struct vd_vma *v = arena_array(&s->arena, p->maps.n, sizeof(*v));
	size_t n = 0;
	int r;

	if (v == NULL)
		return vps_err_set(e, -ENOMEM, "process %d", p->pid_in);
	for (size_t i = 0; i < p->maps.n; i++) {
		const struct sys_vma *m = &p->maps.v[i];
		const char *why = refuse(m);

		if (strcmp(m->name, "[vsyscall]") == 0)
			continue;
		if (why != NULL)
			return vps_err_say(e, -EOPNOTSUPP,
			    "process %d (%s): mapping %s: %s can't be carried",
			    p->pid_in, p->stat.comm, m->name, why);
		r = vma_fill(s, p, m, &v[n++]);
		if (r < 0)
			return vps_err_set(e, r,
			    "process %d (%s): mapping %" PRIx64 " of %s",
			    p->pid_in, p->stat.comm, m->start, m->name);
	}
	p->mm.vmas = v;
	p->mm.n_vmas = n;
	p->mm.pid = (uint32_t)p->pid_in;
	if (p->live != p->pid) {
		int rc = sys_pstat_read(s->proc, p->live, 0, &other);

		if (rc < 0)
			return vps_err_set(
			    e, rc, "process %d: layout", p->pid_in);
		st = &other;
	}
	p->mm.start_code = st->start_code;
	p->mm.end_code = st->end_code;
	p->mm.start_data = st->start_data;
	p->mm.end_data = st->end_data;
	p->mm.start_brk = st->start_brk;
	p->mm.start_stack = st->start_stack;
	p->mm.arg_start = st->arg_start;
	p->mm.arg_end = st->arg_end;
	p->mm.env_start = st->env_start;
	p->mm.env_end = st->env_end;
	r = auxv_fill(s, p);
	if (r == 0)
		r = exe_fill(s, p);
	return r < 0 ? vps_err_set(e, r, "process %d (%s): its program",
			   p->pid_in, p->stat.comm)
		     : 0;
}

int
snap_mm_put_objects(struct snap *s, struct vps_err *e)
{
	for (struct snap_mapfile *f = s->mapfiles; f != NULL; f = f->next) {
		int r;

		f->rec.write = f->write;
		r = vd_put(s->w, &vd_type_mapfile, &f->rec);
		if (r < 0)
			return vps_err_set(e, r, "write the image");
	}
	return 0;
}
