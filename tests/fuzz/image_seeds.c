/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the image fuzzer starts from, made of the tables.
 * usage: image_seeds DIR   makes DIR with a payload of each type and some
 *                          streams, prints a dictionary for libFuzzer
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/gen.h"
#include "libdump/wire_i.h"

static void
word(const char *what, const char *name, uint32_t v)
{
	printf("# %s %s\n\"", what, name);
	for (int i = 0; i < 4; i++)
		printf("\\x%02x", v >> i * 8 & 0xff);
	printf("\"\n");
}

static void
dict(void)
{
	for (size_t i = 0; i < vd_ntypes; i++) {
		const struct vd_type *t = vd_types[i];

		word("type", t->name, t->number);
		for (uint32_t k = 0; k < t->nfields; k++)
			word(t->name, t->field[k].name,
			    t->field[k].tag | (uint32_t)t->field[k].kind << 16);
	}
	word("block", "pages", WIRE_PAGES);
	word("block", "end", WIRE_END);
}

static int
save(const char *dir, const char *name, const uint8_t *head, size_t nhead,
    const void *p, size_t n)
{
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f == NULL)
		return 1;
	(void)fwrite(head, 1, nhead, f);
	(void)fwrite(p, 1, n, f);
	return fclose(f) != 0;
}

static int
save_stream(
    const char *dir, const char *name, size_t first, size_t n, int pages)
{
	static uint8_t page[VD_PAGE], image[1 << 20];
	const struct vd_extent x = {0x1000, 1};
	const struct iovec iov = {page, VD_PAGE};
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct vd_writer *w;
	ssize_t len;

	if (fd < 0 || vd_writer_new(fd, &w) < 0)
		return 1;
	for (size_t i = first; i < first + n && i < vd_ntypes; i++)
		(void)vd_put(w, vd_types[i], gen_record(vd_types[i], 1));
	if (pages)
		(void)vd_put_pages(w, 1, &x, 1, &iov, 1);
	if (vd_put_end(w) < 0)
		return 1;
	vd_writer_free(w);
	len = pread(fd, image, sizeof(image), 0);
	(void)close(fd);
	return len <= 0 ||
	       save(dir, name, (const uint8_t *)"\1", 1, image, (size_t)len);
}

static int
corpus(const char *dir)
{
	int r = 0;

	for (size_t i = 0; i < vd_ntypes && r == 0; i++) {
		const struct vd_type *t = vd_types[i];
		struct buf b = {0};
		uint8_t head[5] = {0xff};

		put_u32(head + 1, t->number);
		if (vd_encode(t, gen_record(t, 1), &b) < 0)
			r = 1;
		else
			r = save(
			    dir, t->name, head, sizeof(head), b.data, b.len);
		buf_fini(&b);
	}
	if (r == 0)
		r = save_stream(dir, "stream-end", 0, 0, 0);
	if (r == 0)
		r = save_stream(dir, "stream-pages", 0, 1, 1);
	for (size_t i = 0; i < vd_ntypes && r == 0; i += 16) {
		char name[32];

		(void)snprintf(name, sizeof(name), "stream-%zu", i);
		r = save_stream(dir, name, i, 16, 0);
	}
	gen_free();
	return r;
}

int
main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: image_seeds DIR\n");
		return 2;
	}
	if (mkdir(argv[1], 0777) < 0 && errno != EEXIST) {
		perror(argv[1]);
		return 1;
	}
	dict();
	return corpus(argv[1]);
}
