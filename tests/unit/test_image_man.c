/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vps-image(5) as built has each type and field that the code has.
 * usage: test_image_man PAGE
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "libdump/desc_i.h"

static const char *const kinds[] = {
    "", "U32", "U64", "I64", "STR", "BYTES", "U32S", "U64S", "LIST of "};

int
main(int argc, char **argv)
{
	auto_buf struct buf b = {0};
	unsigned fields = 0, bad = 0;

	if (argc != 2 || file_read(AT_FDCWD, argv[1], &b, 1 << 20) < 0)
		return 2;
	for (size_t i = 0; i < vd_ntypes; i++) {
		const struct vd_type *t = vd_types[i];
		char s[256];
		const char *p;

		(void)snprintf(s, sizeof(s),
		    "\n.Ss %s\nNumber 0x%04x: ", t->name, t->number);
		p = strstr(buf_str(&b), s);
		for (uint32_t k = 0; p != NULL && k < t->nfields; k++) {
			const struct vd_field *f = &t->field[k];

			(void)snprintf(s, sizeof(s),
			    "\n.It %u Ta Va %s Ta %s%s Ta ", f->tag, f->name,
			    kinds[f->kind], f->sub ? f->sub->name : "");
			p = strstr(p, s);
			fields++;
		}
		if (p == NULL) {
			fprintf(stderr, "%s lacks: %s\n", argv[1], s);
			bad++;
		}
	}
	printf("%zu types, %u fields, %u missing\n", vd_ntypes, fields, bad);
	return bad > 0 || fields == 0;
}
