/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The skeleton made ready to be forked: the stub is mapped at an address that
 * no process of the image uses, everything else but the vdso is unmapped, a
 * socket is there through which descriptors come. All processes inherit it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/build.h"
#include "restore/rst_i.h"
#include "sys/maps.h"
#include "sys/unix.h"

#define TASK_END 0x7ffffffff000ull

int
rst_run(
    struct rst *r, struct sys_tracee *t, const char *what, struct vps_err *e)
{
	unsigned failed = 0;
	int rc = sys_remote_run(
	    &(struct sys_remote){t->tid, r->stub.base, r->stub.sysinsn}, t,
	    &r->calls, &failed, NULL, NULL);

	if (rc < 0)
		return vps_err_set(e, rc, "process %d: %s (system call %ld)",
		    t->tid, what, r->calls.call[failed].nr);
	return 0;
}

static void
born(void *arg, pid_t child)
{
	struct rst *r = arg;

	r->last_born = child;
}

int
rst_clone(struct rst *r, struct sys_tracee *parent, const struct rst_clone *how,
    struct sys_tracee *ret, struct vps_err *e)
{
	int32_t pid = (int32_t)how->pid;
	struct clone_args a = {.flags = how->flags,
	    .exit_signal = how->exit_signal,
	    .set_tid_size = 1};
	size_t o_pid, o_args;
	unsigned failed = 0;
	int rc;

	sys_rcalls_reset(&r->calls);
	o_pid = sys_rdata(&r->calls, &pid, sizeof(pid));
	a.set_tid = r->stub.base + SYS_REMOTE_DATA + o_pid;
	o_args = sys_rdata(&r->calls, &a, sizeof(a));
	(void)sys_radd(
	    &r->calls, SYS_clone3, RA_DATA(o_args), RA_VAL(sizeof(a)));
	r->last_born = 0;
	rc = sys_remote_run(
	    &(struct sys_remote){parent->tid, r->stub.base, r->stub.sysinsn},
	    parent, &r->calls, &failed, born, r);
	if (rc < 0)
		return vps_err_set(
		    e, rc, "fork process %u from %d", how->pid, parent->tid);
	if (r->last_born != (pid_t)how->pid)
		return vps_err_say(
		    e, -EPROTO, "process %u became %d", how->pid, r->last_born);
	*ret = (struct sys_tracee){.tid = r->last_born, .stopped = true};
	rc = sys_tracee_get(ret, 0, 0);
	if (rc < 0)
		return vps_err_set(e, rc, "process %u", how->pid);
	/* whatever happens, it never leaves a stop with open signals */
	ret->mask = UINT64_MAX;
	return 0;
}

static bool
hole_is_free(struct rst *r, const struct sys_maps *own, uint64_t at)
{
	uint64_t end = at + SYS_REMOTE_SIZE;

	for (size_t i = 0; i < own->n; i++)
		if (own->v[i].start < end && own->v[i].end > at)
			return false;
	for (size_t i = 0; i < r->nmms; i++) {
		const struct vd_mm *m = r->mms[i];

		for (size_t k = 0; m != NULL && k < m->n_vmas; k++)
			if (m->vmas[k].start < end && m->vmas[k].end > at)
				return false;
	}
	return true;
}

static uint64_t
hole_find(struct rst *r, const struct sys_maps *own)
{
	for (uint64_t at = 0x100000000ull; at < 0x7f0000000000ull;
	     at += 0x40000000ull)
		if (hole_is_free(r, own, at))
			return at;
	return 0;
}

/* Where the kernel has put its own mappings in the skeleton. */
static int
kernel_maps(struct rst_kmaps *k, const struct sys_maps *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct sys_vma *v = &m->v[i];

		if (strcmp(v->name, "[vdso]") == 0) {
			k->vdso = v->start;
			k->vdso_len = v->end - v->start;
		} else if (strncmp(v->name, "[vvar", 5) == 0) {
			/* [vvar] and [vvar_vclock] are neighbours */
			if (k->vvar_len == 0)
				k->vvar = v->start;
			k->vvar_len = v->end - k->vvar;
			if (k->n_vparts == ARRAY_LEN(k->vpart))
				return -E2BIG;
			k->vpart[k->n_vparts].start = v->start;
			k->vpart[k->n_vparts++].len = v->end - v->start;
		}
	}
	return k->vdso == 0 || k->vvar == 0 ? -ENOENT : 0;
}

/* All memory but the stub, vvar and vdso away. */
static void
add_strip(struct sys_rcalls *c, const struct sys_maps *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct sys_vma *v = &m->v[i];

		if (v->name[0] == '[' && v->name[1] == 'v')
			continue;
		(void)sys_radd(
		    c, SYS_munmap, RA_VAL(v->start), RA_VAL(v->end - v->start));
	}
}

static int
strip(struct rst *r, const struct sys_maps *m, struct vps_err *e)
{
	sys_rcalls_reset(&r->calls);
	(void)sys_radd(
	    &r->calls, SYS_close_range, RA_VAL(0), RA_VAL(~0u), RA_VAL(0));
	add_strip(&r->calls, m);
	return rst_run(r, &r->root, "clear the skeleton", e);
}

/* A pair of sockets in the skeleton, of which we take one end. */
static int
channel(struct rst *r, struct vps_err *e)
{
	uint32_t top = 64;
	unsigned d0, d1, c0;
	size_t o;
	int sv[2], rc;

	for (size_t i = 0; i < r->nprocs; i++) {
		const struct vd_proc *p = r->procs[i].rec;

		if (p->n_fds > 0 && p->fds[p->n_fds - 1].fd >= top)
			top = p->fds[p->n_fds - 1].fd + 1;
		/* the descriptors come at the lowest numbers first */
		if (p->n_fds + 16 > top)
			top = (uint32_t)p->n_fds + 16;
	}
	sys_rcalls_reset(&r->calls);
	o = sys_rdata(&r->calls, NULL, 8);
	(void)sys_radd(&r->calls, SYS_socketpair, RA_VAL(AF_UNIX),
	    RA_VAL(SOCK_DGRAM), RA_VAL(0), RA_DATA(o));
	rc = rst_run(r, &r->root, "make a channel", e);
	if (rc < 0)
		return rc;
	memcpy(sv, sys_rptr(&r->calls, o), sizeof(sv));
	r->chan_here = rst_take_fd(r, r->root.tid, sv[0], e);
	if (r->chan_here < 0)
		return r->chan_here;
	sys_rcalls_reset(&r->calls);
	c0 = sys_radd(
	    &r->calls, SYS_fcntl, RA_VAL(sv[1]), RA_VAL(F_DUPFD), RA_VAL(top));
	d0 = sys_radd(&r->calls, SYS_close, RA_VAL(sv[0]));
	d1 = sys_radd(&r->calls, SYS_close, RA_VAL(sv[1]));
	(void)d0;
	(void)d1;
	rc = rst_run(r, &r->root, "make a channel", e);
	if (rc == 0)
		r->chan_there = (int)r->calls.call[c0].ret;
	return rc;
}

static int
seize(pid_t pid, struct sys_tracee *t, struct sys_maps *m, struct rst_kmaps *k,
    struct vps_err *e)
{
	auto_close int proc = open("/proc", O_RDONLY | O_CLOEXEC);
	int status, rc;

	*t = (struct sys_tracee){.tid = pid};
	rc = sys_ptrace_seize(pid, RST_PTRACE_OPTIONS);
	if (rc == 0)
		rc = sys_ptrace_interrupt(pid);
	if (rc == 0)
		rc = sys_ptrace_wait(pid, &status);
	if (rc == 0)
		rc = sys_tracee_get(t, 0, 0);
	if (rc == 0)
		rc = sys_maps_read(proc, pid, m);
	if (rc == 0)
		rc = kernel_maps(k, m);
	t->stopped = true;
	t->mask = UINT64_MAX;
	return rc < 0 ? vps_err_set(e, rc, "attach to the skeleton") : 0;
}

int
rst_skel_open(struct rst *r, struct vps_err *e)
{
	struct sys_maps m = {0};
	int rc = seize(1, &r->root, &m, &r->kmaps, e);
	uint64_t at;

	if (rc < 0) {
		sys_maps_fini(&m);
		return rc;
	}
	at = hole_find(r, &m);
	rc =
	    at == 0 ? -ENOMEM : sys_remote_open(&r->stub, 1, r->kmaps.vdso, at);
	if (rc < 0)
		vps_err_set(e, rc, "map the stub");
	if (rc == 0)
		rc = strip(r, &m, e);
	sys_maps_fini(&m);
	return rc < 0 ? rc : channel(r, e);
}

/* The command does what needs the host: the process has no parent inside. */
static int
ask_to_enter(struct rst *r, uint32_t pid, struct vps_err *e)
{
	auto_close int chan = rst_take_fd(r, r->root.tid, r->chan_there, e);
	struct rst_msg m = {.what = RST_MSG_ENTER, .num = pid};
	int rc;

	if (chan < 0)
		return chan;
	rc = sys_unix_send(r->ctl, &m, sizeof(m), &chan, 1);
	if (rc < 0)
		return vps_err_set(e, rc, "talk with the command");
	if (recv(r->ctl, &m, sizeof(m), 0) != (ssize_t)sizeof(m))
		return vps_err_say(e, -EPIPE, "the command is gone");
	if (m.what == RST_MSG_ENTERED)
		return 0;
	m.err.msg[sizeof(m.err.msg) - 1] = '\0';
	return vps_err_say(e, m.err.code < 0 ? m.err.code : -EPROTO,
	    "process %u: %s", pid, m.err.msg);
}

static void
add_move(struct sys_rcalls *c, uint64_t from, uint64_t len, uint64_t to)
{
	(void)sys_radd(c, SYS_mremap, RA_VAL(from), RA_VAL(len), RA_VAL(len),
	    RA_VAL(MREMAP_MAYMOVE | MREMAP_FIXED), RA_VAL(to));
}

/* vvar and vdso to where they are in the first skeleton, by way of a place
 * where nothing is. */
static int
add_same_place(
    struct sys_rcalls *c, const struct rst *r, const struct rst_kmaps *k)
{
	const struct rst_kmaps *to = &r->kmaps;
	uint64_t park = r->stub.base + SYS_REMOTE_SIZE + 0x100000;

	if (k->n_vparts != to->n_vparts || k->vdso_len != to->vdso_len ||
	    k->vvar_len != to->vvar_len)
		return -EPROTO;
	for (size_t i = 0; i < k->n_vparts; i++)
		add_move(c, k->vpart[i].start, k->vpart[i].len,
		    park + (k->vpart[i].start - k->vvar));
	add_move(c, k->vdso, k->vdso_len, park + 0x100000);
	for (size_t i = 0; i < k->n_vparts; i++)
		add_move(c, park + (k->vpart[i].start - k->vvar),
		    k->vpart[i].len, to->vvar + (k->vpart[i].start - k->vvar));
	add_move(c, park + 0x100000, k->vdso_len, to->vdso);
	return 0;
}

int
rst_skel_enter(
    struct rst *r, uint32_t pid, struct sys_tracee *ret, struct vps_err *e)
{
	struct rst_kmaps k = {0};
	struct sys_maps m = {0};
	struct sys_remote stub;
	struct sys_rcalls *c = &r->calls;
	unsigned chan = (unsigned)r->chan_there;
	int rc = ask_to_enter(r, pid, e);

	if (rc == 0)
		rc = seize((pid_t)pid, ret, &m, &k, e);
	if (rc < 0) {
		sys_maps_fini(&m);
		return rc;
	}
	rc = sys_remote_open(&stub, (pid_t)pid, k.vdso, r->stub.base);
	if (rc == 0) {
		sys_rcalls_reset(c);
		(void)sys_radd(c, SYS_dup3, RA_VAL(3), RA_VAL(chan), RA_VAL(0));
		(void)sys_radd(
		    c, SYS_close_range, RA_VAL(0), RA_VAL(chan - 1), RA_VAL(0));
		(void)sys_radd(c, SYS_close_range, RA_VAL(chan + 1),
		    RA_VAL(~0u), RA_VAL(0));
		add_strip(c, &m);
		rc = add_same_place(c, r, &k);
	}
	sys_maps_fini(&m);
	if (rc < 0)
		return vps_err_set(e, rc, "map the stub");
	return rst_run(r, ret, "clear the skeleton", e);
}
