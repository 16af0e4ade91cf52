/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The kinds of values that a key can have, each with the same four operations
 * on the member of struct vps_spec that it fills.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/spec.h"

enum {
	KEY_LOCAL = 1,
	KEY_LATER = 2,
};

struct conf_key {
	const char *name;
	const struct conf_kind *kind;
	size_t off; /* of the member in struct vps_spec */
	uint64_t min, max, def;
	unsigned flags;
	const char *help;
};

struct conf_kind {
	/* `s` has no control characters. The message is the reason alone.
	 * `num`: the number in the key's name, of NETIF. */
	int (*parse)(const struct conf_key *k, unsigned num, const char *s,
	    void *field, struct vps_err *e);
	/* Appends the i-th value that the key has (only NETIF has more than
	 * one, and sets *num); false: there is none, it is at its default. */
	bool (*print)(const struct conf_key *k, const void *field, unsigned i,
	    unsigned *num, struct buf *b);
	bool (*equal)(const void *a, const void *b);
	void (*init)(const struct conf_key *k, void *field); /* or NULL */
	void (*fini)(void *field);                           /* or NULL */
};

extern const struct conf_key conf_keys[];
extern const unsigned conf_nkeys;

extern const struct conf_kind conf_kind_ID, conf_kind_PATH, conf_kind_ARGV,
    conf_kind_U32, conf_kind_IDBASE, conf_kind_BOOL, conf_kind_SHELL,
    conf_kind_NETIF, conf_kind_NETS, conf_kind_LIMITS, conf_kind_PRIVS;

static inline void *
conf_field(struct vps_spec *s, const struct conf_key *k)
{
	return (char *)s + k->off;
}

static inline const void *
conf_cfield(const struct vps_spec *s, const struct conf_key *k)
{
	return (const char *)s + k->off;
}
