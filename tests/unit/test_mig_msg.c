/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/msg.h"

static void
hello(struct mig_msg *m)
{
	memset(m, 0, sizeof(*m));
	m->type = MIG_M_HELLO;
	m->version = MIG_VERSION;
	memset(m->op, 'a', MIG_OP_LEN);
	strcpy(m->id, "web-1");
	m->space = 1ull << 40;
	m->timeout_ms = 30000;
	strcpy(m->conf, "NAME = 'web-1'\nINIT = '/sbin/init'\n");
	strcpy(m->caps.machine, "x86_64");
	strcpy(m->caps.kernel, "6.18.0");
	strcpy(m->caps.vps, "0.1.0");
	strcpy(m->caps.cpu, "fpu vme sse");
	m->caps.xsave = 2696;
}

static int
decode(const struct buf *b, struct mig_msg *ret)
{
	struct mig_frame f;

	assert_true(b->len >= MIG_FRAME_HDR);
	assert_int_equal(mig_frame_get(b->data, &f), 0);
	assert_int_equal(f.chan, MIG_CH_CTL);
	assert_int_equal(f.len, b->len - MIG_FRAME_HDR);
	return mig_msg_get(f.type, b->data + MIG_FRAME_HDR, f.len, ret);
}

static void
round_trip(void **state)
{
	static struct mig_msg m, n;
	auto_buf struct buf b = {0};

	(void)state;
	hello(&m);
	assert_int_equal(mig_msg_put(&b, &m), 0);
	assert_int_equal(decode(&b, &n), 0);
	assert_memory_equal(&m, &n, sizeof(m));
	for (int t = MIG_M_HELLO; t < MIG_M_MAX_; t++) {
		buf_reset(&b);
		hello(&m);
		m.type = (enum mig_msg_type)t;
		m.kind = MIG_PASS_FULL;
		strcpy(m.text, "two\nlines");
		assert_int_equal(mig_msg_put(&b, &m), 0);
		assert_int_equal(decode(&b, &n), 0);
		assert_int_equal(n.type, t);
		assert_int_equal(
		    mig_msg_event(n.type), MIG_EV_HELLO + t - MIG_M_HELLO);
	}
}

/* Every prefix of a message lacks something. */
static void
truncated(void **state)
{
	static struct mig_msg m, n;
	auto_buf struct buf b = {0};

	(void)state;
	hello(&m);
	assert_int_equal(mig_msg_put(&b, &m), 0);
	for (size_t i = MIG_FRAME_HDR; i < b.len; i++) {
		uint8_t *copy = malloc(i - MIG_FRAME_HDR + 1);

		memcpy(copy, b.data + MIG_FRAME_HDR, i - MIG_FRAME_HDR);
		assert_int_equal(
		    mig_msg_get(MIG_M_HELLO, copy, i - MIG_FRAME_HDR, &n),
		    -EBADMSG);
		free(copy);
	}
}

static void
bad_frames(void **state)
{
	struct mig_frame f;
	uint8_t h[8] = {'V', 0, MIG_M_READY, 0, 0, 0, 0, 0};

	(void)state;
	assert_int_equal(mig_frame_get(h, &f), 0);
	h[6] = 1; /* exactly the limit */
	assert_int_equal(mig_frame_get(h, &f), 0);
	h[4] = 1;
	assert_int_equal(mig_frame_get(h, &f), -EBADMSG);
	h[4] = h[6] = 0;
	h[1] = MIG_CH_MAX_;
	assert_int_equal(mig_frame_get(h, &f), -EBADMSG);
	h[1] = MIG_CH_CTL;
	h[2] = MIG_M_MAX_;
	assert_int_equal(mig_frame_get(h, &f), -EBADMSG);
	h[2] = 0;
	h[0] = 'v';
	assert_int_equal(mig_frame_get(h, &f), -EBADMSG);
}

static void
bad_fields(void **state)
{
	static struct mig_msg n;
	/* tag, length, value */
	static const uint8_t pass[] = {4, 0, 4, 0, 1, 0, 0, 0};
	static const uint8_t kind[] = {4, 0, 4, 0, 9, 0, 0, 0};
	static const uint8_t twice[] = {
	    4, 0, 4, 0, 1, 0, 0, 0, 4, 0, 4, 0, 1, 0, 0, 0};
	static const uint8_t alien[] = {
	    4, 0, 4, 0, 1, 0, 0, 0, 3, 0, 1, 0, 'x'};
	static const uint8_t unknown[] = {
	    4, 0, 4, 0, 1, 0, 0, 0, 0x77, 0, 1, 0, 'x'};
	static const uint8_t optional[] = {
	    4, 0, 4, 0, 1, 0, 0, 0, 0x77, 0x80, 1, 0, 'x'};
	static const uint8_t escape[] = {9, 0, 3, 0, 'a', 27, '['};
	static const uint8_t nul[] = {9, 0, 3, 0, 'a', 0, 'b'};

	(void)state;
#define GET(t, a) mig_msg_get(MIG_M_##t, a, sizeof(a), &n)
	assert_int_equal(GET(PASS, pass), 0);
	assert_int_equal(GET(PASS, optional), 0);
	assert_int_equal(GET(PASS, kind), -EBADMSG);
	assert_int_equal(GET(PASS, twice), -EBADMSG);
	assert_int_equal(GET(PASS, alien), -EBADMSG);
	assert_int_equal(GET(PASS, unknown), -EBADMSG);
	assert_int_equal(GET(ABORT, escape), -EBADMSG);
	assert_int_equal(GET(ABORT, nul), -EBADMSG);
#undef GET
}

static void
bad_ids(void **state)
{
	static const char *const ids[] = {"", "..", "a/b", ".x", "-x", "a b"};
	static struct mig_msg m, n;

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		auto_buf struct buf b = {0};

		hello(&m);
		strcpy(m.id, ids[i]);
		if (mig_msg_put(&b, &m) < 0)
			continue;
		assert_int_equal(decode(&b, &n), -EBADMSG);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(truncated),
	    cmocka_unit_test(bad_frames),
	    cmocka_unit_test(bad_fields),
	    cmocka_unit_test(bad_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
