/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The format: every type survives the way through an image, and nothing that
 * is cut, changed, reordered or left out goes unnoticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/auto.h"
#include "gen.h"
#include "libdump/desc_i.h"
#include "libdump/wire_i.h"

static uint8_t page[4][VD_PAGE];

static int
memfd(const void *p, size_t n)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	if (n > 0)
		assert_int_equal(write(fd, p, n), n);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void
put_some_pages(struct vd_writer *w)
{
	const struct vd_extent x[] = {{0x1000, 1}, {0x7000, 3}};
	const struct iovec iov[] = {
	    {page[0], 2 * VD_PAGE}, {page[2], 2 * VD_PAGE}};

	assert_int_equal(vd_put_pages(w, 7, x, 2, iov, 2), 0);
}

/* One record of each type, pages in between. */
static int
full_image(void)
{
	int fd = memfd(NULL, 0);
	struct vd_writer *w;
	size_t i;

	assert_int_equal(vd_writer_new(fd, &w), 0);
	for (i = 0; i < vd_ntypes; i++) {
		assert_int_equal(
		    vd_put(w, vd_types[i], gen_record(vd_types[i], i)), 0);
		if (i % 3 == 0)
			put_some_pages(w);
	}
	assert_int_equal(vd_put_end(w), 0);
	assert_int_equal(vd_writer_bytes(w), lseek(fd, 0, SEEK_CUR));
	vd_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Small, with every kind of block. */
static int
small_image(int with_page)
{
	struct vd_pipe pipe = {.id = 1,
	    .object = 2,
	    .size = 65536,
	    .data = {(const uint8_t *)"abc", 3}};
	struct vd_fdent fds[] = {{.fd = 1, .file = 2}, {.fd = 3}};
	struct vd_proc proc = {.pid = 1, .cwd = "/", .fds = fds, .n_fds = 2};
	const struct vd_extent x = {0x1000, 1};
	const struct iovec iov = {page[0], VD_PAGE};
	int fd = memfd(NULL, 0);
	struct vd_writer *w;

	assert_int_equal(vd_writer_new(fd, &w), 0);
	assert_int_equal(vd_put(w, &vd_type_pipe, &pipe), 0);
	assert_int_equal(vd_put(w, &vd_type_proc, &proc), 0);
	if (with_page)
		assert_int_equal(vd_put_pages(w, 1, &x, 1, &iov, 1), 0);
	assert_int_equal(vd_put_end(w), 0);
	vd_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Reads it all: 0 or the error. */
static int
read_image(int fd, int expect_why)
{
	struct vd_reader *r;
	struct vd_item it;
	int e;

	assert_int_equal(vd_reader_new(fd, &r), 0);
	do {
		e = vd_next(r, &it);
	} while (e == 0 && it.what != VD_ITEM_END);
	if (e < 0 && expect_why) {
		assert_true(vd_reader_why(r)[0] != '\0');
		/* It sticks. */
		assert_int_equal(vd_next(r, &it), e);
	}
	if (e == 0)
		assert_int_equal(vd_next(r, &it), -ENODATA);
	vd_reader_free(r);
	return e;
}

static size_t
content(int fd, uint8_t **ret)
{
	off_t n = lseek(fd, 0, SEEK_END);

	*ret = malloc((size_t)n + 1);
	assert_non_null(*ret);
	assert_int_equal(pread(fd, *ret, (size_t)n, 0), n);
	return (size_t)n;
}

static void
test_tables(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < vd_ntypes; i++) {
		const struct vd_type *t = vd_types[i];
		uint32_t last = 0, f;

		assert_true(t->number > 0 && t->number < 0x10000);
		assert_true(t->nfields > 0);
		for (k = 0; k < i; k++) {
			assert_int_not_equal(t->number, vd_types[k]->number);
			assert_string_not_equal(t->name, vd_types[k]->name);
		}
		assert_ptr_equal(vd_type_by_number(t->number), t);
		for (f = 0; f < t->nfields; f++) {
			/* The order of the encoding. */
			assert_true(t->field[f].tag > last);
			last = t->field[f].tag;
		}
	}
	assert_null(vd_type_by_number(0));
}

static void
test_roundtrip(void **state)
{
	auto_close int fd = full_image();
	struct vd_reader *r;
	struct vd_item it;
	size_t i;

	(void)state;
	assert_int_equal(vd_reader_new(fd, &r), 0);
	for (i = 0; i < vd_ntypes; i++) {
		assert_int_equal(vd_next(r, &it), 0);
		assert_int_equal(it.what, VD_ITEM_RECORD);
		assert_ptr_equal(it.type, vd_types[i]);
		assert_int_equal(it.number, vd_types[i]->number);
		assert_true(gen_equal(
		    it.type, gen_record(vd_types[i], (uint32_t)i), it.rec));
		if (i % 2 == 0)
			vd_drop(r, it.rec);
		if (i % 3 != 0)
			continue;
		assert_int_equal(vd_next(r, &it), 0);
		assert_int_equal(it.what, VD_ITEM_PAGES);
		assert_int_equal(it.obj, 7);
		assert_int_equal(it.nx, 2);
		assert_int_equal(it.x[0].addr, 0x1000);
		assert_int_equal(it.x[1].npages, 3);
		assert_int_equal(it.npages, 4);
		assert_int_equal((uintptr_t)it.data % VD_PAGE, 0);
		assert_memory_equal(it.data, page, sizeof(page));
	}
	assert_int_equal(vd_next(r, &it), 0);
	assert_int_equal(it.what, VD_ITEM_END);
	vd_reader_free(r);
	gen_free();
}

/* A record of zeros: nothing is written, strings come back as "". */
static void
test_empty(void **state)
{
	struct vd_proc zero = {0}, *rec;
	auto_close int fd = memfd(NULL, 0);
	struct vd_writer *w;
	struct vd_reader *r;
	struct vd_item it;

	(void)state;
	assert_int_equal(vd_writer_new(fd, &w), 0);
	assert_int_equal(vd_put(w, &vd_type_proc, &zero), 0);
	assert_int_equal(vd_put_end(w), 0);
	assert_int_equal(vd_writer_bytes(w),
	    WIRE_HEAD + WIRE_BLOCK + WIRE_BLOCK + WIRE_END_LEN);
	vd_writer_free(w);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(vd_reader_new(fd, &r), 0);
	assert_int_equal(vd_next(r, &it), 0);
	rec = it.rec;
	assert_string_equal(rec->cwd, "");
	assert_int_equal(rec->n_fds, 0);
	vd_reader_free(r);
}

static void
test_cut(void **state)
{
	auto_close int whole = small_image(1);
	auto_free uint8_t *p = NULL;
	size_t i, n = content(whole, &p);

	(void)state;
	for (i = 0; i < n; i++) {
		auto_close int fd = memfd(p, i);

		assert_int_equal(read_image(fd, 1), -EBADMSG);
	}
	assert_int_equal(read_image(whole, 1), -EBADMSG); /* at its end */
	assert_int_equal(lseek(whole, 0, SEEK_SET), 0);
	assert_int_equal(read_image(whole, 1), 0);
}

static void
test_flip(void **state)
{
	auto_close int whole = small_image(1);
	auto_free uint8_t *p = NULL;
	size_t i, n = content(whole, &p);

	(void)state;
	for (i = 0; i < n; i++) {
		uint8_t bit = (uint8_t)(1u << i % 8), c = p[i] ^ bit;

		assert_int_equal(pwrite(whole, &c, 1, (off_t)i), 1);
		assert_int_equal(lseek(whole, 0, SEEK_SET), 0);
		assert_int_equal(read_image(whole, 1), -EBADMSG);
		assert_int_equal(pwrite(whole, p + i, 1, (off_t)i), 1);
	}
	assert_int_equal(lseek(whole, 0, SEEK_SET), 0);
	assert_int_equal(read_image(whole, 1), 0);
}

/* Gives the block at `p` the number and checksums that it should have, so
 * that only what is behind the checksums can object. */
static void
reseal(uint8_t *p, uint64_t seq)
{
	uint64_t len = get_u64(p + 8);

	wire_block(p, get_u32(p), len, seq, wire_sum(p + WIRE_BLOCK, len));
}

/* Whole blocks that are gone or exchanged, with sequence numbers that fit. */
static void
test_blocks(void **state)
{
	auto_close int fd = small_image(0);
	auto_free uint8_t *p = NULL, *q = NULL;
	size_t n = content(fd, &p), a, b;
	uint64_t seq;
	uint8_t *d;

	(void)state;
	a = WIRE_BLOCK + get_u64(p + WIRE_HEAD + 8);
	b = WIRE_BLOCK + get_u64(p + WIRE_HEAD + a + 8);
	q = malloc(n);
	assert_non_null(q);

	/* exchanged */
	memcpy(q, p, n);
	memcpy(q + WIRE_HEAD, p + WIRE_HEAD + a, b);
	memcpy(q + WIRE_HEAD + b, p + WIRE_HEAD, a);
	for (d = q + WIRE_HEAD, seq = 0; seq < 3; seq++) {
		reseal(d, seq);
		d += WIRE_BLOCK + get_u64(d + 8);
	}
	{
		auto_close int bad = memfd(q, n);

		assert_int_equal(read_image(bad, 1), -EBADMSG);
	}
	/* the second is gone */
	memcpy(q, p, WIRE_HEAD + a);
	memcpy(q + WIRE_HEAD + a, p + WIRE_HEAD + a + b, n - WIRE_HEAD - a - b);
	reseal(q + WIRE_HEAD + a, 1);
	{
		auto_close int bad = memfd(q, n - b);

		assert_int_equal(read_image(bad, 1), -EBADMSG);
	}
}

/* Payloads that lie, under checksums that are right: decode must see it. */
static void
test_hostile(void **state)
{
	auto_close int whole = small_image(0);
	auto_free uint8_t *p = NULL;
	size_t i, bit, n = content(whole, &p), len, rejected = 0;
	uint8_t *second;

	(void)state;
	second = p + WIRE_HEAD + WIRE_BLOCK + get_u64(p + WIRE_HEAD + 8);
	len = get_u64(second + 8);
	for (i = 0; i < len; i++)
		for (bit = 0; bit < 8; bit++) {
			auto_close int fd = -1;

			second[WIRE_BLOCK + i] ^= (uint8_t)(1u << bit);
			reseal(second, 1);
			fd = memfd(p, n);
			/* The chain always catches it in the end; what counts
			 * is that reading gets there. */
			assert_int_equal(read_image(fd, 1), -EBADMSG);
			rejected++;
			second[WIRE_BLOCK + i] ^= (uint8_t)(1u << bit);
		}
	assert_int_equal(rejected, len * 8);
}

static int
decode_one(const struct vd_type *t, const uint8_t *p, size_t n, char *why)
{
	struct vd_arena a = {.max = 1 << 20};
	uint8_t *copy = malloc(n + 1);
	void *rec;
	int e;

	assert_non_null(copy);
	memcpy(copy, p, n);
	why[0] = '\0';
	e = vd_decode(t, copy, n, &a, &rec, why, 200);
	vd_arena_free(&a);
	free(copy);
	return e;
}

static size_t
field(uint8_t *p, uint32_t tag, uint32_t kind, uint32_t len)
{
	put_u32(p, tag | kind << 16);
	put_u32(p + 4, len);
	memset(p + 8, 0, (len + 7) & ~7u);
	return 8 + ((len + 7) & ~7u);
}

static void
test_decode(void **state)
{
	static uint8_t p[1 << 16];
	char why[200];
	size_t n, k;

	(void)state;
	/* a string without its NUL, with one inside, none at all */
	n = field(p, 15, VD_K_STR, 3);
	memcpy(p + 8, "abc", 3);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	memcpy(p + 8, "a\0\0", 3);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	memcpy(p + 8, "ab\0", 3);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), 0);
	p[8 + 5] = 1; /* padding */
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	n = field(p, 15, VD_K_STR, 0);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	/* unknown tags: an error, but for those that may be skipped */
	n = field(p, 0x7fff, VD_K_U32, 4);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	assert_string_equal(why, "proc: unknown field 32767");
	n = field(p, 0x8001, 99, 13);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), 0);
	/* twice, and in the wrong order */
	n = field(p, 1, VD_K_U32, 4);
	n += field(p + n, 1, VD_K_U32, 4);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	/* the wrong kind, the wrong length */
	n = field(p, 1, VD_K_U64, 8);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	n = field(p, 1, VD_K_U32, 8);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	n = field(p, 23, VD_K_U32S, 6);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	/* longer than the record; near 2^32 */
	n = field(p, 1, VD_K_U32, 4);
	put_u32(p + 4, 9);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	put_u32(p + 4, 0xfffffffe);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	/* a list element longer than its list */
	n = field(p, 9, VD_K_LIST, 8);
	put_u32(p + 8, 8);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
	/* few bytes that become much memory: 5000 limits of 24 bytes are fine,
	 * the arena of 1 MiB ends before 8000 timers of 64 and more */
	n = field(p, 10, VD_K_LIST, 5000 * 8);
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), 0);
	n = field(p, 14, VD_K_LIST, 8000 * 8);
	k = vd_type_ptimer.size * 8000;
	assert_true(
	    k < 1 << 20 || decode_one(&vd_type_proc, p, n, why) == -EBADMSG);
	n = field(p, 14, VD_K_LIST, 64000);
	put_u32(p + 8 + 4, 1); /* reserved */
	assert_int_equal(decode_one(&vd_type_proc, p, n, why), -EBADMSG);
}

/* Through a pipe, half of it by a second reader, and not a byte too far. */
static void
test_resume(void **state)
{
	auto_close int img = full_image();
	auto_free uint8_t *p = NULL;
	size_t n = content(img, &p), stop;
	struct vd_reader_state st, end;

	(void)state;
	assert_true(n < 65536 * 16);
	for (stop = 0; stop < vd_ntypes; stop += 2) {
		struct vd_reader *r;
		struct vd_item it;
		size_t i;

		assert_int_equal(lseek(img, 0, SEEK_SET), 0);
		assert_int_equal(vd_reader_new(img, &r), 0);
		for (i = 0; i < stop; i++)
			assert_int_equal(vd_next(r, &it), 0);
		vd_reader_state(r, &st);
		vd_reader_free(r);
		assert_int_equal(lseek(img, 0, SEEK_CUR), st.off);
		assert_int_equal(vd_reader_resume(img, &st, &r), 0);
		do {
			assert_int_equal(vd_next(r, &it), 0);
		} while (it.what != VD_ITEM_END);
		vd_reader_state(r, &end);
		assert_int_equal(end.off, n);
		vd_reader_free(r);
	}
	gen_free();
}

/* What the caller does wrong is refused and sticks. */
static void
test_writer(void **state)
{
	const struct vd_extent one = {0x1000, 1}, odd = {0x1001, 1},
			       many = {0, VD_PAGES_MAX + 1};
	const struct iovec iov = {page[0], VD_PAGE},
			   two = {page[0], 2 * VD_PAGE};
	struct vd_pipe rec = {.id = 1};
	struct vd_writer *w;
	uint64_t bytes;
	int fds[2];

	(void)state;
	assert_int_equal(vd_writer_new(-1, &w), 0);
	assert_int_equal(vd_put_pages(w, 1, &odd, 1, &iov, 1), -EINVAL);
	assert_int_equal(vd_put_end(w), -EINVAL);
	vd_writer_free(w);
	assert_int_equal(vd_writer_new(-1, &w), 0);
	assert_int_equal(vd_put_pages(w, 1, &one, 1, &two, 1), -EINVAL);
	vd_writer_free(w);
	assert_int_equal(vd_writer_new(-1, &w), 0);
	assert_int_equal(vd_put_pages(w, 1, &many, 1, &iov, 1), -EINVAL);
	vd_writer_free(w);

	/* counting agrees with writing */
	assert_int_equal(vd_writer_new(-1, &w), 0);
	assert_int_equal(vd_put(w, &vd_type_pipe, &rec), 0);
	put_some_pages(w);
	assert_int_equal(vd_put_end(w), 0);
	bytes = vd_writer_bytes(w);
	vd_writer_free(w);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(vd_writer_new(fds[1], &w), 0);
	assert_int_equal(vd_put(w, &vd_type_pipe, &rec), 0);
	put_some_pages(w);
	assert_int_equal(vd_put_end(w), 0);
	assert_int_equal(vd_writer_bytes(w), bytes);
	vd_writer_free(w);
	(void)close(fds[1]);
	assert_int_equal(read_image(fds[0], 1), 0);
	(void)close(fds[0]);

	/* a record that is too big */
	rec.data.n = WIRE_RECORD_MAX + 1;
	rec.data.p = mmap(
	    NULL, rec.data.n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(rec.data.p != MAP_FAILED);
	assert_int_equal(vd_writer_new(-1, &w), 0);
	assert_int_equal(vd_put(w, &vd_type_pipe, &rec), -E2BIG);
	assert_int_equal(vd_put_end(w), -E2BIG);
	vd_writer_free(w);
	(void)munmap((void *)(uintptr_t)rec.data.p, rec.data.n);
}

/* Begin and end write the same stream as vd_put_pages(), whether the sink is
 * a file with all its pages, one that ends too early, a sparse one, or one not
 * opened for reading; records in between, windows crossed, at an offset. */
static void
test_pages_in_place(void **state)
{
	enum { FULL, SHORT, SPARSE, WRONLY, OFFSET, MAX };
	const size_t total = 20u << 20;
	auto_free uint8_t *want = NULL;
	struct vd_pipe rec = {.id = 1};
	size_t n = 0;

	(void)state;
	for (int how = -1; how < MAX; how++) {
		auto_close int fd = memfd_create("sink", MFD_CLOEXEC);
		auto_free uint8_t *got = NULL;
		off_t base = how == OFFSET ? 8192 : 0;
		struct vd_writer *w;
		size_t i, k;

		assert_true(fd >= 0);
		if (how >= 0 && how != SHORT && how != SPARSE)
			assert_int_equal(fallocate(fd, 0, 0, total), 0);
		if (how == SHORT)
			assert_int_equal(fallocate(fd, 0, 0, 9 << 20), 0);
		if (how == SPARSE)
			assert_int_equal(ftruncate(fd, total), 0);
		if (how == WRONLY) {
			char path[64];
			int wr;

			(void)snprintf(
			    path, sizeof(path), "/proc/self/fd/%d", fd);
			wr = open(path, O_WRONLY | O_CLOEXEC);
			assert_true(wr >= 0);
			(void)close(fd);
			fd = wr;
		}
		assert_int_equal(lseek(fd, base, SEEK_SET), base);
		assert_int_equal(vd_writer_new(fd, &w), 0);
		for (i = 0; i < 40; i++) {
			struct vd_extent x[2] = {
			    {i << 20, 1}, {(i << 20) + 8192, i % 90 + 1}};
			size_t np = i % 90 + 2;
			uint8_t *p;

			assert_int_equal(vd_put(w, &vd_type_pipe, &rec), 0);
			if (how < 0) {
				struct iovec iov[VD_PAGES_MAX];

				for (k = 0; k < np; k++)
					iov[k] = (struct iovec){
					    page[(i + k) % 4], VD_PAGE};
				assert_int_equal(
				    vd_put_pages(w, 1, x, 2, iov, (int)np), 0);
				continue;
			}
			assert_int_equal(vd_pages_begin(w, 1, x, 2, &p), 0);
			assert_int_equal((uintptr_t)p % VD_PAGE, 0);
			for (k = 0; k < np; k++)
				memcpy(p + k * VD_PAGE, page[(i + k) % 4],
				    VD_PAGE);
			assert_int_equal(vd_pages_end(w), 0);
		}
		assert_int_equal(vd_put_end(w), 0);
		if (how < 0)
			n = vd_writer_bytes(w);
		assert_int_equal(vd_writer_bytes(w), n);
		assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)n + base);
		vd_writer_free(w);
		if (how == WRONLY) {
			char path[64];
			int rd;

			(void)snprintf(
			    path, sizeof(path), "/proc/self/fd/%d", fd);
			rd = open(path, O_RDONLY | O_CLOEXEC);
			assert_true(rd >= 0);
			(void)close(fd);
			fd = rd;
		}
		assert_int_equal(lseek(fd, base, SEEK_SET), base);
		assert_int_equal(read_image(fd, 1), 0);
		got = malloc(n);
		assert_non_null(got);
		assert_int_equal(pread(fd, got, n, base), n);
		if (how < 0)
			want = take_ptr(&got);
		else /* the pages; the header's time differs */
			assert_memory_equal(got + n - (1u << 18) - 72,
			    want + n - (1u << 18) - 72, 1u << 17);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_tables),
	    cmocka_unit_test(test_roundtrip),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_flip),
	    cmocka_unit_test(test_blocks),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_resume),
	    cmocka_unit_test(test_writer),
	    cmocka_unit_test(test_pages_in_place),
	};

	for (size_t i = 0; i < sizeof(page); i++)
		page[i / VD_PAGE][i % VD_PAGE] = (uint8_t)(i * 7 + i / 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
