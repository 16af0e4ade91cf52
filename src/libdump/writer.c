/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes the stream in one pass. Small blocks are gathered in a buffer; pages
 * go straight from where the caller has them to the sink, in one writev()
 * together with what was gathered.
 *
 * A file of tmpfs that has all its pages already is mapped, a window at a time,
 * and pages are copied right into it. Only there: a store into a hole of
 * another filesystem can fail, and a failing store is a signal. Whoever may
 * truncate the file meanwhile can kill the writer.
 */
#include "libdump/vd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include "libdump/wire_i.h"

#define GATHER 65536u
#define WINDOW (8u << 20) /* bytes mapped at a time */

struct vd_writer {
	int fd;         /* borrowed; -1: count only */
	int err;        /* sticks */
	uint64_t bytes; /* of the stream, gathered ones included */
	uint64_t seq, sum;
	struct wire_end end;
	struct buf out; /* gathered */
	/* Between vd_pages_begin() and _end(). */
	struct {
		bool open, mapped;
		size_t at;       /* of the block header in `out` */
		uint32_t npages; /* 0: none under way */
		uint8_t *p;
	} pages;
	uint8_t *own; /* owned; where pages go that can't go to the file */
	struct {
		bool asked;
		off_t base;    /* file offset of the stream */
		uint64_t size; /* of the file; 0: can't be mapped */
		uint64_t off;  /* of the window */
		size_t len;
		uint8_t *p; /* NULL: none */
	} map;
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
	if (w->map.p != NULL)
		(void)munmap(w->map.p, w->map.len);
	buf_fini(&w->out);
	free(w->own);
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
	if (w->pages.open)
		return w->err = -EINVAL;
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

static int
check_extents(const struct vd_extent *x, size_t n, uint32_t *ret_npages)
{
	uint64_t npages = 0;
	size_t i;

	if (n == 0 || n > VD_PAGES_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (x[i].npages == 0 || x[i].npages > VD_PAGES_MAX ||
		    x[i].addr % VD_PAGE != 0)
			return -EINVAL;
		npages += x[i].npages;
	}
	if (npages > VD_PAGES_MAX)
		return -EINVAL;
	*ret_npages = (uint32_t)npages;
	return 0;
}

/* Gathers a block of pages up to where the pages begin. */
static int
begin_pages(
    struct vd_writer *w, uint32_t obj, const struct vd_extent *x, size_t n)
{
	size_t head, pad, i;
	uint8_t *h;
	int r = check_extents(x, n, &w->pages.npages);

	if (r < 0)
		return r;
	head = WIRE_PAGES_HEAD + n * WIRE_EXTENT;
	pad = -(w->bytes + WIRE_BLOCK + head) % VD_PAGE;
	w->pages.at = w->out.len;
	h = buf_reserve(&w->out, WIRE_BLOCK + head + pad);
	if (h == NULL)
		return -ENOMEM;
	memset(h, 0, WIRE_BLOCK + head + pad);
	w->out.len += WIRE_BLOCK + head + pad;
	put_u32(h + WIRE_BLOCK, obj);
	put_u32(h + WIRE_BLOCK + 4, (uint32_t)n);
	put_u32(h + WIRE_BLOCK + 8, w->pages.npages);
	for (i = 0; i < n; i++) {
		uint8_t *p = h + WIRE_BLOCK + WIRE_PAGES_HEAD + i * WIRE_EXTENT;

		put_u64(p, x[i].addr);
		put_u64(p + 8, x[i].npages);
	}
	return 0;
}

/* Completes its header for pages in v[1..nv-1]; v[0] is set to what is before
 * them and not written yet. */
static void
seal_pages(struct vd_writer *w, struct iovec *v, int nv)
{
	uint8_t *h = w->out.data + w->pages.at;
	size_t head = w->out.len - w->pages.at - WIRE_BLOCK;
	size_t data = (size_t)w->pages.npages * VD_PAGE;

	v[0] = (struct iovec){h + WIRE_BLOCK, head};
	account(
	    w, h, WIRE_PAGES, head + data, w->fd < 0 ? 0 : wire_sumv(v, nv));
	w->end.blocks++;
	w->end.pages += w->pages.npages;
	v[0] = (struct iovec){w->out.data, w->out.len};
}

int
vd_put_pages(struct vd_writer *w, uint32_t obj, const struct vd_extent *x,
    size_t n, const struct iovec *iov, int niov)
{
	struct iovec v[VD_PAGES_MAX + 1];
	uint64_t bytes = 0;
	int i;

	if (w->err != 0)
		return w->err;
	if (niov < 1 || niov > (int)VD_PAGES_MAX)
		return w->err = -EINVAL;
	w->err = begin_pages(w, obj, x, n);
	if (w->err != 0)
		return w->err;
	for (i = 0; i < niov; i++) {
		if (iov[i].iov_len > VD_PAGES_MAX * VD_PAGE)
			return w->err = -EINVAL;
		bytes += iov[i].iov_len;
	}
	if (bytes != (uint64_t)w->pages.npages * VD_PAGE)
		return w->err = -EINVAL;
	memcpy(v + 1, iov, (size_t)niov * sizeof(*iov));
	seal_pages(w, v, niov + 1);
	if (w->fd >= 0)
		w->err = write_all(w->fd, v, niov + 1);
	buf_reset(&w->out);
	return w->err;
}

/* Whether the sink is a file that may be mapped; it has all its pages. */
static void
map_ask(struct vd_writer *w)
{
	off_t here = lseek(w->fd, 0, SEEK_CUR);
	struct statfs fs;
	struct stat st;

	w->map.asked = true;
	if (here < 0 || fstat(w->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    fstatfs(w->fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)
		return;
	/* What is gathered isn't in the file yet. */
	w->map.base = here - (off_t)(w->bytes - w->out.len);
	if (w->map.base < 0 || w->map.base % VD_PAGE != 0 || st.st_size <= here)
		return;
	if (lseek(w->fd, here, SEEK_HOLE) == st.st_size)
		w->map.size = (uint64_t)st.st_size;
	if (lseek(w->fd, here, SEEK_SET) != here)
		w->err = -errno;
}

/* Where in memory `n` bytes of the file at `off` are, or NULL. */
static uint8_t *
map_at(struct vd_writer *w, uint64_t off, size_t n)
{
	size_t len = WINDOW;
	void *p;

	if (w->map.size < n || off > w->map.size - n)
		return NULL;
	if (w->map.p != NULL && off >= w->map.off &&
	    off + n <= w->map.off + w->map.len)
		return w->map.p + (off - w->map.off);
	if (w->map.p != NULL)
		(void)munmap(w->map.p, w->map.len);
	w->map.p = NULL;
	if (len > w->map.size - off)
		len = (size_t)(w->map.size - off);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
	    w->fd, (off_t)off);
	if (p == MAP_FAILED) { /* opened for writing only */
		w->map.size = 0;
		return NULL;
	}
	w->map.p = p;
	w->map.off = off;
	w->map.len = len;
	return p;
}

int
vd_pages_begin(struct vd_writer *w, uint32_t obj, const struct vd_extent *x,
    size_t n, uint8_t **ret)
{
	size_t bytes;

	if (w->err == 0 && w->fd >= 0 && !w->map.asked)
		map_ask(w);
	if (w->err != 0)
		return w->err;
	w->err = begin_pages(w, obj, x, n);
	if (w->err != 0)
		return w->err;
	bytes = (size_t)w->pages.npages * VD_PAGE;
	w->pages.p = NULL;
	if (w->fd >= 0)
		w->pages.p = map_at(w,
		    (uint64_t)w->map.base + w->bytes +
			(w->out.len - w->pages.at),
		    bytes);
	w->pages.mapped = w->pages.p != NULL;
	if (w->pages.p == NULL && w->own == NULL) {
		w->own = aligned_alloc(VD_PAGE, VD_PAGES_MAX * VD_PAGE);
		if (w->own == NULL)
			return w->err = -ENOMEM;
	}
	if (w->pages.p == NULL)
		w->pages.p = w->own;
	w->pages.open = true;
	*ret = w->pages.p;
	return w->err;
}

int
vd_pages_end(struct vd_writer *w)
{
	size_t bytes = (size_t)w->pages.npages * VD_PAGE;
	struct iovec v[2] = {{0}, {w->pages.p, bytes}};

	if (w->err != 0)
		return w->err;
	if (!w->pages.open)
		return w->err = -EINVAL;
	w->pages.open = false;
	seal_pages(w, v, 2);
	if (w->fd >= 0)
		w->err = write_all(w->fd, v, w->pages.mapped ? 1 : 2);
	if (w->err == 0 && w->pages.mapped &&
	    lseek(w->fd, (off_t)bytes, SEEK_CUR) < 0)
		w->err = -errno;
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
