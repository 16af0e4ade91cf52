/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables and units for people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/auto.h"
#include "base/table.h"

static void
aligns(void **state)
{
	static const char *const heads[] = {"NAME", "N", "WHERE"};
	auto_buf struct buf b = {0};
	struct table t;

	(void)state;
	table_init(&t, 1 << 1, 3, heads);
	table_cell(&t, "%s", "\xc3\xa4");
	table_cell(&t, "%d", 12345);
	table_cell(&t, "/a\x1b[2J");
	table_print(&t, &b);
	table_fini(&t);
	assert_string_equal(buf_str(&b), "NAME      N  WHERE\n"
					 "\xc3\xa4     12345  /a?[2J\n");
}

static void
units(void **state)
{
	static const struct {
		uint64_t v;
		const char *s;
	} bytes[] = {{0, "0B"}, {1023, "1023B"}, {1024, "1.0K"}, {1536, "1.5K"},
	    {10240, "10K"}, {(1 << 20) - 1, "1023K"}, {UINT64_MAX, "15E"}},
	  age[] = {{0, "0s"}, {61, "1m01s"}, {3599, "59m59s"}, {3600, "1h00m"},
	      {90000, "1d01h"}};
	char s[TABLE_FMT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bytes); i++)
		assert_string_equal(fmt_bytes(bytes[i].v, s), bytes[i].s);
	for (size_t i = 0; i < ARRAY_LEN(age); i++)
		assert_string_equal(fmt_age(age[i].v, s), age[i].s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(aligns),
	    cmocka_unit_test(units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
