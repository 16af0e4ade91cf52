/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Records and whole images as text and JSON, by descriptor.
 *
 * Text: a line "type" and an indented line "name: value" per field. Strings are
 * quoted with C escapes where they hold other than printable characters, so
 * that nothing in an image reaches the terminal. In JSON as in text, as in the
 * image, a field that is zero or empty isn't there.
 */
#include "libdump/vd.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "libdump/desc_i.h"

#define SHOW_BYTES 32 /* of a byte string, as text */

static uint64_t
num_at(const struct vd_field *f, const void *rec, size_t i)
{
	switch ((enum vd_kind)f->kind) {
	case VD_K_U32:
		return *(const uint32_t *)vd_at(rec, f->off);
	case VD_K_U64:
	case VD_K_I64:
		return *(const uint64_t *)vd_at(rec, f->off);
	case VD_K_U32S:
		return ((const uint32_t *)vd_array(f, rec))[i];
	case VD_K_U64S:
		return ((const uint64_t *)vd_array(f, rec))[i];
	default:
		return 0;
	}
}

static const void *
element(const struct vd_field *f, const void *rec, size_t i)
{
	return (const uint8_t *)vd_array(f, rec) + i * f->sub->size;
}

static bool
is_empty(const struct vd_field *f, const void *rec)
{
	const char *s;

	switch ((enum vd_kind)f->kind) {
	case VD_K_STR:
		s = *(const char *const *)vd_at(rec, f->off);
		return s == NULL || *s == '\0';
	case VD_K_BYTES:
		return ((const struct vd_bytes *)vd_at(rec, f->off))->n == 0;
	case VD_K_U32S:
	case VD_K_U64S:
	case VD_K_LIST:
		return vd_count(f, rec) == 0;
	default:
		return num_at(f, rec, 0) == 0;
	}
}

static void json_record(
    struct json *j, const char *key, const struct vd_type *t, const void *rec);

static void
json_field(struct json *j, const struct vd_field *f, const void *rec)
{
	const struct vd_bytes *b;
	const char *s;
	size_t i;

	switch ((enum vd_kind)f->kind) {
	case VD_K_U32:
	case VD_K_U64:
		json_u64(j, f->name, num_at(f, rec, 0));
		break;
	case VD_K_I64:
		json_i64(j, f->name, (int64_t)num_at(f, rec, 0));
		break;
	case VD_K_STR:
		s = *(const char *const *)vd_at(rec, f->off);
		json_str(j, f->name, s != NULL ? s : "");
		break;
	case VD_K_BYTES:
		b = vd_at(rec, f->off);
		json_hex(j, f->name, b->p, b->n);
		break;
	case VD_K_U32S:
	case VD_K_U64S:
		json_arr(j, f->name);
		for (i = 0; i < vd_count(f, rec); i++)
			json_u64(j, NULL, num_at(f, rec, i));
		json_end(j);
		break;
	case VD_K_LIST:
		json_arr(j, f->name);
		for (i = 0; i < vd_count(f, rec); i++)
			json_record(j, NULL, f->sub, element(f, rec, i));
		json_end(j);
		break;
	}
}

static void
json_record(
    struct json *j, const char *key, const struct vd_type *t, const void *rec)
{
	uint32_t i;

	json_obj(j, key);
	for (i = 0; i < t->nfields; i++)
		if (!is_empty(&t->field[i], rec))
			json_field(j, &t->field[i], rec);
	json_end(j);
}

void
vd_json_record(
    struct json *j, const char *key, const struct vd_type *t, const void *rec)
{
	json_record(j, key, t, rec);
}

static void
text_string(FILE *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	(void)fputc('"', out);
	for (; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			(void)fprintf(out, "\\%c", *p);
		else if (*p == '\n')
			(void)fputs("\\n", out);
		else if (*p == '\t')
			(void)fputs("\\t", out);
		else if (*p < 0x20 || *p >= 0x7f)
			(void)fprintf(out, "\\x%02x", *p);
		else
			(void)fputc(*p, out);
	}
	(void)fputc('"', out);
}

/* Small numbers in decimal; masks, addresses and the like in both. */
static void
text_number(FILE *out, uint64_t v)
{
	(void)fprintf(out, "%" PRIu64, v);
	if (v > 65535)
		(void)fprintf(out, " (%#" PRIx64 ")", v);
}

static void
text_bytes(FILE *out, const struct vd_bytes *b)
{
	size_t i;

	(void)fprintf(out, "%zu bytes:", b->n);
	for (i = 0; i < b->n && i < SHOW_BYTES; i++)
		(void)fprintf(out, " %02x", b->p[i]);
	if (b->n > SHOW_BYTES)
		(void)fputs(" ...", out);
}

static void
text_record(FILE *out, const struct vd_type *t, const void *rec, int indent);

static void
text_field(FILE *out, const struct vd_field *f, const void *rec, int indent)
{
	size_t i;

	(void)fprintf(out, "%*s%s:", indent * 2, "", f->name);
	switch ((enum vd_kind)f->kind) {
	case VD_K_I64:
		(void)fprintf(out, " %" PRId64, (int64_t)num_at(f, rec, 0));
		break;
	case VD_K_U32:
	case VD_K_U64:
		(void)fputc(' ', out);
		text_number(out, num_at(f, rec, 0));
		break;
	case VD_K_STR:
		(void)fputc(' ', out);
		text_string(out, *(const char *const *)vd_at(rec, f->off));
		break;
	case VD_K_BYTES:
		(void)fputc(' ', out);
		text_bytes(out, vd_at(rec, f->off));
		break;
	case VD_K_U32S:
	case VD_K_U64S:
		for (i = 0; i < vd_count(f, rec); i++)
			(void)fprintf(out, " %" PRIu64, num_at(f, rec, i));
		break;
	case VD_K_LIST:
		(void)fputc('\n', out);
		for (i = 0; i < vd_count(f, rec); i++)
			text_record(
			    out, f->sub, element(f, rec, i), indent + 1);
		return;
	}
	(void)fputc('\n', out);
}

static void
text_record(FILE *out, const struct vd_type *t, const void *rec, int indent)
{
	uint32_t i;

	(void)fprintf(out, "%*s%s\n", indent * 2, "", t->name);
	for (i = 0; i < t->nfields; i++)
		if (!is_empty(&t->field[i], rec))
			text_field(out, &t->field[i], rec, indent + 1);
}

void
vd_show_record(FILE *out, const struct vd_type *t, const void *rec)
{
	text_record(out, t, rec, 0);
}

static void
text_pages(FILE *out, const struct vd_item *it)
{
	size_t i;

	(void)fprintf(out, "pages\n  obj: %u\n", it->obj);
	for (i = 0; i < it->nx; i++)
		(void)fprintf(out, "  %#" PRIx64 ": %" PRIu64 "\n",
		    it->x[i].addr, it->x[i].npages);
}

static void
json_pages(struct json *j, const struct vd_item *it)
{
	size_t i;

	json_str(j, "type", "pages");
	json_u64(j, "obj", it->obj);
	json_arr(j, "extents");
	for (i = 0; i < it->nx; i++) {
		json_obj(j, NULL);
		json_u64(j, "addr", it->x[i].addr);
		json_u64(j, "npages", it->x[i].npages);
		json_end(j);
	}
	json_end(j);
}

/* One line of JSON, or lines of text. */
static void
show_item(FILE *out, struct json *j, const struct vd_item *it)
{
	bool pages = it->what == VD_ITEM_PAGES;

	if (j == NULL) {
		if (pages)
			text_pages(out, it);
		else
			vd_show_record(out, it->type, it->rec);
		return;
	}
	json_obj(j, NULL);
	j->one_line = true;
	if (pages) {
		json_pages(j, it);
	} else {
		json_str(j, "type", it->type->name);
		json_record(j, "record", it->type, it->rec);
	}
	json_end(j);
	j->one_line = false;
}

/* What was written so far goes out: the image may be bigger than memory. */
static int
json_out(FILE *out, struct json *j)
{
	if (j == NULL)
		return ferror(out) ? -EIO : 0;
	if (buf_err(j->out) != 0)
		return buf_err(j->out);
	if (fwrite(j->out->data, 1, j->out->len, out) != j->out->len)
		return -EIO;
	buf_reset(j->out);
	return 0;
}

static int
show_items(struct vd_reader *r, FILE *out, struct json *j)
{
	for (;;) {
		struct vd_item it;
		int e = vd_next(r, &it);

		if (e < 0)
			return e;
		if (it.what == VD_ITEM_END)
			return 0;
		show_item(out, j, &it);
		if (it.what == VD_ITEM_RECORD)
			vd_drop(r, it.rec);
		e = json_out(out, j);
		if (e < 0)
			return e;
	}
}

/* The stream ends where the image does. */
static int
check_eof(int fd, char *why, size_t whylen)
{
	char c;
	ssize_t n;

	do {
		n = read(fd, &c, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	(void)snprintf(why, whylen, "%s",
	    n > 0 ? "there is something behind the image's end"
		  : "can't read behind the image's end");
	return n > 0 ? -EBADMSG : -errno;
}

static void
show_head(FILE *out, struct json *j, const struct vd_head *h)
{
	if (j == NULL) {
		(void)fprintf(out,
		    "image\n  version: %u\n  time_ns: %" PRId64 "\n",
		    h->version, h->time_ns);
		return;
	}
	json_obj(j, NULL);
	json_u64(j, "version", h->version);
	json_i64(j, "time_ns", h->time_ns);
	json_arr(j, "items");
}

/* JSON is closed whatever happened. */
static void
show_tail(FILE *out, struct json *j, const struct vd_reader *r, bool complete)
{
	struct vd_reader_state st;

	vd_reader_state(r, &st);
	if (j != NULL) {
		json_end(j);
		json_u64(j, "records", st.records);
		json_u64(j, "pages", st.pages);
		json_u64(j, "bytes", st.off);
		json_bool(j, "complete", complete);
		json_end(j);
	} else if (complete) {
		(void)fprintf(out,
		    "end\n  records: %" PRIu64 "\n  pages: %" PRIu64
		    "\n  bytes: %" PRIu64 "\n",
		    st.records, st.pages, st.off);
	}
}

static int
show(struct vd_reader *r, int fd, FILE *out, struct json *j, char *why,
    size_t whylen)
{
	struct vd_head h;
	int e = vd_reader_head(r, &h), e2;

	if (e < 0)
		return e;
	show_head(out, j, &h);
	e = show_items(r, out, j);
	if (e == 0)
		e = check_eof(fd, why, whylen);
	show_tail(out, j, r, e == 0);
	e2 = json_out(out, j);
	return e < 0 ? e : e2;
}

int
vd_show(int fd, FILE *out, bool json, char *why, size_t whylen)
{
	auto_buf struct buf b = {0};
	struct json j = {.out = &b};
	struct vd_reader *r;
	int e;

	why[0] = '\0';
	e = vd_reader_new(fd, &r);
	if (e < 0)
		return e;
	e = show(r, fd, out, json ? &j : NULL, why, whylen);
	if (e < 0 && why[0] == '\0')
		(void)snprintf(why, whylen, "%s", vd_reader_why(r));
	vd_reader_free(r);
	if ((fflush(out) != 0 || ferror(out)) && e == 0)
		e = -EIO;
	if (e == -EIO && why[0] == '\0')
		(void)snprintf(why, whylen, "can't write the output");
	return e;
}
