/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes the stream in one pass. Small blocks are gathered in a buffer; pages
 * go straight from where the caller has them to the sink, in one writev()
 * together with what was gathered.
 */
#include "libdump/vd.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "libdump/wire_i.h"

#define GATHER 65536u

struct vd_writer {
	int fd;         /* borrowed; -1: count only */
	int err;        /* sticks */
	uint64_t bytes; /* of the stream, gathered ones included */
	uint64_t seq, sum;
	struct wire_end end;
	struct buf out; /* gathered */
};

int
vd_writer_new(int fd, struct vd_writer **ret)
{
	struct vd_writer *w = calloc(1, sizeof(*w));
	uint8_t h[WIRE_HEAD] = {0};
	struct timespec ts;

	if (w == NULL)
		return -ENOMEM;
	w->fd = fd;
	(void)clock_gettime(CLOCK_REALTIME, &ts); /* can't fail */
	memcpy(h, WIRE_MAGIC, 8);
	put_u32(h + 8, WIRE_VERSION);
	put_u32(h + 12, WIRE_ORDER);
	put_u32(h + 16, VD_PAGE);
	put_u32(h + 20, WIRE_SUM_XXH3);
	put_u64(
	    h + 24, (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec);
	put_u64(h + 56, wire_sum(h, 56));
	buf_add(&w->out, h, sizeof(h));
	w->bytes = sizeof(h);
	/* The header belongs to the chain, else its time could be changed. */
	w->sum = wire_chain(0, get_u64(h + 56));
	w->err = buf_err(&w->out);
	*ret = w;
	return 0;
}

void
vd_writer_free(struct vd_writer *w)
{
	if (w == NULL)
		return;
	buf_fini(&w->out);
	free(w);
}

uint64_t
vd_writer_bytes(const struct vd_writer *w)
{
	return w->bytes;
}

/* All of it; `iov` is used up. */
static int
write_all(int fd, struct iovec *iov, int n)
{
	while (n > 0) {
		ssize_t r;

		if (iov->iov_len == 0) {
			iov++;
			n--;
			continue;
		}
		r = writev(fd, iov, n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return -EIO;
		while (r > 0) {
			size_t k =
			    (size_t)r < iov->iov_len ? (size_t)r : iov->iov_len;

			iov->iov_base = (uint8_t *)iov->iov_base + k;
			iov->iov_len -= k;
			r -= (ssize_t)k;
			if (iov->iov_len == 0) {
				iov++;
				n--;
			}
		}
	}
	return 0;
}

int
vd_flush(struct vd_writer *w)
{
	struct iovec iov = {w->out.data, w->out.len};

	if (w->err == 0 && w->fd >= 0)
		w->err = write_all(w->fd, &iov, 1);
	buf_reset(&w->out);
	return w->err;
}

/* Numbers a block and takes it into the counts. */
static void
account(struct vd_writer *w, uint8_t *h, uint32_t type, uint64_t len,
    uint64_t payload_sum)
{
	wire_block(h, type, len, w->seq++, payload_sum);
	w->sum = wire_chain(w->sum, get_u64(h + 32));
	w->bytes += WIRE_BLOCK + len;
}

int
vd_put(struct vd_writer *w, const struct vd_type *t, const void *rec)
{
	static const uint8_t zero[WIRE_BLOCK];
	size_t at = w->out.len, len;
	uint64_t sum;
	int r;

	if (w->err != 0)
		return w->err;
	buf_add(&w->out, zero, sizeof(zero));
	r = vd_encode(t, rec, &w->out);
	if (r == 0)
		r = buf_err(&w->out);
	if (r < 0)
		return w->err = r;
	len = w->out.len - at - WIRE_BLOCK;
	if (len > WIRE_RECORD_MAX)
		return w->err = -E2BIG;
	sum = w->fd < 0 ? 0 : wire_sum(w->out.data + at + WIRE_BLOCK, len);
	account(w, w->out.data + at, t->number, len, sum);
	w->end.records++;
	return w->out.len >= GATHER || w->fd < 0 ? vd_flush(w) : 0;
}

/* The lengths agree and are those of at most VD_PAGES_MAX pages. */
static int
check_pages(const struct vd_extent *x, size_t n, const struct iovec *iov,
    int niov, uint32_t *ret_npages)
{
	uint64_t npages = 0, bytes = 0;
	size_t i;

	if (n == 0 || n > VD_PAGES_MAX || niov < 1 || niov > (int)VD_PAGES_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (x[i].npages == 0 || x[i].npages > VD_PAGES_MAX ||
		    x[i].addr % VD_PAGE != 0)
			return -EINVAL;
		npages += x[i].npages;
	}
	for (i = 0; i < (size_t)niov; i++) {
		if (iov[i].iov_len > VD_PAGES_MAX * VD_PAGE)
			return -EINVAL;
		bytes += iov[i].iov_len;
	}
	if (npages > VD_PAGES_MAX || bytes != npages * VD_PAGE)
		return -EINVAL;
	*ret_npages = (uint32_t)npages;
	return 0;
}

int
vd_put_pages(struct vd_writer *w, uint32_t obj, const struct vd_extent *x,
    size_t n, const struct iovec *iov, int niov)
{
	struct iovec v[VD_PAGES_MAX + 1];
	size_t at = w->out.len, head, pad, i;
	uint64_t len, start = w->bytes + WIRE_BLOCK;
	uint32_t npages;
	uint8_t *h;
	int r;

	if (w->err != 0)
		return w->err;
	r = check_pages(x, n, iov, niov, &npages);
	if (r < 0)
		return w->err = r;
	head = WIRE_PAGES_HEAD + n * WIRE_EXTENT;
	pad = -(start + head) % VD_PAGE;
	len = head + pad + (uint64_t)npages * VD_PAGE;
	h = buf_reserve(&w->out, WIRE_BLOCK + head + pad);
	if (h == NULL)
		return w->err = -ENOMEM;
	memset(h, 0, WIRE_BLOCK + head + pad);
	w->out.len += WIRE_BLOCK + head + pad;
	put_u32(h + WIRE_BLOCK, obj);
	put_u32(h + WIRE_BLOCK + 4, (uint32_t)n);
	put_u32(h + WIRE_BLOCK + 8, npages);
	for (i = 0; i < n; i++) {
		uint8_t *p = h + WIRE_BLOCK + WIRE_PAGES_HEAD + i * WIRE_EXTENT;

		put_u64(p, x[i].addr);
		put_u64(p + 8, x[i].npages);
	}
	v[0] = (struct iovec){h + WIRE_BLOCK, head + pad};
	memcpy(v + 1, iov, (size_t)niov * sizeof(*iov));
	account(w, h, WIRE_PAGES, len, w->fd < 0 ? 0 : wire_sumv(v, niov + 1));
	w->end.blocks++;
	w->end.pages += npages;
	v[0] = (struct iovec){w->out.data, at + WIRE_BLOCK + head + pad};
	if (w->fd >= 0)
		w->err = write_all(w->fd, v, niov + 1);
	buf_reset(&w->out);
	return w->err;
}

int
vd_put_end(struct vd_writer *w)
{
	uint8_t b[WIRE_BLOCK + WIRE_END_LEN];
	uint8_t *p = b + WIRE_BLOCK;

	if (w->err != 0)
		return w->err;
	put_u64(p, w->end.records);
	put_u64(p + 8, w->end.blocks);
	put_u64(p + 16, w->end.pages);
	put_u64(p + 24, w->sum);
	account(w, b, WIRE_END, WIRE_END_LEN, wire_sum(p, WIRE_END_LEN));
	buf_add(&w->out, b, sizeof(b));
	if (buf_err(&w->out) != 0)
		return w->err = buf_err(&w->out);
	return vd_flush(w);
}
