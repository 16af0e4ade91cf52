/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* The length of the UTF-8 sequence at s, or 0 if it is none. */
static size_t
utf8_len(const unsigned char *s, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80             ? 1
		     : (s[0] & 0xe0) == 0xc0 ? 2
		     : (s[0] & 0xf0) == 0xe0 ? 3
		     : (s[0] & 0xf8) == 0xf0 ? 4
					     : 0;
	uint32_t c;

	if (len <= 1 || len > n)
		return len <= n ? len : 0;
	c = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

static void
put_string(struct buf *b, const char *str, size_t n)
{
	const unsigned char *s = (const unsigned char *)str;
	size_t len;

	buf_adds(b, "\"");
	for (; n > 0; s += len, n -= len) {
		len = utf8_len(s, n);
		if (len == 0) {
			buf_adds(b, "\\ufffd");
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			buf_addf(b, "\\%c", *s);
		} else if (*s == '\n') {
			buf_adds(b, "\\n");
		} else if (*s < ' ' || *s == 0x7f) {
			buf_addf(b, "\\u%04x", *s);
		} else {
			buf_add(b, s, len);
		}
	}
	buf_adds(b, "\"");
}

static void
new_line(struct json *j)
{
	buf_adds(j->out, "\n");
	for (unsigned i = 0; i < j->depth; i++)
		buf_adds(j->out, "  ");
}

/* What stands before each value: comma, line, key. */
static void
begin(struct json *j, const char *key)
{
	if (j->depth > 0) {
		if (j->some[j->depth - 1])
			buf_adds(j->out, j->one_line ? ", " : ",");
		j->some[j->depth - 1] = true;
		if (!j->one_line)
			new_line(j);
	}
	if (key != NULL) {
		put_string(j->out, key, strlen(key));
		buf_adds(j->out, ": ");
	}
}

static void
open_level(struct json *j, const char *key, const char *open, char close)
{
	begin(j, key);
	assert(j->depth < JSON_DEPTH_MAX);
	buf_adds(j->out, open);
	j->some[j->depth] = false;
	j->close[j->depth++] = close;
}

void
json_obj(struct json *j, const char *key)
{
	open_level(j, key, "{", '}');
}

void
json_arr(struct json *j, const char *key)
{
	open_level(j, key, "[", ']');
}

void
json_end(struct json *j)
{
	assert(j->depth > 0);
	j->depth--;
	if (j->some[j->depth] && !j->one_line)
		new_line(j);
	buf_add(j->out, &j->close[j->depth], 1);
	if (j->depth == 0)
		buf_adds(j->out, "\n");
}

void
json_strn(struct json *j, const char *key, const char *s, size_t n)
{
	begin(j, key);
	put_string(j->out, s, n);
}

void
json_str(struct json *j, const char *key, const char *s)
{
	if (s == NULL)
		json_null(j, key);
	else
		json_strn(j, key, s, strlen(s));
}

void
json_u64(struct json *j, const char *key, uint64_t v)
{
	begin(j, key);
	buf_addf(j->out, "%" PRIu64, v);
}

void
json_i64(struct json *j, const char *key, int64_t v)
{
	begin(j, key);
	buf_addf(j->out, "%" PRId64, v);
}

void
json_bool(struct json *j, const char *key, bool v)
{
	begin(j, key);
	buf_adds(j->out, v ? "true" : "false");
}

void
json_null(struct json *j, const char *key)
{
	begin(j, key);
	buf_adds(j->out, "null");
}

void
json_hex(struct json *j, const char *key, const void *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *s = p;

	begin(j, key);
	buf_adds(j->out, "\"");
	for (size_t i = 0; i < n; i++) {
		char two[2] = {digit[s[i] >> 4], digit[s[i] & 15]};

		buf_add(j->out, two, sizeof(two));
	}
	buf_adds(j->out, "\"");
}
