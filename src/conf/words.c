/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void
strs_fini(struct spec_strs *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct spec_strs){0};
}

bool
strs_equal(const struct spec_strs *a, const struct spec_strs *b)
{
	if (a->n != b->n)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

int
strs_add(struct spec_strs *l, const char *s, size_t n)
{
	char **v;

	if (l->n >= SPEC_LIST_MAX)
		return -E2BIG;
	v = reallocarray(l->v, l->n + 2, sizeof(*v));
	if (v == NULL)
		return -ENOMEM;
	l->v = v;
	v[l->n] = strndup(s, n);
	if (v[l->n] == NULL)
		return -ENOMEM;
	v[++l->n] = NULL;
	return 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One word from *s on, which is moved behind it. */
static int
word_next(const char **s, struct buf *word)
{
	const char *p = *s;
	char quote = 0;

	for (; *p != '\0' && (quote || !is_blank(*p)); p++) {
		if (quote != 0 && *p == quote)
			quote = 0;
		else if (quote == 0 && (*p == '\'' || *p == '"'))
			quote = *p;
		else
			buf_add(word, p, 1);
	}
	*s = p;
	return quote ? -EINVAL : buf_err(word);
}

int
words_split(const char *s, struct spec_strs *ret)
{
	struct spec_strs l = {0};
	auto_buf struct buf word = {0};
	int r = 0;

	while (r == 0) {
		while (is_blank(*s))
			s++;
		if (*s == '\0') {
			*ret = l;
			return 0;
		}
		buf_reset(&word);
		r = word_next(&s, &word);
		if (r == 0)
			r = strs_add(&l,
			    word.len ? (const char *)word.data : "", word.len);
	}
	strs_fini(&l);
	return r;
}

int
items_split(const char *s, struct spec_strs *ret)
{
	struct spec_strs l = {0};
	int r = 0;

	while (is_blank(*s))
		s++;
	if (*s == '\0') {
		*ret = l;
		return 0;
	}
	for (;;) {
		size_t n, len;

		while (is_blank(*s))
			s++;
		n = len = strcspn(s, ",");
		while (len > 0 && is_blank(s[len - 1]))
			len--;
		r = len == 0 ? -EINVAL : strs_add(&l, s, len);
		if (r < 0)
			break;
		if (s[n] == '\0') {
			*ret = l;
			return 0;
		}
		s += n + 1;
	}
	strs_fini(&l);
	return r;
}
