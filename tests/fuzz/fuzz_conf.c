/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whatever the text is, it is refused with a reason, or it is read, printed,
 * and read again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_spec struct vps_spec a = {0}, b = {0};
	auto_buf struct buf text = {0}, warn = {0};
	struct vps_err e = {0};

	if (conf_parse("f", (const char *)data, size, &a, &e) < 0) {
		must(e.code < 0 && e.msg[0] == 'f');
		return 0;
	}
	must(conf_print(&a, &text) == 0);
	(void)conf_warnings(&a, &warn);
	must(conf_parse("f", buf_str(&text), text.len, &b, &e) == 0);
	must(spec_equal(&a, &b));
	spec_drop_local(&b);
	return 0;
}
