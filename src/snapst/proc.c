/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The record of a process: what isn't said by its threads, memory and files.
 */
#include "snapst/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"

static int
limits_fill(struct snap *s, struct snap_proc *p)
{
	struct vd_rlimit *v = arena_array(&s->arena, SYS_RLIMITS, sizeof(*v));
	struct sys_rlimits l;
	int r = sys_rlimits_read(s->proc, p->pid, &l);

	if (r < 0 || v == NULL)
		return r < 0 ? r : -ENOMEM;
	for (uint32_t i = 0; i < SYS_RLIMITS; i++)
		v[i] = (struct vd_rlimit){
		    .res = i, .cur = l.lim[i].cur, .max = l.lim[i].max};
	p->rec.rlimits = v;
	p->rec.n_rlimits = SYS_RLIMITS;
	return 0;
}

/* A number in a file of /proc/PID. */
static int
small_number(
    struct snap *s, pid_t pid, const char *name, int base, int64_t *ret)
{
	char path[48], text[64];
	char *end;
	int r;

	(void)snprintf(path, sizeof(path), "%d/%s", pid, name);
	r = file_read_str(s->proc, path, text, sizeof(text));
	if (r < 0)
		return r;
	*ret = strtoll(text, &end, base);
	return end == text ? -EBADMSG : 0;
}

static int
dirs_fill(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	static const char *const names[] = {"cwd", "root"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct stat st;
		char path[32];
		char *link;
		size_t n;
		bool gone;

		(void)snprintf(path, sizeof(path), "%d/%s", p->live, names[i]);
		link = snap_readlink(s, path);
		if (link == NULL)
			return vps_err_set(e, -errno, "process %d (%s): %s",
			    p->pid_in, p->stat.comm, names[i]);
		n = strlen(link);
		gone = n > 10 && strcmp(link + n - 10, " (deleted)") == 0 &&
		       fstatat(s->proc, path, &st, 0) == 0 && st.st_nlink == 0;
		if (i == 0 && gone && link[0] == '/') {
			link[n - 10] = '\0';
			p->rec.cwd_gone = 1;
		} else if (gone || str_has_prefix(link, "(unreachable)"))
			return vps_err_say(e, -EOPNOTSUPP,
			    "process %d (%s): its %s directory %s is removed "
			    "or not reachable: can't be carried; restart it",
			    p->pid_in, p->stat.comm,
			    i == 0 ? "working" : "root", link);
		if (i == 0)
			p->rec.cwd = link;
		else
			p->rec.root = link;
	}
	return 0;
}

static int
cgroup_fill(struct snap *s, struct snap_proc *p)
{
	/* "0::/path" as the reader's cgroup namespace shows it; what is below
	 * the payload is found by who knows the payload's own path */
	p->rec.cgroup = arena_str(&s->arena, "");
	return p->rec.cgroup == NULL ? -ENOMEM : 0;
}

static int
live_fill(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	const struct snap_thread *run = snap_proc_runner(p);
	int64_t v;
	int r = limits_fill(s, p);

	if (r == 0)
		r = snap_pending(
		    s, run->t.tid, true, &p->rec.pending, &p->rec.n_pending);
	if (r == 0)
		r = cgroup_fill(s, p);
	if (r == 0 && small_number(s, p->live, "oom_score_adj", 10, &v) == 0)
		p->rec.oom_score_adj = v;
	if (r == 0 && small_number(s, p->live, "coredump_filter", 16, &v) == 0)
		p->rec.coredump_filter = (uint32_t)v;
	if (r < 0)
		return vps_err_set(
		    e, r, "process %d (%s)", p->pid_in, p->stat.comm);
	p->rec.umask = run->st.umask;
	p->rec.thp_disable = !run->st.thp_enabled;
	p->rec.mm = p->mm.id;
	for (size_t i = 0; i < p->nth; i++)
		if (p->th[i].stopsig != 0)
			p->rec.stopsig = (uint32_t)p->th[i].stopsig;
	if (p->rec.stopsig != 0)
		p->rec.exit_code = p->stat.exit_code;
	return dirs_fill(s, p, e);
}

/* Ptys are majors 136 to 143; others are objected to with their descriptors. */
static void
tty_fill(struct snap *s, struct snap_proc *p)
{
	unsigned maj = (unsigned)p->stat.tty_nr >> 8 & 0xfff;
	unsigned min = ((unsigned)p->stat.tty_nr & 0xff) |
		       ((unsigned)p->stat.tty_nr >> 12 & 0xfff00);

	if (maj < 136 || maj > 143)
		return;
	p->rec.tty = (maj - 136) * 256 + min + 1;
	if (p->rec.sid != p->rec.pid)
		return;
	for (size_t i = 0; i < s->nprocs; i++)
		if (s->procs[i].stat.pgrp == p->stat.tpgid)
			p->rec.tty_pgrp = s->procs[i].th[0].st.pgid_in;
}

int
snap_proc_fill(struct snap *s, struct snap_proc *p, struct vps_err *e)
{
	const struct snap_thread *th = &p->th[0];

	p->rec.pid = (uint32_t)p->pid_in;
	p->rec.ppid = (uint32_t)snap_pid_in(s, p->stat.ppid);
	p->rec.pgid = (uint32_t)th->st.pgid_in;
	p->rec.sid = (uint32_t)th->st.sid_in;
	p->rec.exit_signal = (uint32_t)p->stat.exit_signal;
	tty_fill(s, p);
	p->rec.zombie = p->zombie;
	p->rec.cwd = p->rec.root = p->rec.cgroup = "";
	p->rec.tids = arena_array(&s->arena, p->nth, sizeof(*p->rec.tids));
	if (p->rec.tids == NULL)
		return vps_err_set(e, -ENOMEM, "process %d", p->pid_in);
	for (size_t i = 0; i < p->nth; i++)
		p->rec.tids[i] = (uint32_t)p->th[i].st.pid_in;
	p->rec.n_tids = p->nth;
	if (p->zombie) {
		p->rec.exit_code = p->stat.exit_code;
		return 0;
	}
	return live_fill(s, p, e);
}

int
snap_thread_fill(struct snap *s, struct snap_proc *p, struct snap_thread *th,
    struct vps_err *e)
{
	struct sys_pstat st;
	int r;

	th->rec.tid = (uint32_t)th->st.pid_in;
	th->rec.pid = (uint32_t)p->pid_in;
	th->rec.exited = th->exited;
	r = sys_pstat_read(s->proc, p->pid, th->t.tid, &st);
	if (r < 0)
		return vps_err_set(e, r, "thread %d", th->st.pid_in);
	th->rec.comm = arena_str(&s->arena, st.comm);
	if (th->rec.comm == NULL)
		return vps_err_set(e, -ENOMEM, "thread %d", th->st.pid_in);
	if (th->exited)
		return 0;
	r = snap_pending(
	    s, th->t.tid, false, &th->rec.pending, &th->rec.n_pending);
	if (r == 0)
		r = snap_thread_sched(s, th);
	if (r < 0)
		return vps_err_set(e, r, "process %d (%s) thread %d", p->pid_in,
		    p->stat.comm, th->st.pid_in);
	r = snap_regs(s, p, th, e);
	if (r == 0)
		r = snap_thread_seccomp(s, p, th, e);
	return r;
}
