/* SPDX-License-Identifier: BSD-2-Clause */
#include "vpsctl/info.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "core/cgroup.h"
#include "core/journal.h"
#include "sys/proc.h"

#define CMD_MAX 200

/* Arguments with blanks between them; [name] where there are none. */
static char *
read_cmd(int proc, pid_t pid, const char *comm)
{
	char path[32], s[CMD_MAX + 1];
	auto_close int fd = -1;
	ssize_t n;
	char *cmd;

	(void)snprintf(path, sizeof(path), "%d/cmdline", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, s, CMD_MAX);
	while (n > 0 && s[n - 1] == '\0')
		n--;
	if (n <= 0)
		return asprintf(&cmd, "[%s]", comm) < 0 ? NULL : cmd;
	for (ssize_t i = 0; i < n; i++)
		if (s[i] == '\0')
			s[i] = ' ';
	s[n] = '\0';
	return strdup(s);
}

static void
read_sizes(int proc, pid_t pid, uint64_t *virt, uint64_t *rss)
{
	char path[32], s[128];
	uint64_t v, r, page = (uint64_t)sysconf(_SC_PAGESIZE);

	*virt = *rss = 0;
	(void)snprintf(path, sizeof(path), "%d/statm", pid);
	if (file_read_str(proc, path, s, sizeof(s)) < 0)
		return;
	if (sscanf(s, "%" SCNu64 " %" SCNu64, &v, &r) == 2) {
		*virt = v * page;
		*rss = r * page;
	}
}

/* 1: filled; 0: it is gone. */
static int
read_proc(int proc, pid_t pid, uint64_t id_base, struct ctl_info *i)
{
	struct ctl_proc *p = &i->proc[i->nprocs];
	struct sys_pstatus ps = {0};
	struct sys_pstat st = {0};
	uint64_t virt;

	if (sys_pstat_read(proc, pid, 0, &st) < 0 ||
	    sys_pstatus_read(proc, pid, 0, &ps) < 0)
		return 0;
	p->pid = pid;
	p->pid_in = ps.pid_in;
	p->uid =
	    ps.uid[1] >= id_base ? ps.uid[1] - (uint32_t)id_base : ps.uid[1];
	p->state = st.state;
	p->threads = (unsigned)st.num_threads;
	sys_pstatus_fini(&ps);
	read_sizes(proc, pid, &virt, &p->rss);
	p->cmd = read_cmd(proc, pid, st.comm);
	if (p->cmd == NULL)
		return -ENOMEM;
	i->virt += virt;
	i->rss += p->rss;
	i->nthreads += p->threads;
	i->nprocs++;
	return 1;
}

static int
by_pid_in(const void *a, const void *b)
{
	const struct ctl_proc *x = a, *y = b;

	return (x->pid_in > y->pid_in) - (x->pid_in < y->pid_in);
}

static int
read_procs(const struct core_cg *cg, uint64_t id_base, struct ctl_info *i,
    struct vps_err *e)
{
	auto_close int proc = -1;
	auto_free pid_t *pids = NULL;
	int n = core_cg_pids(cg, CORE_CG_PAYLOAD, &pids), r;

	if (n <= 0)
		return n == -ENOENT || n == 0
			   ? 0
			   : vps_err_set(e, n, "processes of %s", i->in->id);
	proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return vps_err_set(e, -errno, "/proc");
	i->proc = calloc((size_t)n, sizeof(*i->proc));
	if (i->proc == NULL)
		return vps_err_set(e, -ENOMEM, "processes");
	for (int k = 0; k < n; k++) {
		r = read_proc(proc, pids[k], id_base, i);
		if (r < 0)
			return vps_err_set(e, r, "process %d", pids[k]);
	}
	qsort(i->proc, i->nprocs, sizeof(*i->proc), by_pid_in);
	return 0;
}

/* cpu.stat is in each v2 cgroup, with or without the controller. */
static double
read_cpu(const struct core_cg *cg, uint64_t age)
{
	static const char key[] = "usage_usec ";
	char path[512], s[1024], *at;
	uint64_t usec;

	if (age == 0 ||
	    core_cg_path(cg, CORE_CG_PAYLOAD, "cpu.stat", path, sizeof(path)) <
		0 ||
	    file_read_str(AT_FDCWD, path, s, sizeof(s)) < 0)
		return 0;
	at = strstr(s, key);
	if (at == NULL)
		return 0;
	at += sizeof(key) - 1;
	at[strcspn(at, "\n")] = '\0';
	if (str_u64(at, 10, &usec) < 0)
		return 0;
	return (double)usec / 1e4 / (double)age;
}

static uint64_t
read_age(const struct core_inst *in)
{
	uint64_t boot = core_get_u64(in, "started_boot");
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return boot != 0 && (uint64_t)now.tv_sec > boot
		   ? (uint64_t)now.tv_sec - boot
		   : 0;
}

static void
read_migration(const struct core_inst *in, char *ret, size_t n)
{
	struct vps_err e = {0};
	const char *s = e.msg;
	size_t len = strlen(in->id);

	*ret = '\0';
	if (jrn_may_run(JRN_DIR, in->id, &e) == 0)
		return;
	if (strncmp(s, in->id, len) == 0 && strncmp(s + len, ": ", 2) == 0)
		s += len + 2;
	(void)str_fmt(ret, n, "%s", s);
}

int
ctl_info_read(
    const struct core_inst *in, struct ctl_info *ret, struct vps_err *e)
{
	struct ctl_info i = {.in = in, .state = core_state(in)};
	struct core_cg cg;
	int r = core_cg_of(&cg, in, e);

	if (r < 0)
		return r;
	i.age = read_age(in);
	read_migration(in, i.migration, sizeof(i.migration));
	i.cpu = read_cpu(&cg, i.age);
	r = read_procs(&cg, core_get_u64(in, "id_base"), &i, e);
	if (r < 0) {
		ctl_info_fini(&i);
		return r;
	}
	*ret = i;
	return 0;
}

void
ctl_info_fini(struct ctl_info *i)
{
	for (unsigned k = 0; k < i->nprocs; k++)
		free(i->proc[k].cmd);
	free(i->proc);
	*i = (struct ctl_info){0};
}
