/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapst/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "sys/ns.h"

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

/* The names in its uts namespace: we go in for the one question. */
static int
uts_names(pid_t init, struct utsname *ret)
{
	auto_close int there = sys_ns_open(init, "uts");
	auto_close int here = sys_ns_open(getpid(), "uts");
	int r;

	if (there < 0 || here < 0)
		return there < 0 ? there : here;
	if (setns(there, CLONE_NEWUTS) < 0)
		return -errno;
	r = uname(ret) < 0 ? -errno : 0;
	if (setns(here, CLONE_NEWUTS) < 0)
		return -errno;
	return r;
}

static int
fill_instance(
    const struct core_inst *in, struct snap_head *h, struct vps_err *e)
{
	struct vd_instance *v = &h->instance;
	pid_t init = core_get_proc(in, "init").pid;
	auto_buf struct buf conf = {0};
	struct utsname u;
	int r = file_read(in->dir, "conf", &conf, 1 << 20);

	if (r < 0)
		return vps_err_set(
		    e, r, "read the configuration of %s", in->id);
	r = uts_names(init, &u);
	if (r < 0)
		return vps_err_set(e, r, "look into %s", in->id);
	v->name = v->id = arena_str(&h->arena, in->id);
	v->conf = arena_str(&h->arena, buf_str(&conf));
	v->init = 1;
	v->restores = (uint32_t)core_get_u64(in, "restores");
	v->boot_ns = (int64_t)core_get_u64(in, "started") * 1000000000;
	v->nodename = arena_str(&h->arena, u.nodename);
	v->domainname = arena_str(&h->arena, u.domainname);
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
snap_head_clocks(const struct core_inst *in, struct snap_head *h)
{
	return clocks(core_get_proc(in, "init").pid, &h->instance);
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
