/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The JSON writer: layout, escapes, bytes that are no UTF-8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/auto.h"
#include "base/json.h"

static void
layout(void **state)
{
	auto_buf struct buf b = {0};
	struct json j = {.out = &b};

	(void)state;
	json_arr(&j, NULL);
	json_obj(&j, NULL);
	json_u64(&j, "u", UINT64_MAX);
	json_i64(&j, "i", INT64_MIN);
	json_bool(&j, "b", true);
	json_str(&j, "n", NULL);
	json_arr(&j, "empty");
	json_end(&j);
	json_end(&j);
	json_str(&j, NULL, "x");
	json_end(&j);
	assert_string_equal(buf_str(&b),
	    "[\n  {\n    \"u\": 18446744073709551615,\n"
	    "    \"i\": -9223372036854775808,\n    \"b\": true,\n"
	    "    \"n\": null,\n    \"empty\": []\n  },\n  \"x\"\n]\n");
}

static void
strings(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
	    {"", "\"\""},
	    {"a\"b\\c\n\t\x7f", "\"a\\\"b\\\\c\\n\\u0009\\u007f\""},
	    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
	    {"\xff", "\"\\ufffd\""},
	    {"\xc0\x80", "\"\\ufffd\\ufffd\""},            /* overlong */
	    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* surrogate */
	    {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
	    {"\xe2\x82", "\"\\ufffd\\ufffd\""}, /* cut */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		auto_buf struct buf b = {0};
		struct json j = {.out = &b};

		json_str(&j, NULL, t[i].in);
		assert_string_equal(buf_str(&b), t[i].out);
	}
}

static void
one_line(void **state)
{
	auto_buf struct buf b = {0};
	struct json j = {.out = &b};

	(void)state;
	json_arr(&j, NULL);
	for (uint64_t i = 1; i < 3; i++) {
		json_obj(&j, NULL);
		j.one_line = true;
		json_u64(&j, "u", i);
		json_hex(&j, "h", "\x0f\xa0", 2);
		json_arr(&j, "a");
		json_end(&j);
		json_end(&j);
		j.one_line = false;
	}
	json_end(&j);
	assert_string_equal(buf_str(&b),
	    "[\n  {\"u\": 1, \"h\": \"0fa0\", \"a\": []},\n"
	    "  {\"u\": 2, \"h\": \"0fa0\", \"a\": []}\n]\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(layout),
	    cmocka_unit_test(one_line),
	    cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
