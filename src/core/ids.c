/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/ids.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "base/auto.h"
#include "base/str.h"

#define MAX_TAKEN 16384

struct range {
	uint64_t first, count;
};

struct taken {
	struct range *v; /* owned */
	unsigned n;
};

static int
add(struct taken *t, uint64_t first, uint64_t count)
{
	if (count == 0)
		return 0;
	if (t->n == MAX_TAKEN)
		return -ENOSPC;
	t->v[t->n++] = (struct range){first, count};
	return 0;
}

/* The range of another that touches this one; NULL: free. */
static const struct range *
clash(const struct taken *t, uint64_t first, uint64_t count)
{
	unsigned i;

	for (i = 0; i < t->n; i++)
		if (first < t->v[i].first + t->v[i].count &&
		    t->v[i].first < first + count)
			return &t->v[i];
	return NULL;
}

/* Lines NAME:FIRST:COUNT of subuid(5). */
static int
add_sub(struct taken *t, const char *path)
{
	auto_fclose FILE *f = fopen(path, "re");
	unsigned long long first, count;
	char line[512];
	int r = 0;

	if (f == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*[^:]:%llu:%llu", &first, &count) == 2)
			r = add(t, first, count);
	return r;
}

static int
add_instances(struct taken *t, const struct core_inst *me, struct vps_err *e)
{
	auto_free char **ids = NULL;
	int n = core_inst_ids(&ids, e), i, r;

	for (i = 0; i < n; i++) {
		struct core_inst *in;

		if (strcmp(ids[i], me->id) == 0)
			continue;
		r = core_inst_open(ids[i], CORE_READ, &in, NULL);
		if (r < 0)
			continue; /* gone meanwhile */
		r = add(t, core_get_u64(in, "id_base"),
		    core_get_u64(in, "id_count"));
		core_inst_close(in);
		if (r < 0)
			return vps_err_set(e, r, "%d instances", n);
	}
	return n < 0 ? n : 0;
}

static int
pool(struct range *ret, struct vps_err *e)
{
	const char *s = getenv("VPS_ID_POOL"), *colon;
	char first[24];
	uint32_t a, n;

	*ret = (struct range){CORE_IDS_FIRST, CORE_IDS_COUNT};
	if (s == NULL)
		return 0;
	colon = strchr(s, ':');
	if (colon == NULL ||
	    str_fmt(first, sizeof(first), "%.*s", (int)(colon - s), s) < 0 ||
	    str_u32(first, 10, &a) < 0 || str_u32(colon + 1, 10, &n) < 0 ||
	    a == 0 || n < SPEC_ID_RANGE || a > UINT32_MAX - n)
		return vps_err_say(e, -EINVAL,
		    "VPS_ID_POOL: %s isn't FIRST:COUNT with a COUNT of at "
		    "least %d",
		    s, SPEC_ID_RANGE);
	*ret = (struct range){a, n};
	return 0;
}

static int
choose(const struct taken *t, uint32_t wanted, uint32_t *ret, struct vps_err *e)
{
	const struct range *c;
	struct range p;
	uint64_t a;
	int r;

	if (wanted != 0) {
		c = clash(t, wanted, SPEC_ID_RANGE);
		if (c != NULL)
			return vps_err_say(e, -EADDRINUSE,
			    "ID_BASE: ids from %u on are in use by another "
			    "(%llu to %llu)",
			    wanted, (unsigned long long)c->first,
			    (unsigned long long)(c->first + c->count - 1));
		*ret = wanted;
		return 0;
	}
	r = pool(&p, e);
	if (r < 0)
		return r;
	for (a = p.first; a + SPEC_ID_RANGE <= p.first + p.count;) {
		c = clash(t, a, SPEC_ID_RANGE);
		if (c == NULL) {
			*ret = (uint32_t)a;
			return 0;
		}
		/* On to the next one of the pool's own grid. */
		while (a < c->first + c->count)
			a += SPEC_ID_RANGE;
	}
	return vps_err_say(e, -ENOSPC,
	    "no free range of %d ids in the pool %llu:%llu (VPS_ID_POOL)",
	    SPEC_ID_RANGE, (unsigned long long)p.first,
	    (unsigned long long)p.count);
}

int
core_ids_take(struct core_inst *in, uint32_t wanted, struct vps_err *e)
{
	auto_free struct range *v = malloc(MAX_TAKEN * sizeof(*v));
	struct taken t = {.v = v};
	auto_close int lock =
	    open(CORE_RUN "/.ids", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint32_t base = 0;
	int r;

	if (v == NULL)
		return vps_err_set(e, -ENOMEM, "choose ids");
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return vps_err_set(e, -errno, "lock " CORE_RUN "/.ids");
	r = add_sub(&t, "/etc/subuid");
	if (r == 0)
		r = add_sub(&t, "/etc/subgid");
	if (r < 0)
		return vps_err_set(e, r, "read /etc/subuid and /etc/subgid");
	r = add_instances(&t, in, e);
	if (r == 0)
		r = choose(&t, wanted, &base, e);
	if (r < 0)
		return r;
	core_set(in, "id_base", "%u", base);
	core_set(in, "id_count", "%u", (unsigned)SPEC_ID_RANGE);
	return core_save(in, e);
}
