/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "base/str.h"
#include "conf/privname.h"
#include "conf/words.h"

/* Strings that are owned: PATH and SHELL share all but the check. */

static int
set_string(char **field, const char *s, struct vps_err *e)
{
	char *d = strdup(s);

	if (d == NULL)
		return vps_err_set(e, -ENOMEM, "value");
	*field = d;
	return 0;
}

static bool
string_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	char *const *s = field;

	(void)k;
	(void)num;
	if (i > 0 || *s == NULL)
		return false;
	buf_adds(b, *s);
	return true;
}

static bool
string_equal(const void *a, const void *b)
{
	char *const *x = a, *const *y = b;

	if (*x == NULL || *y == NULL)
		return *x == *y;
	return strcmp(*x, *y) == 0;
}

static void
string_fini(void *field)
{
	char **s = field;

	free(*s);
	*s = NULL;
}

/* Without double and trailing slashes and "."; -EINVAL: ".." or relative. */
static int
path_normalize(const char *s, struct buf *out)
{
	if (*s != '/')
		return -EINVAL;
	while (*s != '\0') {
		size_t n;

		while (*s == '/')
			s++;
		n = strcspn(s, "/");
		if (n == 2 && s[0] == '.' && s[1] == '.')
			return -EINVAL;
		if (n > 0 && !(n == 1 && s[0] == '.')) {
			buf_adds(out, "/");
			buf_add(out, s, n);
		}
		s += n;
	}
	return buf_err(out);
}

static int
path_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	auto_buf struct buf b = {0};

	(void)k;
	(void)num;
	if (path_normalize(s, &b) < 0)
		return vps_err_say(e, -EINVAL,
		    "\"%s\" is not an absolute path without \"..\"", s);
	if (b.len == 0)
		return vps_err_say(
		    e, -EINVAL, "the host's own root can't be an instance's");
	return set_string(field, buf_str(&b), e);
}

const struct conf_kind conf_kind_PATH = {
    .parse = path_parse,
    .print = string_print,
    .equal = string_equal,
    .fini = string_fini,
};

static int
shell_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	(void)k;
	(void)num;
	if (s[strspn(s, " \t")] == '\0')
		return vps_err_say(e, -EINVAL, "the command is empty");
	return set_string(field, s, e);
}

const struct conf_kind conf_kind_SHELL = {
    .parse = shell_parse,
    .print = string_print,
    .equal = string_equal,
    .fini = string_fini,
};

/* NAME */

static int
id_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	int r = spec_check_id(s, e);

	(void)k;
	(void)num;
	return r < 0 ? r : str_fmt(field, SPEC_ID_MAX + 1, "%s", s);
}

static bool
id_print(const struct conf_key *k, const void *field, unsigned i, unsigned *num,
    struct buf *b)
{
	(void)k;
	(void)num;
	if (i > 0 || *(const char *)field == '\0')
		return false;
	buf_adds(b, field);
	return true;
}

static bool
id_equal(const void *a, const void *b)
{
	return strcmp(a, b) == 0;
}

const struct conf_kind conf_kind_ID = {
    .parse = id_parse,
    .print = id_print,
    .equal = id_equal,
};

/* INIT */

static int
argv_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	struct spec_cmd c = {0}, *ret = field;
	int r = words_split(s, &c.argv);

	(void)k;
	(void)num;
	if (r == -EINVAL)
		return vps_err_say(e, r, "a quote isn't closed");
	if (r < 0)
		return vps_err_set(e, r, "command line");
	if (c.argv.n == 0 || c.argv.v[0][0] != '/') {
		strs_fini(&c.argv);
		return vps_err_say(
		    e, -EINVAL, "the command must be an absolute path inside");
	}
	r = set_string(&c.text, s, e);
	if (r < 0) {
		strs_fini(&c.argv);
		return r;
	}
	*ret = c;
	return 0;
}

static bool
argv_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	const struct spec_cmd *c = field;

	return string_print(k, &c->text, i, num, b);
}

static bool
argv_equal(const void *a, const void *b)
{
	const struct spec_cmd *x = a, *y = b;

	return string_equal(&x->text, &y->text) &&
	       strs_equal(&x->argv, &y->argv);
}

static void
argv_fini(void *field)
{
	struct spec_cmd *c = field;

	string_fini(&c->text);
	strs_fini(&c->argv);
}

const struct conf_kind conf_kind_ARGV = {
    .parse = argv_parse,
    .print = argv_print,
    .equal = argv_equal,
    .fini = argv_fini,
};

/* Numbers */

static int
u32_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	uint32_t v;

	(void)num;
	if (str_u32(s, 10, &v) < 0 || v < k->min || v > k->max)
		return vps_err_say(e, -EINVAL,
		    "\"%s\" is not a number from %" PRIu64 " to %" PRIu64, s,
		    k->min, k->max);
	*(uint32_t *)field = v;
	return 0;
}

static bool
u32_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	uint32_t v = *(const uint32_t *)field;

	(void)num;
	if (i > 0 || v == k->def)
		return false;
	buf_addf(b, "%u", v);
	return true;
}

static bool
u32_equal(const void *a, const void *b)
{
	return *(const uint32_t *)a == *(const uint32_t *)b;
}

static void
u32_init(const struct conf_key *k, void *field)
{
	*(uint32_t *)field = (uint32_t)k->def;
}

const struct conf_kind conf_kind_U32 = {
    .parse = u32_parse,
    .print = u32_print,
    .equal = u32_equal,
    .init = u32_init,
};

static int
idbase_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	uint32_t v = 0;
	int r = u32_parse(k, num, s, &v, e);

	if (r < 0)
		return r;
	if (v % SPEC_ID_RANGE != 0)
		return vps_err_say(e, -EINVAL, "\"%s\" is no multiple of %d", s,
		    SPEC_ID_RANGE);
	*(uint32_t *)field = v;
	return 0;
}

const struct conf_kind conf_kind_IDBASE = {
    .parse = idbase_parse,
    .print = u32_print,
    .equal = u32_equal,
    .init = u32_init,
};

static int
bool_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	bool yes = strcasecmp(s, "yes") == 0;

	(void)k;
	(void)num;
	if (!yes && strcasecmp(s, "no") != 0)
		return vps_err_say(e, -EINVAL, "\"%s\" is not yes or no", s);
	*(bool *)field = yes;
	return 0;
}

static bool
bool_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	bool v = *(const bool *)field;

	(void)num;
	if (i > 0 || v == (k->def != 0))
		return false;
	buf_adds(b, v ? "yes" : "no");
	return true;
}

static bool
bool_equal(const void *a, const void *b)
{
	return *(const bool *)a == *(const bool *)b;
}

static void
bool_init(const struct conf_key *k, void *field)
{
	*(bool *)field = k->def != 0;
}

const struct conf_kind conf_kind_BOOL = {
    .parse = bool_parse,
    .print = bool_print,
    .equal = bool_equal,
    .init = bool_init,
};

/* Addresses and networks */

static void
addrs_fini(struct spec_addrs *l)
{
	free(l->v);
	*l = (struct spec_addrs){0};
}

static int
addrs_add(struct spec_addrs *l, const struct spec_addr *a)
{
	struct spec_addr *v = reallocarray(l->v, l->n + 1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	l->v = v;
	v[l->n++] = *a;
	return 0;
}

static bool
addrs_have(const struct spec_addrs *l, const struct spec_addr *a)
{
	for (unsigned i = 0; i < l->n; i++)
		if (addr_equal(&l->v[i], a))
			return true;
	return false;
}

static bool
addrs_equal(const struct spec_addrs *a, const struct spec_addrs *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!addr_equal(&a->v[i], &b->v[i]))
			return false;
	return true;
}

static void
addrs_print(const struct spec_addrs *l, struct buf *b)
{
	char s[ADDR_STR_MAX];

	for (unsigned i = 0; i < l->n; i++) {
		addr_format(&l->v[i], s);
		buf_addf(b, "%s%s", i ? ", " : "", s);
	}
}

static int
host_addr(const char *s, struct spec_addr *a, struct vps_err *e)
{
	char host[ADDR_STR_MAX];

	if (addr_parse(s, a) == 0) {
		if (!addr_is_unicast(a))
			return vps_err_say(e, -EINVAL,
			    "%s is not an address that an interface can have",
			    s);
		return 0;
	}
	/* A prefix is a common slip: say how it should look. */
	if (strchr(s, '/') != NULL &&
	    str_fmt(host, sizeof(host), "%.*s", (int)strcspn(s, "/"), s) == 0 &&
	    addr_parse(host, a) == 0)
		return vps_err_say(
		    e, -EINVAL, "%s: write the address alone, %s", s, host);
	return vps_err_say(
	    e, -EINVAL, "\"%s\" is not an IPv4 or IPv6 address", s);
}

static int
net_addr(const char *s, struct spec_addr *a, struct vps_err *e)
{
	int r = addr_parse_net(s, a);
	char right[ADDR_STR_MAX];

	if (r == 0)
		return 0;
	if (r != -EDOM)
		return vps_err_say(
		    e, -EINVAL, "\"%s\" is not an address or a network", s);
	addr_format(a, right);
	return vps_err_say(
	    e, -EINVAL, "%s has bits behind its mask; write %s", s, right);
}

static int
addrs_parse(const char *s,
    int (*one)(const char *, struct spec_addr *, struct vps_err *),
    struct spec_addrs *ret, struct vps_err *e)
{
	struct spec_strs items = {0};
	struct spec_addrs l = {0};
	struct spec_addr a;
	int r = items_split(s, &items);

	if (r == -EINVAL)
		return vps_err_say(e, r, "an entry of the list is empty");
	if (r < 0)
		return vps_err_set(e, r, "list");
	for (unsigned i = 0; r == 0 && i < items.n; i++) {
		r = one(items.v[i], &a, e);
		if (r == 0 && addrs_have(&l, &a))
			r = vps_err_say(
			    e, -EINVAL, "%s is there twice", items.v[i]);
		else if (r == 0)
			r = addrs_add(&l, &a);
	}
	strs_fini(&items);
	if (r < 0) {
		addrs_fini(&l);
		return r;
	}
	*ret = l;
	return 0;
}

static int
nets_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	(void)k;
	(void)num;
	return addrs_parse(s, net_addr, field, e);
}

static bool
nets_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	const struct spec_addrs *l = field;

	(void)k;
	(void)num;
	if (i > 0 || l->n == 0)
		return false;
	addrs_print(l, b);
	return true;
}

static bool
nets_equal(const void *a, const void *b)
{
	return addrs_equal(a, b);
}

static void
nets_fini(void *field)
{
	addrs_fini(field);
}

const struct conf_kind conf_kind_NETS = {
    .parse = nets_parse,
    .print = nets_print,
    .equal = nets_equal,
    .fini = nets_fini,
};

/* NETIF_<n>_ADDRESS: one key, many lines; each makes an interface. */

static int
netif_clash(
    const struct spec_net *net, const struct spec_addrs *l, struct vps_err *e)
{
	char s[ADDR_STR_MAX];

	for (unsigned i = 0; i < net->nifs; i++) {
		for (unsigned j = 0; j < l->n; j++) {
			if (!addrs_have(&net->ifs[i].addr, &l->v[j]))
				continue;
			addr_format(&l->v[j], s);
			return vps_err_say(e, -EINVAL, "%s is vps%u's already",
			    s, net->ifs[i].index);
		}
	}
	return 0;
}

static int
netif_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	struct spec_net *net = field;
	struct spec_addrs l = {0};
	struct spec_netif *v;
	unsigned at = 0;
	int r = addrs_parse(s, host_addr, &l, e);

	(void)k;
	if (r == 0)
		r = netif_clash(net, &l, e);
	if (r < 0) {
		addrs_fini(&l);
		return r;
	}
	v = reallocarray(net->ifs, net->nifs + 1, sizeof(*v));
	if (v == NULL) {
		addrs_fini(&l);
		return vps_err_set(e, -ENOMEM, "interfaces");
	}
	net->ifs = v;
	while (at < net->nifs && v[at].index < num)
		at++;
	memmove(v + at + 1, v + at, (net->nifs - at) * sizeof(*v));
	v[at] = (struct spec_netif){.index = num, .addr = l};
	net->nifs++;
	return 0;
}

static bool
netif_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	const struct spec_net *net = field;

	(void)k;
	if (i >= net->nifs)
		return false;
	*num = net->ifs[i].index;
	addrs_print(&net->ifs[i].addr, b);
	return true;
}

static bool
netif_equal(const void *a, const void *b)
{
	const struct spec_net *x = a, *y = b;

	if (x->nifs != y->nifs)
		return false;
	for (unsigned i = 0; i < x->nifs; i++)
		if (x->ifs[i].index != y->ifs[i].index ||
		    !addrs_equal(&x->ifs[i].addr, &y->ifs[i].addr))
			return false;
	return true;
}

static void
netif_fini(void *field)
{
	struct spec_net *net = field;

	for (unsigned i = 0; i < net->nifs; i++)
		addrs_fini(&net->ifs[i].addr);
	free(net->ifs);
	net->ifs = NULL;
	net->nifs = 0;
}

const struct conf_kind conf_kind_NETIF = {
    .parse = netif_parse,
    .print = netif_print,
    .equal = netif_equal,
    .fini = netif_fini,
};

/* LIMITS */

/* Bytes may have a suffix: k, m, g, t. */
static int
limit_value(enum spec_res res, const char *s, uint64_t *ret)
{
	static const char suffix[] = "kmgt";
	bool bytes = res == SPEC_RES_PHYS || res == SPEC_RES_VIRT;
	size_t n = strlen(s);
	const char *at = NULL;
	unsigned shift = 0;
	uint64_t v;
	char num[24];
	int r;

	if (bytes && n > 1)
		at = strchr(suffix, s[n - 1] | 0x20);
	if (at != NULL && *at != '\0') {
		shift = (unsigned)(at - suffix + 1) * 10;
		n--;
	}
	if (str_fmt(num, sizeof(num), "%.*s", (int)n, s) < 0)
		return -ERANGE;
	r = str_u64(num, 10, &v);
	if (r < 0)
		return r;
	if (v > UINT64_MAX >> shift)
		return -ERANGE;
	*ret = v << shift;
	return 0;
}

static int
limit_one(char *s, struct spec_limit l[SPEC_RES_MAX_], struct vps_err *e)
{
	char *soft = strchr(s, ':'), *hard;
	uint64_t lo, hi;
	unsigned res;

	hard = soft == NULL ? NULL : strchr(soft + 1, ':');
	if (hard == NULL || strchr(hard + 1, ':') != NULL)
		return vps_err_say(
		    e, -EINVAL, "\"%s\" is not resource:soft:hard", s);
	*soft++ = '\0';
	*hard++ = '\0';
	for (res = 0; res < SPEC_RES_MAX_; res++)
		if (strcmp(s, spec_res_name(res)) == 0)
			break;
	if (res == SPEC_RES_MAX_)
		return vps_err_say(e, -EINVAL,
		    "no such resource: %s (there are phys, virt, pctcpu, "
		    "blockio, threads, procs)",
		    s);
	if (l[res].set)
		return vps_err_say(e, -EINVAL, "%s is there twice", s);
	if (limit_value(res, soft, &lo) < 0 || limit_value(res, hard, &hi) < 0)
		return vps_err_say(
		    e, -EINVAL, "%s:%s:%s: not two numbers", s, soft, hard);
	if (hi != 0 && lo > hi)
		return vps_err_say(
		    e, -EINVAL, "%s: the soft limit is above the hard one", s);
	l[res] = (struct spec_limit){.set = true, .soft = lo, .hard = hi};
	return 0;
}

static int
limits_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	struct spec_limit l[SPEC_RES_MAX_] = {0};
	struct spec_strs items = {0};
	int r = items_split(s, &items);

	(void)k;
	(void)num;
	if (r == -EINVAL)
		return vps_err_say(e, r, "an entry of the list is empty");
	if (r < 0)
		return vps_err_set(e, r, "list");
	for (unsigned i = 0; r == 0 && i < items.n; i++)
		r = limit_one(items.v[i], l, e);
	strs_fini(&items);
	if (r == 0)
		memcpy(field, l, sizeof(l));
	return r;
}

static bool
limits_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	const struct spec_limit *l = field;
	bool any = false;

	(void)k;
	(void)num;
	for (unsigned res = 0; i == 0 && res < SPEC_RES_MAX_; res++) {
		if (!l[res].set)
			continue;
		buf_addf(b, "%s%s:%" PRIu64 ":%" PRIu64, any ? "," : "",
		    spec_res_name(res), l[res].soft, l[res].hard);
		any = true;
	}
	return any;
}

static bool
limits_equal(const void *a, const void *b)
{
	const struct spec_limit *x = a, *y = b;

	for (unsigned res = 0; res < SPEC_RES_MAX_; res++)
		if (x[res].set != y[res].set || x[res].soft != y[res].soft ||
		    x[res].hard != y[res].hard)
			return false;
	return true;
}

static void
limits_init(const struct conf_key *k, void *field)
{
	(void)k;
	memset(field, 0, sizeof(struct spec_limit) * SPEC_RES_MAX_);
}

const struct conf_kind conf_kind_LIMITS = {
    .parse = limits_parse,
    .print = limits_print,
    .equal = limits_equal,
    .init = limits_init,
};

/* PRIV_* */

static int
priv_check(const char *s, struct vps_err *e)
{
	const char *here;

	if (priv_is_cap(s) || priv_is_syscall(s))
		return 0;
	here = priv_of_freebsd(s);
	if (here != NULL)
		return vps_err_say(
		    e, -EINVAL, "%s is FreeBSD's; on Linux write %s", s, here);
	if (str_has_prefix(s, "PRIV_"))
		return vps_err_say(e, -EINVAL,
		    "%s is FreeBSD's; on Linux write a capability, see "
		    "capabilities(7), or leave it out",
		    s);
	return vps_err_say(e, -EINVAL,
	    "%s is neither a capability (CAP_...) nor a system call", s);
}

static int
privs_parse(const struct conf_key *k, unsigned num, const char *s, void *field,
    struct vps_err *e)
{
	struct spec_strs l = {0};
	int r = items_split(s, &l);

	(void)k;
	(void)num;
	if (r == -EINVAL)
		return vps_err_say(e, r, "an entry of the list is empty");
	if (r < 0)
		return vps_err_set(e, r, "list");
	for (unsigned i = 0; r == 0 && i < l.n; i++) {
		r = priv_check(l.v[i], e);
		for (unsigned j = 0; r == 0 && j < i; j++)
			if (strcmp(l.v[i], l.v[j]) == 0)
				r = vps_err_say(
				    e, -EINVAL, "%s is there twice", l.v[i]);
	}
	if (r < 0) {
		strs_fini(&l);
		return r;
	}
	*(struct spec_strs *)field = l;
	return 0;
}

static bool
privs_print(const struct conf_key *k, const void *field, unsigned i,
    unsigned *num, struct buf *b)
{
	const struct spec_strs *l = field;

	(void)k;
	(void)num;
	if (i > 0 || l->n == 0)
		return false;
	for (unsigned j = 0; j < l->n; j++)
		buf_addf(b, "%s%s", j ? ", " : "", l->v[j]);
	return true;
}

static bool
privs_equal(const void *a, const void *b)
{
	return strs_equal(a, b);
}

static void
privs_fini(void *field)
{
	strs_fini(field);
}

const struct conf_kind conf_kind_PRIVS = {
    .parse = privs_parse,
    .print = privs_print,
    .equal = privs_equal,
    .fini = privs_fini,
};
