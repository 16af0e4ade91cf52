/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a fuzz harness over each file of a folder, once and cut at every
 * length up to 4096, without libFuzzer. Fails if there is no file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"

#define FILE_MAX (64 << 20)
#define CUT_MAX  4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From a copy of its own, so that a read behind the end is seen. */
static void
run_one(const uint8_t *data, size_t n)
{
	auto_free uint8_t *copy = malloc(n ? n : 1);

	if (copy == NULL)
		abort();
	if (n > 0)
		memcpy(copy, data, n);
	(void)LLVMFuzzerTestOneInput(copy, n);
}

int
main(int argc, char **argv)
{
	auto_closedir DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *de;
	unsigned files = 0;

	if (d == NULL) {
		(void)fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	while ((de = readdir(d)) != NULL) {
		auto_buf struct buf b = {0};
		int r;

		if (de->d_name[0] == '.')
			continue;
		r = file_read(dirfd(d), de->d_name, &b, FILE_MAX);
		if (r < 0) {
			(void)fprintf(
			    stderr, "%s: %s\n", de->d_name, strerror(-r));
			return 1;
		}
		run_one(b.data, b.len);
		for (size_t n = 0; n < b.len && n < CUT_MAX; n++)
			run_one(b.data, n);
		files++;
	}
	(void)printf("%u files\n", files);
	return files == 0;
}
