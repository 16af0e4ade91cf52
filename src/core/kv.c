/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/kv.h"

#include <string.h>

#include "base/auto.h"

void
core_kv_fini(struct core_kv *kv)
{
	unsigned i;

	for (i = 0; i < kv->n; i++) {
		free(kv->ent[i].k);
		free(kv->ent[i].v);
	}
	kv->n = 0;
	kv->err = 0;
}

static unsigned
find(const struct core_kv *kv, const char *k)
{
	unsigned i;

	for (i = 0; i < kv->n; i++)
		if (strcmp(kv->ent[i].k, k) == 0)
			break;
	return i;
}

int
core_kv_parse(struct core_kv *kv, char *text)
{
	char *line, *eq;

	core_kv_fini(kv);
	while ((line = strsep(&text, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		eq = strchr(line, '=');
		if (eq == NULL)
			return -EBADMSG;
		*eq = '\0';
		core_kv_put(kv, line, eq + 1);
	}
	return kv->err;
}

void
core_kv_print(const struct core_kv *kv, struct buf *out)
{
	unsigned i;

	for (i = 0; i < kv->n; i++)
		buf_addf(out, "%s=%s\n", kv->ent[i].k, kv->ent[i].v);
}

const char *
core_kv_get(const struct core_kv *kv, const char *k)
{
	unsigned i = find(kv, k);

	return i < kv->n ? kv->ent[i].v : NULL;
}

static void
drop(struct core_kv *kv, unsigned i)
{
	free(kv->ent[i].k);
	free(kv->ent[i].v);
	kv->ent[i] = kv->ent[--kv->n];
}

void
core_kv_put(struct core_kv *kv, const char *k, const char *v)
{
	unsigned i = find(kv, k);
	char *nv, *nk;

	if (v == NULL) {
		if (i < kv->n)
			drop(kv, i);
		return;
	}
	if (strchr(v, '\n') != NULL || strpbrk(k, "=\n") != NULL) {
		kv->err = -EINVAL;
		return;
	}
	nv = strdup(v);
	nk = i < kv->n ? kv->ent[i].k : strdup(k);
	if (nv == NULL || nk == NULL || i == CORE_KV_MAX) {
		kv->err = i == CORE_KV_MAX ? -ENOSPC : -ENOMEM;
		free(nv);
		if (i >= kv->n)
			free(nk);
		return;
	}
	if (i < kv->n)
		free(kv->ent[i].v);
	else
		kv->n++;
	kv->ent[i].k = nk;
	kv->ent[i].v = nv;
}
