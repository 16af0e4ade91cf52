/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "core/cgroup.h"
#include "sys/ns.h"
#include "sys/proc.h"

#define BOOKS "/proc/%d/timens_offsets"

static int64_t
clock_ns(clockid_t c)
{
	struct timespec ts = {0};

	(void)clock_gettime(c, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

/* The offsets of a process's time namespace: "monotonic  S  NS" lines. */
static int
offsets(pid_t pid, int64_t *mono, int64_t *boot)
{
	char path[48], text[256];
	int64_t s, ns;
	const char *p;
	int r;

	(void)snprintf(path, sizeof(path), BOOKS, pid);
	r = file_read_str(AT_FDCWD, path, text, sizeof(text));
	*mono = *boot = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	p = strstr(text, "monotonic");
	if (p != NULL &&
	    sscanf(p, "monotonic %" SCNd64 " %" SCNd64, &s, &ns) == 2)
		*mono = s * 1000000000 + ns;
	p = strstr(text, "boottime");
	if (p != NULL &&
	    sscanf(p, "boottime %" SCNd64 " %" SCNd64, &s, &ns) == 2)
		*boot = s * 1000000000 + ns;
	return 0;
}

/* Our clocks are those of our own time namespace: theirs differ by the
 * difference of the offsets. */
static int
clocks(pid_t init, struct vd_instance *v)
{
	int64_t m0, b0, m1, b1;
	int r = offsets(getpid(), &m0, &b0);

	if (r == 0)
		r = offsets(init, &m1, &b1);
	if (r < 0)
		return r;
	v->monotonic_ns = clock_ns(CLOCK_MONOTONIC) - m0 + m1;
	v->boottime_ns = clock_ns(CLOCK_BOOTTIME) - b0 + b1;
	v->realtime_ns = clock_ns(CLOCK_REALTIME);
	return 0;
}

struct inside {
	struct utsname u;
	uint32_t last_pid;
};

/* What only someone in its uts and pid namespaces can ask: a child goes in. */
static int
look_inside(pid_t init, struct inside *ret)
{
	int p[2], status;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		auto_close int uts = sys_ns_open(init, "uts");
		struct inside in = {0};

		if (uts < 0 || setns(uts, 0) < 0 || uname(&in.u) < 0)
			_exit(1);
		_exit(fd_write_all(p[1], &in, sizeof(in)) < 0);
	}
	(void)close(p[1]);
	status = pid < 0 ? -errno : fd_read_all(p[0], ret, sizeof(*ret));
	(void)close(p[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	return status;
}

/* A number that no task inside has: for the one that will build it again. */
static uint32_t
free_pid(const struct core_inst *in, uint32_t *ret_last)
{
	auto_close int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_free pid_t *pids = NULL;
	struct core_cg cg;
	int n = core_cg_of(&cg, in, NULL);
	uint32_t top = 300;

	if (n == 0)
		n = core_cg_pids(&cg, CORE_CG_PAYLOAD, &pids);
	for (int i = 0; i < n; i++) {
		auto_free int *tids = NULL;
		char path[32];
		int k;

		(void)snprintf(path, sizeof(path), "%d/task", pids[i]);
		k = sys_numdir(proc, path, &tids);
		for (int j = 0; j < k; j++) {
			struct sys_pstatus st;

			if (sys_pstatus_read(proc, pids[i], tids[j], &st) < 0)
				continue;
			if ((uint32_t)st.pid_in > top)
				top = (uint32_t)st.pid_in;
			if ((uint32_t)st.pgid_in > top)
				top = (uint32_t)st.pgid_in;
			if ((uint32_t)st.sid_in > top)
				top = (uint32_t)st.sid_in;
			sys_pstatus_fini(&st);
		}
	}
	*ret_last = top;
	/* zombies aren't listed in a cgroup; leave them room */
	return top + 1000;
}

static int
fill_instance(
    const struct core_inst *in, struct snap_head *h, struct vps_err *e)
{
	struct vd_instance *v = &h->instance;
	pid_t init = core_get_proc(in, "init").pid;
	auto_buf struct buf conf = {0};
	struct inside inside;
	int r = file_read(in->dir, "conf", &conf, 1 << 20);

	if (r < 0)
		return vps_err_set(
		    e, r, "read the configuration of %s", in->id);
	r = look_inside(init, &inside);
	if (r == 0)
		r = clocks(init, v);
	if (r < 0)
		return vps_err_set(e, r, "look into %s", in->id);
	v->name = v->id = arena_str(&h->arena, in->id);
	v->conf = arena_str(&h->arena, buf_str(&conf));
	v->init = 1;
	v->restores = (uint32_t)core_get_u64(in, "restores");
	v->boot_ns = (int64_t)core_get_u64(in, "started") * 1000000000;
	v->free_pid = free_pid(in, &v->last_pid);
	v->nodename = arena_str(&h->arena, inside.u.nodename);
	v->domainname = arena_str(&h->arena, inside.u.domainname);
	if (v->id == NULL || v->conf == NULL || v->nodename == NULL ||
	    v->domainname == NULL)
		return vps_err_set(e, -ENOMEM, "describe %s", in->id);
	return 0;
}

static void
fill_system(struct snap_head *h)
{
	h->system = (struct vd_system){.release = h->host.release,
	    .version = h->host.version,
	    .machine = h->host.machine,
	    .host = h->host.name,
	    .time_ns = clock_ns(CLOCK_REALTIME),
	    .vdso_id = {h->host.vdso_id, h->host.n_vdso_id},
	    .xsave_size = h->host.xsave_size,
	    .xfeatures = h->host.xfeatures,
	    .cpu = h->host.cpu,
	    .cpu_flags = h->host.cpu_flags,
	    .page_size = h->host.page_size,
	    .hwcap = h->host.hwcap,
	    .n_hwcap = 2};
}

int
snap_head(const struct core_inst *in, struct snap_head *ret, struct vps_err *e)
{
	int r = sys_host_read(&ret->host);

	if (r < 0)
		return vps_err_set(e, r, "describe this host");
	fill_system(ret);
	return fill_instance(in, ret, e);
}

void
snap_head_fini(struct snap_head *h)
{
	sys_host_fini(&h->host);
	arena_fini(&h->arena);
}
