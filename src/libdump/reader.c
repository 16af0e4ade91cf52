/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reads the stream, block by block, from anywhere: a file, a pipe, a socket.
 * Nothing in it is believed before it is checked, and never a byte more is
 * read than the block asked for has, so that another process can go on.
 *
 * Each record has its memory (its bytes and what was decoded from them) in a
 * node of a list, right before the record; pages have one buffer that is used
 * again.
 */
#include "libdump/vd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/fdio.h"
#include "libdump/wire_i.h"

#define MEM_MAX    (1ull << 30) /* of all records kept */
#define RECORD_MEM (64u << 20)  /* what one record may be decoded to */

#define PAGES_LEN_MAX                                             \
	(WIRE_PAGES_HEAD + VD_PAGES_MAX * WIRE_EXTENT + VD_PAGE + \
	    VD_PAGES_MAX * VD_PAGE)

struct node {
	struct node *prev, *next;
	struct vd_arena arena;
	void *rec;
	size_t bytes; /* payload */
	_Alignas(16) uint8_t payload[];
};

struct vd_reader {
	int fd; /* borrowed */
	bool headed, ended;
	struct vd_head head;
	struct vd_reader_state st;
	uint64_t mem;   /* of all nodes */
	uint8_t *pages; /* owned */
	struct vd_extent x[VD_PAGES_MAX];
	char why[256];
	int err;           /* sticks */
	struct node nodes; /* ring; last, as its payload has no size */
};

static int __attribute__((format(printf, 2, 3)))
bad(struct vd_reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return r->err = -EBADMSG;
}

/* Prefixes what `why` holds by the place. */
static int
bad_at(struct vd_reader *r, int err, const char *why)
{
	(void)snprintf(r->why, sizeof(r->why), "block %llu at byte %llu: %s",
	    (unsigned long long)r->st.seq, (unsigned long long)r->st.off, why);
	return r->err = err;
}

int
vd_reader_new(int fd, struct vd_reader **ret)
{
	struct vd_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->fd = fd;
	r->nodes.prev = r->nodes.next = &r->nodes;
	*ret = r;
	return 0;
}

int
vd_reader_resume(
    int fd, const struct vd_reader_state *st, struct vd_reader **ret)
{
	int r = vd_reader_new(fd, ret);

	if (r < 0)
		return r;
	(*ret)->st = *st;
	(*ret)->headed = st->off != 0;
	return 0;
}

void
vd_reader_state(const struct vd_reader *r, struct vd_reader_state *ret)
{
	*ret = r->st;
}

static void
node_free(struct vd_reader *r, struct node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	r->mem -= n->bytes + n->arena.bytes;
	vd_arena_free(&n->arena);
	free(n);
}

void
vd_reader_free(struct vd_reader *r)
{
	if (r == NULL)
		return;
	while (r->nodes.next != &r->nodes)
		node_free(r, r->nodes.next);
	free(r->pages);
	free(r);
}

void
vd_drop(struct vd_reader *r, void *rec)
{
	struct node *n;

	/* From the end: what is dropped is mostly what was read last. */
	for (n = r->nodes.prev; n != &r->nodes; n = n->prev)
		if (n->rec == rec) {
			node_free(r, n);
			return;
		}
}

const char *
vd_reader_why(const struct vd_reader *r)
{
	return r->why;
}

static int
get(struct vd_reader *r, void *p, size_t n, const char *what)
{
	char text[64];
	int e = fd_read_all(r->fd, p, n);

	if (e == 0)
		return 0;
	(void)snprintf(text, sizeof(text), "%s %s",
	    e == -EPIPE ? "the image ends within" : "can't read", what);
	return bad_at(r, e == -EPIPE ? -EBADMSG : e, text);
}

int
vd_reader_head(struct vd_reader *r, struct vd_head *ret)
{
	uint8_t h[WIRE_HEAD];
	int e;

	if (r->err != 0)
		return r->err;
	if (r->headed) {
		*ret = r->head;
		return 0;
	}
	e = get(r, h, sizeof(h), "its header");
	if (e < 0)
		return e;
	if (memcmp(h, WIRE_MAGIC, 8) != 0)
		return bad(r, "no image: it doesn't begin with the magic");
	if (get_u64(h + 56) != wire_sum(h, 56))
		return bad(r, "the header's checksum is wrong");
	if (get_u32(h + 8) != WIRE_VERSION) {
		(void)bad(r, "format version %u; this program reads %u",
		    get_u32(h + 8), WIRE_VERSION);
		return r->err = -EPROTONOSUPPORT;
	}
	if (get_u32(h + 12) != WIRE_ORDER || get_u32(h + 16) != VD_PAGE ||
	    get_u32(h + 20) != WIRE_SUM_XXH3) {
		(void)bad(r,
		    "byte order %#x, page size %u, checksum kind %u: "
		    "not supported",
		    get_u32(h + 12), get_u32(h + 16), get_u32(h + 20));
		return r->err = -EPROTONOSUPPORT;
	}
	r->head.version = get_u32(h + 8);
	r->head.time_ns = (int64_t)get_u64(h + 24);
	r->st.off = sizeof(h);
	r->st.sum = wire_chain(0, get_u64(h + 56));
	r->headed = true;
	*ret = r->head;
	return 0;
}

struct block {
	uint32_t type;
	uint64_t len, payload_sum, sum;
};

static int
get_block(struct vd_reader *r, struct block *b)
{
	uint8_t h[WIRE_BLOCK];
	int e = get(r, h, sizeof(h), "a block header");

	if (e < 0)
		return e;
	b->type = get_u32(h);
	b->len = get_u64(h + 8);
	b->payload_sum = get_u64(h + 24);
	b->sum = get_u64(h + 32);
	if (b->sum != wire_sum(h, 32))
		return bad_at(r, -EBADMSG, "the header's checksum is wrong");
	if (get_u64(h + 16) != r->st.seq)
		return bad_at(r, -EBADMSG,
		    "not the block that comes next: blocks are missing or "
		    "out of order");
	if (get_u32(h + 4) != 0)
		return bad_at(r, -EBADMSG, "unknown flags");
	return 0;
}

/* The payload of `b` into `p`. */
static int
get_payload(struct vd_reader *r, const struct block *b, uint8_t *p)
{
	int e = get(r, p, b->len, "a block");

	if (e < 0)
		return e;
	if (wire_sum(p, b->len) != b->payload_sum)
		return bad_at(r, -EBADMSG, "the checksum is wrong");
	return 0;
}

/* A block is complete: what follows is relative to its end. */
static void
advance(struct vd_reader *r, const struct block *b)
{
	r->st.off += WIRE_BLOCK + b->len;
	r->st.sum = wire_chain(r->st.sum, b->sum);
	r->st.seq++;
}

/* 1: a record; 0: skipped, one that needn't be known. */
static int
next_record(struct vd_reader *r, const struct block *b, struct vd_item *ret)
{
	const struct vd_type *t = vd_type_by_number(b->type);
	char text[200];
	struct node *n;
	void *rec;
	int e;

	if (t == NULL && (b->type & WIRE_OPTIONAL) == 0) {
		(void)snprintf(
		    text, sizeof(text), "unknown record type %#x", b->type);
		return bad_at(r, -EBADMSG, text);
	}
	if (b->len > WIRE_RECORD_MAX)
		return bad_at(r, -EBADMSG, "the record is too long");
	if (b->len > MEM_MAX - r->mem)
		return bad_at(r, -EBADMSG, "the records need too much memory");
	n = malloc(sizeof(*n) + b->len);
	if (n == NULL)
		return bad_at(r, -ENOMEM, "out of memory");
	n->arena = (struct vd_arena){.max = RECORD_MEM};
	n->rec = NULL;
	n->bytes = b->len;
	n->prev = r->nodes.prev;
	n->next = &r->nodes;
	n->prev->next = n->next->prev = n;
	r->mem += n->bytes;
	e = get_payload(r, b, n->payload);
	if (e == 0 && t != NULL) {
		e = vd_decode(
		    t, n->payload, b->len, &n->arena, &rec, text, sizeof(text));
		r->mem += n->arena.bytes;
		if (e < 0)
			(void)bad_at(r, e, text);
	}
	if (e < 0 || t == NULL) {
		node_free(r, n);
		if (e == 0) {
			r->st.records++;
			advance(r, b);
		}
		return e;
	}
	if (r->mem > MEM_MAX)
		return bad_at(r, -EBADMSG, "the records need too much memory");
	n->rec = rec;
	*ret = (struct vd_item){
	    .what = VD_ITEM_RECORD, .type = t, .number = t->number, .rec = rec};
	r->st.records++;
	advance(r, b);
	return 1;
}

static int
next_pages(struct vd_reader *r, const struct block *b, struct vd_item *ret)
{
	/* Pages are aligned in the stream, so they are in memory when its
	 * offset within a page is kept. */
	size_t skew = (r->st.off + WIRE_BLOCK) % VD_PAGE;
	size_t head, pad, i, n, npages, sum = 0;
	uint8_t *p;
	int e;

	if (b->len < WIRE_PAGES_HEAD + WIRE_EXTENT || b->len > PAGES_LEN_MAX)
		return bad_at(r, -EBADMSG, "a block of pages of a bad length");
	if (r->pages == NULL) {
		r->pages = aligned_alloc(VD_PAGE,
		    (PAGES_LEN_MAX + 2 * VD_PAGE - 1) / VD_PAGE * VD_PAGE);
		if (r->pages == NULL)
			return bad_at(r, -ENOMEM, "out of memory");
	}
	p = r->pages + skew;
	e = get_payload(r, b, p);
	if (e < 0)
		return e;
	n = get_u32(p + 4);
	npages = get_u32(p + 8);
	if (n == 0 || n > VD_PAGES_MAX || npages > VD_PAGES_MAX ||
	    get_u32(p + 12) != 0)
		return bad_at(r, -EBADMSG, "a bad number of extents or pages");
	head = WIRE_PAGES_HEAD + n * WIRE_EXTENT;
	pad = -(skew + head) % VD_PAGE;
	if (b->len != head + pad + npages * VD_PAGE)
		return bad_at(r, -EBADMSG, "a block of pages of a bad length");
	for (i = 0; i < n; i++) {
		const uint8_t *q = p + WIRE_PAGES_HEAD + i * WIRE_EXTENT;

		r->x[i].addr = get_u64(q);
		r->x[i].npages = get_u64(q + 8);
		if (r->x[i].npages == 0 || r->x[i].npages > npages ||
		    r->x[i].addr % VD_PAGE != 0 ||
		    r->x[i].addr > UINT64_MAX - r->x[i].npages * VD_PAGE)
			return bad_at(r, -EBADMSG, "a bad extent");
		sum += r->x[i].npages;
	}
	if (sum != npages)
		return bad_at(r, -EBADMSG, "extents and pages don't agree");
	for (i = 0; i < pad; i++)
		if (p[head + i] != 0)
			return bad_at(r, -EBADMSG, "padding that isn't zero");
	*ret = (struct vd_item){.what = VD_ITEM_PAGES,
	    .obj = get_u32(p),
	    .x = r->x,
	    .nx = n,
	    .data = p + head + pad,
	    .npages = npages};
	r->st.blocks++;
	r->st.pages += npages;
	advance(r, b);
	return 1;
}

static int
next_end(struct vd_reader *r, const struct block *b, struct vd_item *ret)
{
	uint8_t p[WIRE_END_LEN];
	int e;

	if (b->len != WIRE_END_LEN)
		return bad_at(r, -EBADMSG, "a trailer of a bad length");
	e = get_payload(r, b, p);
	if (e < 0)
		return e;
	if (get_u64(p) != r->st.records || get_u64(p + 8) != r->st.blocks ||
	    get_u64(p + 16) != r->st.pages || get_u64(p + 24) != r->st.sum)
		return bad_at(r, -EBADMSG,
		    "the trailer doesn't agree with the blocks before it");
	r->ended = true;
	*ret = (struct vd_item){.what = VD_ITEM_END};
	advance(r, b);
	return 1;
}

int
vd_next(struct vd_reader *r, struct vd_item *ret)
{
	struct vd_head head;
	struct block b;
	int e = 0;

	if (r->err != 0)
		return r->err;
	if (r->ended)
		return -ENODATA;
	if (!r->headed) {
		e = vd_reader_head(r, &head);
		if (e < 0)
			return e;
	}
	do {
		e = get_block(r, &b);
		if (e < 0)
			return e;
		if (b.type == WIRE_PAGES)
			e = next_pages(r, &b, ret);
		else if (b.type == WIRE_END)
			e = next_end(r, &b, ret);
		else
			e = next_record(r, &b, ret);
	} while (e == 0);
	return e < 0 ? e : 0;
}
