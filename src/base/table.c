/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void
table_init(
    struct table *t, unsigned right, unsigned cols, const char *const *heads)
{
	assert(cols > 0 && cols <= TABLE_COLS_MAX);
	*t = (struct table){.cols = cols, .right = right};
	for (unsigned i = 0; i < cols; i++)
		table_cell(t, "%s", heads[i]);
}

void
table_fini(struct table *t)
{
	buf_fini(&t->cells);
}

void
table_cell(struct table *t, const char *fmt, ...)
{
	char s[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	for (char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	buf_add(&t->cells, s, strlen(s) + 1);
	t->n++;
}

/* Characters, not bytes. */
static unsigned
width(const char *s)
{
	unsigned n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
pad(struct buf *out, unsigned n)
{
	for (; n > 0; n--)
		buf_adds(out, " ");
}

void
table_print(const struct table *t, struct buf *out)
{
	unsigned w[TABLE_COLS_MAX] = {0};
	const char *s = (const char *)t->cells.data;

	if (buf_err(&t->cells) != 0 || t->n == 0) {
		out->err = out->err ? out->err : t->cells.err;
		return;
	}
	for (unsigned i = 0; i < t->n; i++, s += strlen(s) + 1)
		if (width(s) > w[i % t->cols])
			w[i % t->cols] = width(s);
	s = (const char *)t->cells.data;
	for (unsigned i = 0; i < t->n; i++, s += strlen(s) + 1) {
		unsigned c = i % t->cols, gap = w[c] - width(s);
		bool right = (t->right >> c & 1) != 0;
		bool last = c == t->cols - 1;

		if (right)
			pad(out, gap);
		buf_adds(out, s);
		if (!right && !last)
			pad(out, gap);
		buf_adds(out, last ? "\n" : "  ");
	}
}

const char *
fmt_bytes(uint64_t v, char s[TABLE_FMT_MAX])
{
	static const char unit[] = "BKMGTPE";
	unsigned u = 0;
	uint64_t rest = 0;

	while (v >= 1024 && unit[u + 1] != '\0') {
		rest = v % 1024;
		v /= 1024;
		u++;
	}
	if (u > 0 && v < 10)
		(void)snprintf(s, TABLE_FMT_MAX, "%u.%u%c", (unsigned)v,
		    (unsigned)(rest * 10 / 1024), unit[u]);
	else
		(void)snprintf(s, TABLE_FMT_MAX, "%u%c", (unsigned)v, unit[u]);
	return s;
}

const char *
fmt_age(uint64_t sec, char s[TABLE_FMT_MAX])
{
	unsigned long long v = sec;

	if (v < 60)
		(void)snprintf(s, TABLE_FMT_MAX, "%llus", v);
	else if (v < 3600)
		(void)snprintf(
		    s, TABLE_FMT_MAX, "%llum%02llus", v / 60, v % 60);
	else if (v < 86400)
		(void)snprintf(
		    s, TABLE_FMT_MAX, "%lluh%02llum", v / 3600, v / 60 % 60);
	else
		(void)snprintf(s, TABLE_FMT_MAX, "%llud%02lluh",
		    v / 86400 % 1000000, v / 3600 % 24);
	return s;
}
