/* SPDX-License-Identifier: BSD-2-Clause
 *
 *   36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=x
 *   id parent dev root path options [optional...] - type source options
 */
#include "sys/mountinfo.h"

#include <errno.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"

#define TEXT_MAX (64u << 20) /* fs.mount-max is 100000 */

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

static const struct {
	const char *name;
	uint64_t attr;
} attrs[] = {
    {"rw", 0},
    {"relatime", 0},
    {"ro", MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC},
    {"noatime", MOUNT_ATTR_NOATIME},
    {"nodiratime", MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW},
    {"idmapped", MOUNT_ATTR_IDMAP},
};

void
sys_mounts_fini(struct sys_mounts *m)
{
	free(m->m);
	free(m->text);
	*m = (struct sys_mounts){0};
}

/* \040 and the like, in place. */
static int
unescape(char *s)
{
	char *d = s;

	for (; *s != '\0'; s++) {
		if (*s != '\\') {
			*d++ = *s;
			continue;
		}
		if (s[1] < '0' || s[1] > '3' || s[2] < '0' || s[2] > '7' ||
		    s[3] < '0' || s[3] > '7')
			return -EINVAL;
		*d++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
			      (s[3] - '0'));
		s += 3;
	}
	*d = '\0';
	return 0;
}

/* The next word of the line; NULL: there is none. */
static char *
word(char **p)
{
	char *w = strsep(p, " ");

	return w != NULL && *w != '\0' ? w : NULL;
}

static int
number(const char *s, int *ret)
{
	uint32_t v;
	int r = s != NULL ? str_u32(s, 10, &v) : -EINVAL;

	if (r < 0)
		return r;
	if (v > INT32_MAX)
		return -ERANGE;
	*ret = (int)v;
	return 0;
}

static int
device(char *s, struct sys_mount *m)
{
	char *colon = s != NULL ? strchr(s, ':') : NULL;
	uint32_t maj, min;
	int r;

	if (colon == NULL)
		return -EINVAL;
	*colon = '\0';
	r = str_u32(s, 10, &maj);
	if (r == 0)
		r = str_u32(colon + 1, 10, &min);
	if (r < 0)
		return r;
	m->major = maj;
	m->minor = min;
	return 0;
}

static void
options(char *s, struct sys_mount *m)
{
	char *opt;
	size_t i;
	int atime = 0;

	while ((opt = strsep(&s, ",")) != NULL) {
		for (i = 0; i < ARRAY_LEN(attrs); i++)
			if (strcmp(opt, attrs[i].name) == 0)
				break;
		if (i < ARRAY_LEN(attrs))
			m->attr |= attrs[i].attr;
		else
			m->odd = opt;
		if (strcmp(opt, "relatime") == 0 || strcmp(opt, "noatime") == 0)
			atime = 1;
	}
	if (!atime) /* the one that has no name here */
		m->attr |= MOUNT_ATTR_STRICTATIME;
}

static int
optional(const char *s, struct sys_mount *m)
{
	uint32_t v;
	int r = 0;

	if (str_has_prefix(s, "shared:")) {
		r = str_u32(s + 7, 10, &v);
		m->shared = v;
	} else if (str_has_prefix(s, "master:")) {
		r = str_u32(s + 7, 10, &v);
		m->master = v;
	} else if (strcmp(s, "unbindable") == 0) {
		m->unbindable = 1;
	}
	return r; /* others are to be ignored, proc(5) says */
}

static int
parse_line(char *line, struct sys_mount *m)
{
	char *p = line, *opts, *w;
	int r;

	*m = (struct sys_mount){0};
	r = number(word(&p), &m->id);
	if (r == 0)
		r = number(word(&p), &m->parent);
	if (r == 0)
		r = device(word(&p), m);
	if (r < 0)
		return r;
	m->root = word(&p);
	m->path = word(&p);
	opts = word(&p);
	if (opts == NULL)
		return -EINVAL;
	options(opts, m);
	for (;;) {
		w = word(&p);
		if (w == NULL)
			return -EINVAL;
		if (strcmp(w, "-") == 0)
			break;
		r = optional(w, m);
		if (r < 0)
			return r;
	}
	m->fstype = word(&p);
	m->source = p != NULL ? strsep(&p, " ") : NULL; /* may be empty */
	m->opts = word(&p);
	if (m->fstype == NULL || m->source == NULL || m->opts == NULL)
		return -EINVAL;
	r = unescape((char *)(uintptr_t)m->root);
	if (r == 0)
		r = unescape((char *)(uintptr_t)m->path);
	if (r == 0)
		r = unescape((char *)(uintptr_t)m->fstype);
	if (r == 0)
		r = unescape((char *)(uintptr_t)m->source);
	return r;
}

int
sys_mounts_parse(const char *text, size_t len, struct sys_mounts *ret)
{
	struct sys_mounts ms = {.text = malloc(len + 1)};
	char *p, *line;
	size_t i, n = 0;
	int r = 0;

	if (ms.text == NULL)
		return -ENOMEM;
	memcpy(ms.text, text, len);
	ms.text[len] = '\0';
	for (i = 0; i < len; i++)
		n += text[i] == '\n';
	if (strlen(ms.text) != len || (len > 0 && text[len - 1] != '\n')) {
		free(ms.text);
		return -EINVAL;
	}
	ms.m = calloc(n + 1, sizeof(*ms.m));
	if (ms.m == NULL)
		r = -ENOMEM;
	p = ms.text;
	while (r == 0 && ms.n < n) {
		line = strsep(&p, "\n");
		r = parse_line(line, &ms.m[ms.n++]);
	}
	if (r < 0) {
		sys_mounts_fini(&ms);
		return r;
	}
	*ret = ms;
	return 0;
}

int
sys_mounts_read(int proc, pid_t pid, struct sys_mounts *ret)
{
	auto_buf struct buf b = {0};
	char path[64] = "mountinfo";
	int r;

	if (pid != 0)
		(void)snprintf(path, sizeof(path), "%d/mountinfo", (int)pid);
	r = file_read(proc, path, &b, TEXT_MAX);
	if (r < 0)
		return r;
	return sys_mounts_parse((const char *)b.data, b.len, ret);
}

const struct sys_mount *
sys_mounts_find(const struct sys_mounts *m, int id)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->m[i].id == id)
			return &m->m[i];
	return NULL;
}
