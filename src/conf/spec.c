/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"

static const char *const res_names[] = {
    [SPEC_RES_PHYS] = "phys",
    [SPEC_RES_VIRT] = "virt",
    [SPEC_RES_PCTCPU] = "pctcpu",
    [SPEC_RES_BLOCKIO] = "blockio",
    [SPEC_RES_THREADS] = "threads",
    [SPEC_RES_PROCS] = "procs",
};
_Static_assert(sizeof(res_names) / sizeof(res_names[0]) == SPEC_RES_MAX_,
    "a name for each resource");

const char *
spec_res_name(enum spec_res r)
{
	return (unsigned)r < SPEC_RES_MAX_ ? res_names[r] : "?";
}

void
spec_init(struct vps_spec *s)
{
	*s = (struct vps_spec){0};
	for (unsigned i = 0; i < conf_nkeys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (k->kind->init != NULL)
			k->kind->init(k, conf_field(s, k));
	}
}

void
spec_fini(struct vps_spec *s)
{
	for (unsigned i = 0; i < conf_nkeys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (k->kind->fini != NULL)
			k->kind->fini(conf_field(s, k));
	}
	free(s->root.vpsfs.target);
	free(s->root.vpsfs.opts);
	*s = (struct vps_spec){0};
}

bool
spec_equal(const struct vps_spec *a, const struct vps_spec *b)
{
	for (unsigned i = 0; i < conf_nkeys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (!k->kind->equal(conf_cfield(a, k), conf_cfield(b, k)))
			return false;
	}
	return true;
}

bool
spec_id_ok(const char *id)
{
	size_t n = strlen(id);

	if (n == 0 || n > SPEC_ID_MAX || !isalnum((unsigned char)id[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)id[i]) &&
		    strchr("_.-", id[i]) == NULL)
			return false;
	return true;
}

int
spec_check_id(const char *id, struct vps_err *e)
{
	if (spec_id_ok(id))
		return 0;
	return vps_err_say(e, -EINVAL,
	    "\"%.64s\" is not a name for an instance: 1 to %d letters, digits, "
	    "'_', '.', '-', beginning with a letter or a digit",
	    id, SPEC_ID_MAX);
}

void
spec_drop_local(struct vps_spec *s)
{
	for (unsigned i = 0; i < conf_nkeys; i++) {
		const struct conf_key *k = &conf_keys[i];

		if ((k->flags & KEY_LOCAL) == 0)
			continue;
		if (k->kind->fini != NULL)
			k->kind->fini(conf_field(s, k));
		if (k->kind->init != NULL)
			k->kind->init(k, conf_field(s, k));
	}
	free(s->root.vpsfs.target);
	free(s->root.vpsfs.opts);
	s->root.vpsfs.target = NULL;
	s->root.vpsfs.opts = NULL;
}
