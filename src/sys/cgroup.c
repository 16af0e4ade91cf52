/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/cgroup.h"

#include <fcntl.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "base/str.h"

#define MOUNTINFO_MAX (16 * 1024 * 1024)

bool
sys_cg_has(const char *list, const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = list; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	}
	return false;
}

/* Of a v1 superblock's options: controllers and name, not "rw" and the like. */
static void
pick_opts(char *opts, char *ret, size_t n)
{
	static const char *const general[] = {"rw", "ro", "xattr",
	    "clone_children", "noprefix", "release_agent", NULL};
	char *o;
	size_t i, len = 0;

	*ret = '\0';
	while ((o = strsep(&opts, ",")) != NULL) {
		for (i = 0; general[i] != NULL; i++)
			if (str_has_prefix(o, general[i]) &&
			    strchr("=", o[strlen(general[i])]) != NULL)
				break;
		if (general[i] != NULL || len + strlen(o) + 2 > n)
			continue;
		if (len > 0)
			ret[len++] = ',';
		(void)strcpy(ret + len, o);
		len += strlen(o);
	}
}

static void
one(struct sys_cghiers *h, const char *mnt, const char *type, char *opts)
{
	struct sys_cghier *c;
	unsigned i;

	if (strlen(mnt) >= SYS_CG_PATH)
		return;
	if (strcmp(type, "cgroup2") == 0) {
		if (h->v2.mnt[0] == '\0')
			(void)strcpy(h->v2.mnt, mnt);
		return;
	}
	if (strcmp(type, "cgroup") != 0 || h->n1 == SYS_CG_MAX)
		return;
	c = &h->v1[h->n1];
	pick_opts(opts, c->opts, sizeof(c->opts));
	for (i = 0; i < h->n1; i++) /* the same one mounted twice */
		if (strcmp(h->v1[i].opts, c->opts) == 0)
			return;
	(void)strcpy(c->mnt, mnt);
	h->n1++;
}

int
sys_cghiers_parse(char *text, struct sys_cghiers *ret)
{
	char *line, *p, *mnt, *type;
	int i;

	*ret = (struct sys_cghiers){0};
	while ((line = strsep(&text, "\n")) != NULL) {
		p = strstr(line, " - cgroup");
		if (p == NULL)
			continue;
		*p = '\0';
		p += 3;
		mnt = line;
		for (i = 0; i < 4 && mnt != NULL; i++)
			(void)strsep(&mnt, " ");
		type = strsep(&p, " ");
		if (mnt == NULL || p == NULL)
			return -EBADMSG;
		mnt[strcspn(mnt, " ")] = '\0';
		(void)strsep(&p, " "); /* source */
		if (p == NULL)
			return -EBADMSG;
		one(ret, mnt, type, p);
	}
	return 0;
}

int
sys_cghiers_read(struct sys_cghiers *ret)
{
	auto_buf struct buf b = {0};
	int r = file_read(AT_FDCWD, "/proc/self/mountinfo", &b, MOUNTINFO_MAX);

	if (r < 0)
		return r;
	buf_add(&b, "", 1);
	if (buf_err(&b) < 0)
		return buf_err(&b);
	return sys_cghiers_parse((char *)b.data, ret);
}

const struct sys_cghier *
sys_cghier_of(const struct sys_cghiers *h, const char *controller)
{
	unsigned i;

	for (i = 0; i < h->n1; i++)
		if (sys_cg_has(h->v1[i].opts, controller))
			return &h->v1[i];
	return NULL;
}
