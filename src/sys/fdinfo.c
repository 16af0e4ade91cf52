/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/fdinfo.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Behind the key of the first line from `at` on that starts with it, or NULL.
 */
static const char *
find_line(const char *at, const char *key)
{
	size_t n = strlen(key);

	while (*at != '\0') {
		if (strncmp(at, key, n) == 0)
			return at + n;
		at = strchr(at, '\n');
		if (at == NULL)
			return NULL;
		at++;
	}
	return NULL;
}

static const char *
skip_line(const char *at)
{
	return at + strcspn(at, "\n") + (strchr(at, '\n') != NULL);
}

int
sys_fdinfo_u64(const char *info, const char *key, int base, uint64_t *ret)
{
	const char *p = find_line(info, key);
	char *end;
	uint64_t v;

	if (p == NULL)
		return -ENOENT;
	p += strspn(p, " \t");
	if (!isxdigit((unsigned char)*p))
		return -EBADMSG;
	errno = 0;
	v = strtoull(p, &end, base);
	if (errno != 0 || (*end != '\n' && *end != '\0'))
		return -EBADMSG;
	*ret = v;
	return 0;
}

int
sys_fdinfo_i64(const char *info, const char *key, int64_t *ret)
{
	const char *p = find_line(info, key);
	char *end;
	int64_t v;

	if (p == NULL)
		return -ENOENT;
	errno = 0;
	v = strtoll(p, &end, 10);
	if (errno != 0 || end == p || (*end != '\n' && *end != '\0'))
		return -EBADMSG;
	*ret = v;
	return 0;
}

int
sys_fdinfo_nspid(const char *info, int64_t *ret)
{
	const char *p = find_line(info, "NSpid:");
	int64_t v = 0;
	int n = 0;

	if (p == NULL)
		return -ENOENT;
	for (;;) {
		char *end;

		p += strspn(p, " \t");
		if (*p == '\n' || *p == '\0')
			break;
		v = strtoll(p, &end, 10);
		if (end == p)
			return -EBADMSG;
		p = end;
		n++;
	}
	if (n == 0)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int
timespec_line(const char *info, const char *key, struct timespec *ret)
{
	const char *p = find_line(info, key);
	long long s, ns;

	if (p == NULL)
		return -ENOENT;
	if (sscanf(p, " (%lld, %lld)", &s, &ns) != 2 || s < 0 || ns < 0 ||
	    ns > 999999999)
		return -EBADMSG;
	ret->tv_sec = s;
	ret->tv_nsec = ns;
	return 0;
}

int
sys_fdinfo_timer(const char *info, struct sys_fdinfo_timer *ret)
{
	struct sys_fdinfo_timer t = {0};
	uint64_t flags = 0;
	int64_t clock = 0;
	int r;

	r = sys_fdinfo_i64(info, "clockid:", &clock);
	if (r == 0)
		r = sys_fdinfo_u64(info, "ticks:", 10, &t.ticks);
	if (r == 0)
		r = sys_fdinfo_u64(info, "settime flags:", 8, &flags);
	if (r == 0)
		r = timespec_line(info, "it_value:", &t.t.it_value);
	if (r == 0)
		r = timespec_line(info, "it_interval:", &t.t.it_interval);
	if (r < 0)
		return r;
	t.clockid = (int)clock;
	t.flags = (uint32_t)flags;
	*ret = t;
	return 0;
}

int
sys_fdinfo_tfd(const char **at, struct sys_fdinfo_tfd *ret)
{
	const char *p = find_line(*at, "tfd:");
	struct sys_fdinfo_tfd t = {0};
	int n;

	if (p == NULL)
		return -ENOENT;
	n = sscanf(p,
	    "%d events: %" SCNx32 " data: %" SCNx64 " pos:%*d ino:%" SCNx64
	    " sdev:%" SCNx32,
	    &t.fd, &t.events, &t.data, &t.ino, &t.sdev);
	if (n != 3 && n != 5)
		return -EBADMSG;
	*ret = t;
	*at = skip_line(p);
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int
hex_bytes(const char *p, unsigned n, uint8_t *ret)
{
	for (unsigned i = 0; i < n; i++) {
		int hi = hex_digit(p[2 * i]);
		int lo = hi < 0 ? -1 : hex_digit(p[2 * i + 1]);

		if (lo < 0)
			return -EBADMSG;
		ret[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int
sys_fdinfo_watch(const char **at, struct sys_fdinfo_watch *ret)
{
	const char *p = find_line(*at, "inotify wd:");
	struct sys_fdinfo_watch w = {0};
	uint32_t sdev;
	int off = 0;

	if (p == NULL)
		return -ENOENT;
	/* The handle is there if the filesystem can be exported. */
	if (sscanf(p,
		"%x ino:%" SCNx64 " sdev:%" SCNx32 " mask:%" SCNx32
		" ignored_mask:%*x%n",
		(unsigned *)&w.wd, &w.ino, &sdev, &w.mask, &off) != 4 ||
	    off == 0)
		return -EBADMSG;
	/* The kernel's own form of a device number, not stat(2)'s. */
	w.major = sdev >> 20;
	w.minor = sdev & 0xfffff;
	*at = skip_line(p);
	p += off;
	if (*p == ' ') {
		if (sscanf(p, " fhandle-bytes:%x fhandle-type:%x f_handle:%n",
			&w.fh_len, (unsigned *)&w.fh_type, &off) != 2 ||
		    w.fh_len > SYS_FHANDLE_MAX)
			return -EBADMSG;
		if (hex_bytes(p + off, w.fh_len, w.fh) < 0)
			return -EBADMSG;
	}
	*ret = w;
	return 0;
}

static int
lock_type(const char *s, struct sys_fdinfo_lock *l)
{
	static const struct {
		const char *name;
		int type;
	} names[] = {
	    {"POSIX", SYS_LOCK_POSIX},
	    {"OFDLCK", SYS_LOCK_OFD},
	    {"FLOCK", SYS_LOCK_FLOCK},
	    {"LEASE", SYS_LOCK_LEASE},
	    {"DELEG", SYS_LOCK_LEASE},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(s, names[i].name) != 0)
			continue;
		l->type = names[i].type;
		return 0;
	}
	return -EBADMSG;
}

int
sys_fdinfo_lock(const char **at, struct sys_fdinfo_lock *ret)
{
	const char *p = find_line(*at, "lock:");
	char type[16], access[16], end[32];
	struct sys_fdinfo_lock l = {0};

	if (p == NULL)
		return -ENOENT;
	if (sscanf(p,
		" %*d: %15s %*s %15s %" SCNd64 " %*x:%*x:%*d %" SCNu64 " %31s",
		type, access, &l.pid, &l.start, end) != 5 ||
	    lock_type(type, &l) < 0)
		return -EBADMSG;
	l.write = strcmp(access, "WRITE") == 0;
	if (strcmp(end, "EOF") != 0) {
		uint64_t last = strtoull(end, NULL, 10);

		if (last < l.start)
			return -EBADMSG;
		l.len = last - l.start + 1;
	}
	*ret = l;
	*at = skip_line(p);
	return 0;
}
