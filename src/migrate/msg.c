/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/msg.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/auto.h"

#define FRAME_MAGIC 0x56 /* 'V' */

/* A tag with this bit may be skipped by who doesn't know it. */
#define TAG_OPTIONAL 0x8000u

enum kind { F_U32, F_U64, F_WORD, F_LINE, F_TEXT };

/* clang-format off */
#define M(x) (1u << MIG_M_##x)
#define F(tag, kind, member, must, may)                                        \
	{tag, kind, offsetof(struct mig_msg, member),                          \
	    sizeof(((struct mig_msg *)0)->member), must, may}
#define ANY_HELLO (M(HELLO) | M(ACCEPT))
#define ANY_TEXT  (M(REFUSE) | M(STUCK) | M(ABORT))
static const struct field {
	uint16_t tag;
	enum kind kind;
	size_t off, size;
	uint32_t must, may; /* messages that have it, that can have it */
} fields[] = {
	F(1, F_U32, version, ANY_HELLO, 0),
	F(2, F_WORD, op, M(HELLO) | M(COMMIT) | M(ASK), 0),
	F(3, F_WORD, id, M(HELLO) | M(ASK), 0),
	F(4, F_U32, kind, M(PASS), 0),
	F(5, F_U64, space, M(HELLO), 0),
	F(6, F_U64, inodes, M(HELLO), 0),
	F(7, F_U64, memory, M(HELLO), 0),
	F(8, F_U32, timeout_ms, M(HELLO) | M(ASK), 0),
	F(9, F_TEXT, text, ANY_TEXT, M(RUNNING) | M(FORGOTTEN)),
	F(11, F_U32, status, M(PASSED), 0),
	F(10, F_TEXT, conf, M(HELLO), 0),
	F(16, F_WORD, caps.machine, ANY_HELLO, 0),
	F(17, F_WORD, caps.kernel, ANY_HELLO, 0),
	F(18, F_WORD, caps.vps, ANY_HELLO, 0),
	F(19, F_WORD, caps.rsync, 0, ANY_HELLO),
	F(20, F_WORD, caps.vdso, 0, ANY_HELLO),
	F(21, F_LINE, caps.features, 0, ANY_HELLO),
	F(22, F_LINE, caps.cpu, 0, ANY_HELLO),
	F(23, F_LINE, caps.modules, 0, ANY_HELLO),
	F(24, F_U64, caps.xcr0, ANY_HELLO, 0),
	F(25, F_U32, caps.xsave, ANY_HELLO, 0),
	F(26, F_U32, caps.page, ANY_HELLO, 0),
};
#undef F
#undef M
/* clang-format on */

static void
put_le(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get_le(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

void
mig_frame_hdr(uint8_t h[MIG_FRAME_HDR], const struct mig_frame *f)
{
	h[0] = FRAME_MAGIC;
	h[1] = (uint8_t)f->chan;
	put_le(h + 2, f->type, 2);
	put_le(h + 4, f->len, 4);
}

void
mig_frame_put(struct buf *b, const struct mig_frame *f, const void *p)
{
	uint8_t h[MIG_FRAME_HDR];

	assert(f->len <= MIG_FRAME_MAX);
	mig_frame_hdr(h, f);
	buf_add(b, h, sizeof(h));
	buf_add(b, p, f->len);
}

int
mig_frame_get(const uint8_t h[MIG_FRAME_HDR], struct mig_frame *ret)
{
	struct mig_frame f = {
	    .chan = (enum mig_chan)h[1],
	    .type = (uint32_t)get_le(h + 2, 2),
	    .len = (uint32_t)get_le(h + 4, 4),
	};

	if (h[0] != FRAME_MAGIC || h[1] >= MIG_CH_MAX_ || f.len > MIG_FRAME_MAX)
		return -EBADMSG;
	if (f.chan == MIG_CH_CTL ? f.type >= MIG_M_MAX_ : f.type > MIG_DATA_EOF)
		return -EBADMSG;
	if (f.chan != MIG_CH_CTL && f.type == MIG_DATA_EOF && f.len != 0)
		return -EBADMSG;
	*ret = f;
	return 0;
}

/* Text that is printed to a terminal later: no control characters. */
static int
text_check(enum kind k, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 0x7f)
			return -EBADMSG;
		if (p[i] > ' ')
			continue;
		if (k == F_WORD || (k == F_LINE && p[i] != ' '))
			return -EBADMSG;
		if (p[i] != ' ' && p[i] != '\n' && p[i] != '\t')
			return -EBADMSG;
	}
	return 0;
}

static int
field_put(struct buf *b, const struct field *f, const struct mig_msg *m)
{
	const uint8_t *p = (const uint8_t *)m + f->off;
	uint8_t v[8], h[4];
	uint32_t u32;
	uint64_t u64;
	size_t n;

	switch (f->kind) {
	case F_U32:
		memcpy(&u32, p, sizeof(u32));
		put_le(v, u32, 4);
		p = v;
		n = 4;
		break;
	case F_U64:
		memcpy(&u64, p, sizeof(u64));
		put_le(v, u64, 8);
		p = v;
		n = 8;
		break;
	default:
		n = strnlen((const char *)p, f->size);
		if (n == f->size || text_check(f->kind, p, n) < 0)
			return -EINVAL;
		break;
	}
	put_le(h, f->tag, 2);
	put_le(h + 2, n, 2);
	buf_add(b, h, sizeof(h));
	buf_add(b, p, n);
	return 0;
}

int
mig_msg_put(struct buf *b, const struct mig_msg *m)
{
	struct mig_frame f = {MIG_CH_CTL, (uint32_t)m->type, 0};
	auto_buf struct buf t = {0};
	uint32_t bit = 1u << m->type;
	int r;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (!((fields[i].must | fields[i].may) & bit))
			continue;
		r = field_put(&t, &fields[i], m);
		if (r < 0)
			return r;
	}
	if (buf_err(&t) < 0)
		return buf_err(&t);
	if (t.len > MIG_FRAME_MAX)
		return -EMSGSIZE;
	f.len = (uint32_t)t.len;
	mig_frame_put(b, &f, t.data);
	return buf_err(b);
}

static int
field_get(const struct field *f, const uint8_t *p, size_t n, struct mig_msg *m)
{
	uint8_t *d = (uint8_t *)m + f->off;
	uint32_t u32;
	uint64_t u64;

	switch (f->kind) {
	case F_U32:
		if (n != 4)
			return -EBADMSG;
		u32 = (uint32_t)get_le(p, 4);
		memcpy(d, &u32, sizeof(u32));
		return 0;
	case F_U64:
		if (n != 8)
			return -EBADMSG;
		u64 = get_le(p, 8);
		memcpy(d, &u64, sizeof(u64));
		return 0;
	default:
		if (n >= f->size || text_check(f->kind, p, n) < 0)
			return -EBADMSG;
		memcpy(d, p, n);
		d[n] = '\0';
		return 0;
	}
}

static int
op_check(const char *op)
{
	return strspn(op, "0123456789abcdef") == MIG_OP_LEN &&
		       op[MIG_OP_LEN] == '\0'
		   ? 0
		   : -EBADMSG;
}

/* An id becomes the name of files: no path, nothing hidden. */
static int
id_check(const char *id)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	return id[0] != '\0' && id[0] != '.' && id[0] != '-' &&
		       id[strspn(id, ok)] == '\0'
		   ? 0
		   : -EBADMSG;
}

static int
values_check(const struct mig_msg *m)
{
	if (m->op[0] != '\0' && op_check(m->op) < 0)
		return -EBADMSG;
	switch (m->type) {
	case MIG_M_HELLO:
	case MIG_M_ASK:
		if (m->timeout_ms == 0 || id_check(m->id) < 0)
			return -EBADMSG;
		return op_check(m->op);
	case MIG_M_COMMIT:
		return op_check(m->op);
	case MIG_M_PASS:
		return m->kind > 0 && m->kind < MIG_PASS_MAX_ ? 0 : -EBADMSG;
	default:
		return 0;
	}
}

int
mig_msg_get(uint32_t type, const uint8_t *p, size_t n, struct mig_msg *ret)
{
	uint64_t seen = 0;

	_Static_assert(ARRAY_LEN(fields) <= 64, "one bit for each");
	if (type >= MIG_M_MAX_)
		return -EBADMSG;
	memset(ret, 0, sizeof(*ret));
	ret->type = (enum mig_msg_type)type;
	while (n > 0) {
		size_t i, len;
		uint16_t tag;

		if (n < 4)
			return -EBADMSG;
		tag = (uint16_t)get_le(p, 2);
		len = (size_t)get_le(p + 2, 2);
		p += 4;
		n -= 4;
		if (len > n)
			return -EBADMSG;
		for (i = 0; i < ARRAY_LEN(fields); i++) {
			if (fields[i].tag == tag)
				break;
		}
		if (i < ARRAY_LEN(fields)) {
			uint32_t in = fields[i].must | fields[i].may;

			if (!(in & (1u << type)) || (seen & (1ull << i)) ||
			    field_get(&fields[i], p, len, ret) < 0)
				return -EBADMSG;
			seen |= 1ull << i;
		} else if (!(tag & TAG_OPTIONAL)) {
			return -EBADMSG;
		}
		p += len;
		n -= len;
	}
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if ((fields[i].must & (1u << type)) && !(seen & (1ull << i)))
			return -EBADMSG;
	}
	return values_check(ret);
}

enum mig_event
mig_msg_event(enum mig_msg_type t)
{
	_Static_assert(
	    MIG_EV_FORGOTTEN - MIG_EV_HELLO == MIG_M_FORGOTTEN - MIG_M_HELLO,
	    "the same order");
	if (t < MIG_M_HELLO || t >= MIG_M_MAX_)
		return MIG_EVENT_MAX_;
	return (enum mig_event)(MIG_EV_HELLO + (t - MIG_M_HELLO));
}
