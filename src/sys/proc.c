/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"

int
sys_pstat_parse(const char *text, struct sys_pstat *ret)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	struct sys_pstat s = {0};
	size_t n;
	int got;

	if (open == NULL || close == NULL || close < open)
		return -EBADMSG;
	n = (size_t)(close - open - 1);
	if (n >= sizeof(s.comm))
		n = sizeof(s.comm) - 1;
	memcpy(s.comm, open + 1, n);
	got = sscanf(close + 1,
	    " %c %d %d %d %d %d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d"
	    " %ld %*d %" SCNu64 " %*u %*d %*u %" SCNu64 " %" SCNu64 " %" SCNu64
	    " %*u %*u %*u %*u %*u %*u %*u %*u %*u %d %*d %*u %*u %*u %*u %*d"
	    " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
	    " %" SCNu64 " %" SCNu64 " %d",
	    &s.state, &s.ppid, &s.pgrp, &s.session, &s.tty_nr, &s.tpgid,
	    &s.flags, &s.num_threads, &s.start_time, &s.start_code, &s.end_code,
	    &s.start_stack, &s.exit_signal, &s.start_data, &s.end_data,
	    &s.start_brk, &s.arg_start, &s.arg_end, &s.env_start, &s.env_end,
	    &s.exit_code);
	if (got != 21)
		return -EBADMSG;
	*ret = s;
	return 0;
}

/* Reads /proc/PID/NAME, or /proc/PID/task/TID/NAME. */
static int
task_file(int proc, pid_t pid, pid_t tid, const char *name, struct buf *b)
{
	char path[64];

	if (tid == 0)
		(void)snprintf(path, sizeof(path), "%d/%s", pid, name);
	else
		(void)snprintf(
		    path, sizeof(path), "%d/task/%d/%s", pid, tid, name);
	return file_read(proc, path, b, 1 << 20);
}

int
sys_pstat_read(int proc, pid_t pid, pid_t tid, struct sys_pstat *ret)
{
	auto_buf struct buf b = {0};
	int r = task_file(proc, pid, tid, "stat", &b);

	return r < 0 ? r : sys_pstat_parse(buf_str(&b), ret);
}

/* "1 2 3": the last number, and how many there are. */
static pid_t
last_number(const char *v, unsigned *ret_count)
{
	unsigned n = 0;
	long last = 0;
	char *end;

	for (;;) {
		long x = strtol(v, &end, 10);

		if (end == v)
			break;
		last = x;
		n++;
		v = end;
		if (*v == '\n')
			break;
	}
	if (ret_count != NULL)
		*ret_count = n;
	return (pid_t)last;
}

static int
parse_groups(const char *v, struct sys_pstatus *s)
{
	size_t cap = 0;

	for (;;) {
		char *end;
		unsigned long g;

		while (*v == ' ' || *v == '\t')
			v++;
		if (*v == '\n' || *v == '\0')
			return 0;
		g = strtoul(v, &end, 10);
		if (end == v)
			return -EBADMSG;
		if (s->n_groups == cap) {
			uint32_t *p;

			cap = cap ? cap * 2 : 8;
			p = reallocarray(s->groups, cap, sizeof(*p));
			if (p == NULL)
				return -ENOMEM;
			s->groups = p;
		}
		s->groups[s->n_groups++] = (uint32_t)g;
		v = end;
	}
}

static void
four(const char *v, uint32_t out[4])
{
	(void)sscanf(v, "%u %u %u %u", &out[0], &out[1], &out[2], &out[3]);
}

/* How a line's value is read: into which member. */
enum how { HEX64, DEC32, DEC64, OCT32, FOUR, PID, LASTPID, GROUPS };
#define M(name, how, member)                                    \
	{                                                       \
		name, how, offsetof(struct sys_pstatus, member) \
	}
static const struct {
	const char *name;
	enum how how;
	size_t off;
} status_lines[] = {
    M("Umask", OCT32, umask),
    M("Tgid", PID, tgid),
    M("Pid", PID, pid),
    M("PPid", PID, ppid),
    M("Uid", FOUR, uid),
    M("Gid", FOUR, gid),
    M("Groups", GROUPS, groups),
    M("NStgid", LASTPID, tgid_in),
    M("NSpid", LASTPID, pid_in),
    M("NSpgid", LASTPID, pgid_in),
    M("NSsid", LASTPID, sid_in),
    M("VmLck", DEC64, vm_lck),
    M("SigPnd", HEX64, sig_pnd),
    M("ShdPnd", HEX64, shd_pnd),
    M("SigBlk", HEX64, sig_blk),
    M("SigIgn", HEX64, sig_ign),
    M("SigCgt", HEX64, sig_cgt),
    M("CapInh", HEX64, cap_inh),
    M("CapPrm", HEX64, cap_prm),
    M("CapEff", HEX64, cap_eff),
    M("CapBnd", HEX64, cap_bnd),
    M("CapAmb", HEX64, cap_amb),
    M("NoNewPrivs", DEC32, no_new_privs),
    M("Seccomp", DEC32, seccomp),
    M("Seccomp_filters", DEC32, seccomp_filters),
    M("THP_enabled", DEC32, thp_enabled),
};
#undef M

static int
status_value(struct sys_pstatus *s, enum how how, size_t off, const char *v)
{
	void *at = (char *)s + off;

	switch (how) {
	case HEX64:
		*(uint64_t *)at = strtoull(v, NULL, 16);
		break;
	case DEC64:
		*(uint64_t *)at = strtoull(v, NULL, 10);
		break;
	case DEC32:
		*(uint32_t *)at = (uint32_t)strtoul(v, NULL, 10);
		break;
	case OCT32:
		*(uint32_t *)at = (uint32_t)strtoul(v, NULL, 8);
		break;
	case PID:
		*(pid_t *)at = (pid_t)strtol(v, NULL, 10);
		break;
	case LASTPID:
		*(pid_t *)at =
		    last_number(v, at == &s->pid_in ? &s->ns_depth : NULL);
		break;
	case FOUR:
		four(v, at);
		break;
	case GROUPS:
		return parse_groups(v, s);
	}
	return 0;
}

int
sys_pstatus_parse(const char *text, struct sys_pstatus *ret)
{
	struct sys_pstatus s = {.thp_enabled = 1};
	size_t want = 0; /* lines come in the table's order or nearly so */
	int r = 0;

	for (const char *p = text; *p != '\0' && r == 0;) {
		const char *nl = strchr(p, '\n'), *colon = strchr(p, ':');

		if (nl == NULL || colon == NULL)
			break;
		for (size_t k = 0; colon < nl && k < ARRAY_LEN(status_lines);
		     k++) {
			size_t i = (want + k) % ARRAY_LEN(status_lines);
			size_t n = strlen(status_lines[i].name);

			if (n != (size_t)(colon - p) ||
			    memcmp(p, status_lines[i].name, n) != 0)
				continue;
			r = status_value(&s, status_lines[i].how,
			    status_lines[i].off, colon + 1);
			want = i + 1;
			break;
		}
		p = nl + 1;
	}
	if (r == 0 && s.pid == 0)
		r = -EBADMSG;
	if (r < 0) {
		sys_pstatus_fini(&s);
		return r;
	}
	*ret = s;
	return 0;
}

int
sys_pstatus_read(int proc, pid_t pid, pid_t tid, struct sys_pstatus *ret)
{
	auto_buf struct buf b = {0};
	int r = task_file(proc, pid, tid, "status", &b);

	return r < 0 ? r : sys_pstatus_parse(buf_str(&b), ret);
}

void
sys_pstatus_fini(struct sys_pstatus *s)
{
	free(s->groups);
	*s = (struct sys_pstatus){0};
}

static int
limit_value(const char *s, uint64_t *ret)
{
	if (strcmp(s, "unlimited") == 0) {
		*ret = UINT64_MAX;
		return 0;
	}
	return str_u64(s, 10, ret);
}

int
sys_rlimits_parse(const char *text, struct sys_rlimits *ret)
{
	/* in the order of the file; the index is the RLIMIT_ number */
	static const char *const names[SYS_RLIMITS] = {"Max cpu time",
	    "Max file size", "Max data size", "Max stack size",
	    "Max core file size", "Max resident set", "Max processes",
	    "Max open files", "Max locked memory", "Max address space",
	    "Max file locks", "Max pending signals", "Max msgqueue size",
	    "Max nice priority", "Max realtime priority",
	    "Max realtime timeout"};
	struct sys_rlimits l = {0};

	for (int i = 0; i < SYS_RLIMITS; i++) {
		const char *p = strstr(text, names[i]);
		char cur[32], max[32];

		if (p == NULL ||
		    sscanf(p + strlen(names[i]), " %31s %31s", cur, max) != 2 ||
		    limit_value(cur, &l.lim[i].cur) < 0 ||
		    limit_value(max, &l.lim[i].max) < 0)
			return -EBADMSG;
	}
	*ret = l;
	return 0;
}

int
sys_rlimits_read(int proc, pid_t pid, struct sys_rlimits *ret)
{
	auto_buf struct buf b = {0};
	int r = task_file(proc, pid, 0, "limits", &b);

	return r < 0 ? r : sys_rlimits_parse(buf_str(&b), ret);
}

static int
int_cmp(const void *a, const void *b)
{
	return (*(const int *)a > *(const int *)b) -
	       (*(const int *)a < *(const int *)b);
}

int
sys_numdir(int dirfd, const char *path, int **ret)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_closedir DIR *d = NULL;
	auto_free int *v = NULL;
	size_t n = 0, cap = 0;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return -ENOMEM;
	}
	for (;;) {
		struct dirent *de;
		uint32_t x;

		errno = 0;
		de = readdir(d);
		if (de == NULL)
			break;
		if (str_u32(de->d_name, 10, &x) < 0)
			continue;
		if (n == cap) {
			int *p;

			cap = cap ? cap * 2 : 32;
			p = reallocarray(v, cap, sizeof(*p));
			if (p == NULL)
				return -ENOMEM;
			v = p;
		}
		v[n++] = (int)x;
	}
	if (errno != 0)
		return -errno;
	if (n > 1)
		qsort(v, n, sizeof(*v), int_cmp);
	*ret = take_ptr(&v);
	return (int)n;
}
