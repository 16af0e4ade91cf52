/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/str.h"
#include "conf/value.h"
#include "conf/words.h"

#define KEY(n, k, m, lo, hi, d, f, h)            \
	{.name = (n),                            \
	    .kind = &conf_kind_##k,              \
	    .off = offsetof(struct vps_spec, m), \
	    .min = (lo),                         \
	    .max = (hi),                         \
	    .def = (d),                          \
	    .flags = (f),                        \
	    .help = (h)},
#define LOCAL KEY_LOCAL
#define LATER KEY_LATER
const struct conf_key conf_keys[] = {
#include "conf/keys.def"
};
#undef KEY
#undef LOCAL
#undef LATER
const unsigned conf_nkeys = ARRAY_LEN(conf_keys);

enum { NKEYS = ARRAY_LEN(conf_keys) };

/* What is being read, for messages and for finding doubles. */
struct reader {
	const char *file;
	unsigned line;
	unsigned seen[NKEYS]; /* line of each key, 0: not yet */
	unsigned seen_netif[SPEC_NETIF_MAX];
};

/* The parts of a line; all borrowed from a copy of it. */
struct line {
	char *name;
	char *value;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static char *
skip_blanks(char *s)
{
	while (is_blank(*s))
		s++;
	return s;
}

static int
split_value(char *s, char **ret, struct vps_err *e)
{
	char quote = *s, *end, *rest;

	if (quote == '\'' || quote == '"') {
		s++;
		end = strchr(s, quote);
		if (end == NULL)
			return vps_err_say(
			    e, -EINVAL, "the quote %c isn't closed", quote);
		*end = '\0';
		rest = skip_blanks(end + 1);
	} else {
		end = s + strcspn(s, " \t#'\"");
		rest = skip_blanks(end);
		if (end == s && (*rest == '\0' || *rest == '#'))
			return vps_err_say(e, -EINVAL,
			    "no value (an empty one is written '')");
		if (*rest != '\0' && *rest != '#')
			return vps_err_say(e, -EINVAL,
			    "a value with blanks or quotes in it must be "
			    "quoted");
		*end = '\0';
	}
	if (*rest != '\0' && *rest != '#')
		return vps_err_say(
		    e, -EINVAL, "\"%.32s\" behind the value", rest);
	*ret = s;
	return 0;
}

/* 1: a line with a key; 0: blank or comment. */
static int
split_line(char *s, struct line *ret, struct vps_err *e)
{
	char *eq;
	int r;

	s = skip_blanks(s);
	if (*s == '\0' || *s == '#')
		return 0;
	ret->name = s;
	s += strcspn(s, " \t=#'\"");
	eq = skip_blanks(s);
	if (*eq != '=' || s == ret->name)
		return vps_err_say(e, -EINVAL, "not a line NAME = value");
	*s = '\0';
	r = split_value(skip_blanks(eq + 1), &ret->value, e);
	return r < 0 ? vps_err_wrap(e, r, "%.40s", ret->name) : 1;
}

/* Whether `name` is the key's; a '#' in that matches the number *num. */
static bool
key_matches(const char *key, const char *name, uint32_t *num)
{
	const char *hash = strchr(key, '#');
	size_t head, digits;
	char s[8];

	if (hash == NULL)
		return strcasecmp(key, name) == 0;
	head = (size_t)(hash - key);
	if (strncasecmp(key, name, head) != 0)
		return false;
	digits = strspn(name + head, "0123456789");
	return digits > 0 && strcasecmp(hash + 1, name + head + digits) == 0 &&
	       str_fmt(s, sizeof(s), "%.*s", (int)digits, name + head) == 0 &&
	       str_u32(s, 10, num) == 0;
}

static int
read_key(struct reader *rd, const struct line *l, struct vps_spec *spec,
    struct vps_err *e)
{
	const struct conf_key *k = NULL;
	uint32_t num = UINT32_MAX;
	unsigned *seen;
	int r;

	for (unsigned i = 0; i < NKEYS && k == NULL; i++)
		if (key_matches(conf_keys[i].name, l->name, &num))
			k = &conf_keys[i];
	if (k == NULL)
		return vps_err_say(e, -EINVAL, "no such key: %.40s", l->name);
	seen = &rd->seen[k - conf_keys];
	if (strchr(k->name, '#') != NULL) {
		if (num >= SPEC_NETIF_MAX)
			return vps_err_say(e, -EINVAL,
			    "%.40s: interfaces are numbered 0 to %d", l->name,
			    SPEC_NETIF_MAX - 1);
		rd->seen[k - conf_keys] = rd->line;
		seen = &rd->seen_netif[num];
	}
	if (*seen != 0)
		return vps_err_say(e, -EINVAL,
		    "%s: given twice, first on line %u", l->name, *seen);
	*seen = rd->line;
	r = k->kind->parse(k, num, l->value, conf_field(spec, k), e);
	return r < 0 ? vps_err_wrap(e, r, "%s", l->name) : 0;
}

static int
read_line(struct reader *rd, const char *s, size_t n, struct vps_spec *spec,
    struct vps_err *e)
{
	auto_free char *copy = NULL;
	struct line l = {0};
	int r;

	if (n > 0 && s[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return vps_err_say(e, -EINVAL,
			    "a control character (0x%02x)",
			    (unsigned char)s[i]);
	copy = strndup(s, n);
	if (copy == NULL)
		return vps_err_set(e, -ENOMEM, "line");
	r = split_line(copy, &l, e);
	return r <= 0 ? r : read_key(rd, &l, spec, e);
}

/* `mount_vpsfs [-o options] target mount-point`, as mount_vpsfs(8) had it. */
static int
read_vpsfs(struct vps_spec *spec, struct vps_err *e)
{
	struct spec_root *root = &spec->root;
	struct spec_strs w = {0};
	const char *opts = NULL, *base;
	unsigned i = 1;
	int r;

	r = words_split(root->mount, &w);
	if (r == -EINVAL || w.n == 0)
		return 0; /* the shell's to understand */
	if (r < 0)
		return vps_err_set(e, r, "command");
	base = strrchr(w.v[0], '/');
	base = base == NULL ? w.v[0] : base + 1;
	if (strcmp(base, "mount_vpsfs") != 0) {
		strs_fini(&w);
		return 0;
	}
	if (w.n == 5 && strcmp(w.v[1], "-o") == 0) {
		opts = w.v[2];
		i = 3;
	}
	if (w.n != i + 2)
		r = vps_err_say(e, -EINVAL,
		    "not mount_vpsfs [-o options] target mount-point");
	else if (root->path != NULL && strcmp(w.v[i + 1], root->path) != 0)
		r = vps_err_say(e, -EINVAL,
		    "the mount point %s is not FSROOT, %s", w.v[i + 1],
		    root->path);
	else if (root->priv != NULL && strcmp(w.v[i], root->priv) != 0)
		r = vps_err_say(e, -EINVAL,
		    "the target %s is not FSROOT_PRIV, %s", w.v[i], root->priv);
	else if (w.v[i][0] != '/')
		r = vps_err_say(e, -EINVAL,
		    "the target %s is not an absolute path", w.v[i]);
	if (r == 0) {
		root->vpsfs.target = strdup(w.v[i]);
		root->vpsfs.opts = opts == NULL ? NULL : strdup(opts);
		if (root->vpsfs.target == NULL ||
		    (opts != NULL && root->vpsfs.opts == NULL))
			r = vps_err_set(e, -ENOMEM, "command");
	}
	strs_fini(&w);
	return r;
}

static unsigned
line_of(const struct reader *rd, const char *key)
{
	for (unsigned i = 0; i < NKEYS; i++)
		if (strcmp(conf_keys[i].name, key) == 0)
			return rd->seen[i];
	return 0;
}

/* What concerns more than one key. */
static int
check_whole(const struct reader *rd, struct vps_spec *spec, struct vps_err *e)
{
	int r = 0;

	if (spec->root.path == NULL)
		return vps_err_say(
		    e, -EINVAL, "%s: FSROOT is missing", rd->file);
	if (spec->root.mount != NULL)
		r = read_vpsfs(spec, e);
	if (r < 0)
		return vps_err_wrap(e, r, "%s:%u: ROOT_MOUNT", rd->file,
		    line_of(rd, "ROOT_MOUNT"));
	if (!spec->run.userns && spec->run.id_base != 0)
		return vps_err_say(e, -EINVAL,
		    "%s:%u: ID_BASE: has no meaning with USERNS = no", rd->file,
		    line_of(rd, "ID_BASE"));
	return 0;
}

int
conf_parse(const char *file, const char *text, size_t len, struct vps_spec *ret,
    struct vps_err *e)
{
	struct reader rd = {.file = file};
	auto_spec struct vps_spec spec;
	int r;

	spec_init(&spec);
	if (len > CONF_SIZE_MAX)
		return vps_err_say(e, -EINVAL, "%s: larger than %d bytes", file,
		    CONF_SIZE_MAX);
	while (len > 0) {
		const char *nl = memchr(text, '\n', len);
		size_t n = nl == NULL ? len : (size_t)(nl - text);

		rd.line++;
		r = read_line(&rd, text, n, &spec, e);
		if (r < 0)
			return vps_err_wrap(e, r, "%s:%u", file, rd.line);
		if (nl != NULL)
			n++;
		text += n;
		len -= n;
	}
	r = check_whole(&rd, &spec, e);
	if (r < 0)
		return r;
	*ret = spec;
	spec_init(&spec);
	return 0;
}

int
conf_read(const char *path, struct vps_spec *ret, struct vps_err *e)
{
	auto_buf struct buf b = {0};
	int r = file_read(AT_FDCWD, path, &b, CONF_SIZE_MAX);

	if (r < 0)
		return vps_err_set(e, r, "%s", path);
	return conf_parse(
	    path, b.len ? (const char *)b.data : "", b.len, ret, e);
}

int
conf_path(const char *dir, const char *id, char *ret, size_t n)
{
	return str_fmt(ret, n, "%s/vps_%s.conf", dir ? dir : CONF_DIR, id);
}

/* -EINVAL: no quoting says this value. */
static int
print_value(const char *s, size_t n, struct buf *out)
{
	bool single = memchr(s, '\'', n) != NULL;

	if (single && memchr(s, '"', n) != NULL)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 0x7f)
			return -EINVAL;
	buf_addf(out, single ? "\"%.*s\"\n" : "'%.*s'\n", (int)n, s);
	return 0;
}

static void
print_name(const char *name, unsigned num, struct buf *out)
{
	const char *hash = strchr(name, '#');

	if (hash == NULL)
		buf_addf(out, "%s = ", name);
	else
		buf_addf(out, "%.*s%u%s = ", (int)(hash - name), name, num,
		    hash + 1);
}

int
conf_print(const struct vps_spec *s, struct buf *out)
{
	auto_buf struct buf val = {0};
	int r = 0;

	for (unsigned k = 0; k < NKEYS; k++) {
		const struct conf_key *key = &conf_keys[k];
		const void *field = conf_cfield(s, key);
		unsigned num = 0;

		for (unsigned i = 0; r == 0; i++) {
			buf_reset(&val);
			if (!key->kind->print(key, field, i, &num, &val))
				break;
			if (buf_err(&val) != 0)
				return buf_err(&val);
			print_name(key->name, num, out);
			r = print_value(buf_str(&val), val.len, out);
		}
	}
	return r < 0 ? r : buf_err(out);
}

int
conf_warnings(const struct vps_spec *s, struct buf *out)
{
	auto_buf struct buf val = {0};
	int n = 0;

	for (unsigned k = 0; k < NKEYS; k++) {
		const struct conf_key *key = &conf_keys[k];
		unsigned num = 0;

		if ((key->flags & KEY_LATER) == 0)
			continue;
		buf_reset(&val);
		if (!key->kind->print(key, conf_cfield(s, key), 0, &num, &val))
			continue;
		buf_addf(
		    out, "%s is checked, but not enforced yet\n", key->name);
		n++;
	}
	if (s->root.vpsfs.target != NULL) {
		buf_adds(out,
		    "ROOT_MOUNT: vpsfs doesn't limit or account yet; its "
		    "target is mounted as it is\n");
		n++;
	}
	return n;
}

const char *
conf_key_name(unsigned i)
{
	return i < NKEYS ? conf_keys[i].name : NULL;
}

const char *
conf_key_help(unsigned i)
{
	return i < NKEYS ? conf_keys[i].help : NULL;
}
