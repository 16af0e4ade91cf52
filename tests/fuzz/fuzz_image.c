/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The image reader. The first byte says how the rest is taken:
 *   even  as a stream, as it is
 *   odd   as a stream whose sequence numbers, checksums and trailer are put
 *         right first, since nothing else gets behind them
 *   0xff  the next four bytes are a record type, the rest is a payload
 * What decodes must encode to bytes that decode to the same bytes again, and
 * can be printed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "libdump/wire_i.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static int
decode(const struct vd_type *t, const void *p, size_t n, struct vd_arena *a,
    uint8_t **copy, void **rec)
{
	char why[200];

	*copy = malloc(n + 1);
	must(*copy != NULL);
	if (n > 0)
		memcpy(*copy, p, n);
	return vd_decode(t, *copy, n, a, rec, why, sizeof(why));
}

static void
round_trip(const struct vd_type *t, const void *rec)
{
	struct vd_arena a = {.max = 64 << 20};
	struct buf one = {0}, two = {0};
	uint8_t *copy;
	void *again;

	must(vd_encode(t, rec, &one) == 0);
	must(decode(t, one.data, one.len, &a, &copy, &again) == 0);
	must(vd_encode(t, again, &two) == 0);
	must(one.len == two.len &&
	     (one.len == 0 || memcmp(one.data, two.data, one.len) == 0));
	vd_arena_free(&a);
	free(copy);
	buf_fini(&one);
	buf_fini(&two);
}

static void
payload(const uint8_t *p, size_t n)
{
	struct vd_arena a = {.max = 1 << 20};
	const struct vd_type *t;
	uint8_t *copy;
	void *rec;

	if (n < 4)
		return;
	t = vd_type_by_number(get_u32(p));
	if (t == NULL)
		return;
	if (decode(t, p + 4, n - 4, &a, &copy, &rec) == 0)
		round_trip(t, rec);
	vd_arena_free(&a);
	free(copy);
}

/* Makes the framing of a stream right, as far as there is any. */
static void
reseal(uint8_t *p, size_t n)
{
	struct wire_end end = {0};
	uint64_t seq = 0, len;
	size_t off;

	if (n < WIRE_HEAD)
		return;
	put_u64(p + 56, wire_sum(p, 56));
	end.sum = wire_chain(0, get_u64(p + 56));
	for (off = WIRE_HEAD; n - off >= WIRE_BLOCK; off += WIRE_BLOCK + len) {
		uint8_t *h = p + off, *d = h + WIRE_BLOCK;
		uint32_t type = get_u32(h);

		len = get_u64(h + 8);
		if (len > n - off - WIRE_BLOCK)
			len = n - off - WIRE_BLOCK;
		if (type == WIRE_END && len == WIRE_END_LEN) {
			put_u64(d, end.records);
			put_u64(d + 8, end.blocks);
			put_u64(d + 16, end.pages);
			put_u64(d + 24, end.sum);
		} else if (type == WIRE_PAGES) {
			end.blocks++;
			end.pages += len >= 12 ? get_u32(d + 8) : 0;
		} else {
			end.records++;
		}
		wire_block(h, type, len, seq++, wire_sum(d, len));
		end.sum = wire_chain(end.sum, get_u64(h + 32));
	}
}

static void
stream(const uint8_t *p, size_t n)
{
	FILE *null = fopen("/dev/null", "w");
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct vd_reader *r;
	struct vd_item it;
	char why[256];

	must(null != NULL && fd >= 0);
	must(write(fd, p, n) == (ssize_t)n);
	for (int json = 0; json < 2; json++) {
		must(lseek(fd, 0, SEEK_SET) == 0);
		if (vd_show(fd, null, json, why, sizeof(why)) < 0)
			must(why[0] != '\0');
	}
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(vd_reader_new(fd, &r) == 0);
	while (vd_next(r, &it) == 0 && it.what != VD_ITEM_END)
		if (it.what == VD_ITEM_RECORD)
			round_trip(it.type, it.rec);
	vd_reader_free(r);
	(void)fclose(null);
	(void)close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size == 0)
		return 0;
	if (data[0] == 0xff) {
		payload(data + 1, size - 1);
		return 0;
	}
	copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		reseal(copy, size - 1);
	stream(copy, size - 1);
	free(copy);
	return 0;
}
