/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The course of a snapshot: stop, collect, write, let go.
 */
#include "snapst/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "snapst/proc.h"
#include "snapst/snap_i.h"
#include "snapst/sockwas.h"
#include "snapst/world.h"

struct vd_writer *
snap_writer(struct snap *s)
{
	return s->w;
}

int
snap_root(const struct snap *s)
{
	return s->root;
}

void *
snap_slot(struct snap *s, uint32_t number, uint64_t object, size_t size)
{
	return slots_get(&s->slots, number, object, size);
}

int
snap_undo_dir(const struct snap *s)
{
	return s->t->undo;
}

int
snap_ext_master(struct snap *s, unsigned i, int *ret_num)
{
	if (i >= s->t->n_masters)
		return -ENOENT;
	*ret_num = s->t->master_nums[i];
	return s->t->masters[i];
}

pid_t
snap_init(const struct snap *s)
{
	return s->t->init;
}

/* uid_map, gid_map: "inside outside count" lines. */
static int
idmap_read(
    struct snap *s, const char *name, struct snap_idmap **ret, size_t *ret_n)
{
	auto_buf struct buf b = {0};
	char path[32];
	const char *p;
	size_t n = 0, cap = 1;
	int r;

	(void)snprintf(path, sizeof(path), "%d/%s", s->t->init, name);
	r = file_read(s->proc, path, &b, 1 << 16);
	if (r < 0)
		return r;
	for (p = buf_str(&b); *p != '\0'; p++)
		cap += *p == '\n';
	*ret = arena_array(&s->arena, cap, sizeof(**ret));
	if (*ret == NULL)
		return -ENOMEM;
	for (p = buf_str(&b); *p != '\0';) {
		struct snap_idmap *m = &(*ret)[n];

		if (sscanf(p, "%" SCNu32 " %" SCNu32 " %" SCNu32, &m->in,
			&m->out, &m->n) == 3)
			n++;
		p = strchr(p, '\n');
		if (p == NULL)
			break;
		p++;
	}
	*ret_n = n;
	return 0;
}

static uint32_t
idmap_in(const struct snap_idmap *m, size_t n, uint32_t host)
{
	for (size_t i = 0; i < n; i++)
		if (host >= m[i].out && host - m[i].out < m[i].n)
			return m[i].in + (host - m[i].out);
	return (uint32_t)-1;
}

uint32_t
snap_uid(const struct snap *s, uid_t host)
{
	return idmap_in(s->uids, s->nuids, host);
}

uint32_t
snap_gid(const struct snap *s, gid_t host)
{
	return idmap_in(s->gids, s->ngids, host);
}

pid_t
snap_pid_in(const struct snap *s, pid_t host)
{
	for (size_t i = 0; i < s->nprocs; i++) {
		const struct snap_proc *p = &s->procs[i];

		if (p->pid == host)
			return p->pid_in;
		for (size_t k = 0; k < p->nth; k++)
			if (p->th[k].t.tid == host)
				return p->th[k].st.pid_in;
	}
	return 0;
}

pid_t
snap_pid_host(const struct snap *s, pid_t in)
{
	for (size_t i = 0; i < s->nprocs; i++) {
		const struct snap_proc *p = &s->procs[i];

		for (size_t k = 0; k < p->nth; k++)
			if (p->th[k].st.pid_in == in)
				return p->th[k].t.tid;
	}
	return 0;
}

static const char *
comm_of(const struct snap *s, pid_t pid)
{
	for (size_t i = 0; i < s->nprocs; i++)
		if (s->procs[i].pid == pid || s->procs[i].live == pid)
			return s->procs[i].stat.comm;
	return "?";
}

static void __attribute__((format(printf, 3, 0)))
objection(struct snap *s, const char *who, const char *fmt, va_list ap)
{
	char text[512];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	buf_addf(&s->objections, "%s%s\n", who, text);
	s->n_objections++;
}

void
snap_object(struct snap *s, const struct snap_fd *f, const char *fmt, ...)
{
	char who[128];
	va_list ap;

	if (f == NULL)
		who[0] = '\0';
	else if (f->num >= 0)
		(void)snprintf(who, sizeof(who),
		    "process %d (%s) fd %d: ", f->pid_in, comm_of(s, f->pid),
		    f->num);
	else
		(void)snprintf(who, sizeof(who), "descriptor in flight: ");
	va_start(ap, fmt);
	objection(s, who, fmt, ap);
	va_end(ap);
}

void
snap_object_proc(
    struct snap *s, const struct snap_proc *p, const char *fmt, ...)
{
	char who[128];
	va_list ap;

	if (p != NULL)
		(void)snprintf(who, sizeof(who), "process %d (%s): ", p->pid_in,
		    p->stat.comm);
	else
		who[0] = '\0';
	va_start(ap, fmt);
	objection(s, who, fmt, ap);
	va_end(ap);
}

static int
snap_open(struct snap *s, const struct snap_target *t, struct vps_err *e)
{
	char path[32];
	int r;

	*s = (struct snap){.t = t, .proc = -1, .root = -1};
	s->slots.arena = &s->arena;
	s->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->proc < 0)
		return vps_err_set(e, -errno, "open /proc");
	(void)snprintf(path, sizeof(path), "%d/root", t->init);
	s->root = openat(s->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->root < 0)
		return vps_err_set(e, -errno, "open the root of %s", t->id);
	r = idmap_read(s, "uid_map", &s->uids, &s->nuids);
	if (r == 0)
		r = idmap_read(s, "gid_map", &s->gids, &s->ngids);
	return r < 0 ? vps_err_set(e, r, "id map of %s", t->id) : 0;
}

static void
snap_close(struct snap *s)
{
	snap_ghosts_fini(s);
	snap_files_free(s);
	for (size_t i = 0; i < s->nprocs; i++) {
		struct snap_proc *p = &s->procs[i];

		if (p->pidfd >= 0)
			(void)close(p->pidfd);
		sys_maps_fini(&p->maps);
		for (size_t k = 0; k < p->nth; k++) {
			sys_pstatus_fini(&p->th[k].st);
			sys_tracee_fini(&p->th[k].t);
		}
	}
	slots_fini(&s->slots);
	arena_fini(&s->arena);
	buf_fini(&s->objections);
	if (s->proc >= 0)
		(void)close(s->proc);
	if (s->root >= 0)
		(void)close(s->root);
}

/* Namespaces other than the instance's own, and what isn't to be seen in a
 * memory map or a descriptor. */
static int
proc_check(struct snap *s, struct snap_proc *p)
{
	static const char *const ns[] = {
	    "user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"};
	char a[64], b[64], path[48];

	for (size_t i = 0; i < ARRAY_LEN(ns); i++) {
		ssize_t n, m;

		(void)snprintf(path, sizeof(path), "%d/ns/%s", p->live, ns[i]);
		n = readlinkat(s->proc, path, a, sizeof(a));
		(void)snprintf(
		    path, sizeof(path), "%d/ns/%s", s->t->init, ns[i]);
		m = readlinkat(s->proc, path, b, sizeof(b));
		if (n < 0 || m < 0)
			continue; /* gone, or a zombie */
		if (n != m || memcmp(a, b, (size_t)n) != 0)
			snap_object_proc(s, p,
			    "is in a %s namespace of its own: can't be carried",
			    ns[i]);
	}
	for (size_t i = 0; i < p->nth; i++) {
		const struct sys_pstatus *st = &p->th[i].st;

		if (st->seccomp == 1)
			snap_object_proc(
			    s, p, "seccomp strict mode can't be carried");
		/* it could install it, but has given up what that takes */
		if (st->seccomp == 2 && !st->no_new_privs &&
		    (st->cap_eff >> CAP_SYS_ADMIN & 1) == 0)
			snap_object_proc(s, p,
			    "a seccomp filter without no_new_privs in thread "
			    "%d, which isn't privileged: can't be carried",
			    st->pid_in);
	}
	return 0;
}

int
snap_check(const struct snap_target *t, struct buf *ret, struct vps_err *e)
{
	struct snap s;
	int r = snap_open(&s, t, e);

	if (r == 0)
		r = snap_tasks_list(&s, e);
	for (size_t i = 0; r == 0 && i < s.nprocs; i++) {
		struct snap_proc *p = &s.procs[i];

		if (p->zombie)
			continue;
		(void)proc_check(&s, p);
		if (sys_maps_read(s.proc, p->live, &p->maps) == 0)
			(void)snap_mm_check(&s, p);
		(void)snap_fds_check(&s, p);
	}
	if (r == 0)
		r = snap_world_check(&s);
	if (r == 0 && s.n_objections > 0) {
		buf_add(ret, s.objections.data, s.objections.len);
		r = vps_err_say(e, -EOPNOTSUPP,
		    "%u thing%s in %s can't be carried", s.n_objections,
		    s.n_objections == 1 ? "" : "s", t->id);
	}
	snap_close(&s);
	return r;
}

/* Everything about one process that isn't a file. */
static int
proc_collect(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	int r;

	p->mm.id = p->zombie ? 0 : (uint32_t)(p - s->procs) + 1;
	r = snap_proc_fill(s, p, e);
	if (r < 0 || p->zombie)
		return r;
	r = sys_maps_read(s->proc, p->live, &p->maps);
	if (r < 0)
		return vps_err_set(e, r, "process %d: memory map", p->pid_in);
	for (size_t i = 0; i < p->nth; i++) {
		r = snap_thread_fill(s, p, &p->th[i], e);
		if (r == 0)
			r = snap_thread_creds(s, &p->th[i], e);
		if (r < 0)
			return r;
	}
	r = snap_facts(s, p, e);
	if (r == 0)
		r = snap_mm(s, p, e);
	if (r == 0)
		r = snap_fds(s, p, e);
	return r;
}

static int
put_procs(struct snap *s, struct vps_err *e)
{
	int r = 0;

	for (size_t i = 0; i < s->nprocs && r == 0; i++)
		r = vd_put(s->w, &vd_type_proc, &s->procs[i].rec);
	return r < 0 ? vps_err_set(e, r, "write the image") : 0;
}

static int
put_memory_and_threads(struct snap *s, struct vps_err *e)
{
	int r = snap_mm_put_objects(s, e);

	for (size_t i = 0; i < s->nprocs && r == 0; i++) {
		struct snap_proc *p = &s->procs[i];

		if (p->zombie)
			continue;
		r = vd_put(s->w, &vd_type_mm, &p->mm);
		for (size_t k = 0; k < p->nth && r == 0; k++)
			r = vd_put(s->w, &vd_type_thread, &p->th[k].rec);
		if (r < 0)
			vps_err_set(e, r, "write the image");
	}
	return r;
}

/* With a number that no task, group or session has: for the builder. */
static int
put_instance(struct snap *s)
{
	struct vd_instance v = *s->t->instance;
	pid_t top = 299;

	for (size_t i = 0; i < s->nprocs; i++) {
		const struct snap_proc *p = &s->procs[i];

		for (size_t k = 0; k < p->nth; k++) {
			const struct sys_pstatus *st = &p->th[k].st;

			top = st->pid_in > top ? st->pid_in : top;
			top = st->pgid_in > top ? st->pgid_in : top;
			top = st->sid_in > top ? st->sid_in : top;
		}
	}
	v.last_pid = (uint32_t)top;
	v.free_pid = (uint32_t)top + 1;
	return vd_put(s->w, &vd_type_instance, &v);
}

static int
write_all(struct snap *s, struct vps_err *e)
{
	int r = vd_put(s->w, &vd_type_system, s->t->system);

	if (r == 0)
		r = put_instance(s);
	if (r < 0)
		return vps_err_set(e, r, "write the image");
	r = snap_world_put(s, e);
	for (size_t i = 0; i < s->nprocs && r == 0; i++)
		r = proc_collect(s, &s->procs[i], e);
	if (r == 0)
		r = put_procs(s, e);
	if (r == 0)
		r = snap_files_put(s, e);
	if (r == 0)
		r = put_memory_and_threads(s, e);
	if (r == 0)
		r = snap_ghosts_pages(s, e);
	if (r == 0)
		r = snap_pages(s, e);
	if (r < 0)
		return r;
	r = vd_put_end(s->w);
	return r < 0 ? vps_err_set(e, r, "write the image") : 0;
}

int
snap_write(const struct snap_target *t, struct vd_writer *w, struct vps_err *e)
{
	struct snap s;
	int r = snap_open(&s, t, e);

	s.w = w;
	if (r == 0)
		r = snap_tasks_list(&s, e);
	if (r == 0)
		r = snap_tasks_stop(&s, e);
	if (r == 0)
		r = write_all(&s, e);
	snap_sock_forget(t->undo);
	snap_tasks_release(&s);
	snap_close(&s);
	return r;
}
