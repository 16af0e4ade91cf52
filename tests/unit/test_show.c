/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An image of this format version, kept for ever, and what showdump says of it.
 * usage: test_show          compares
 *        test_show --write  makes the files of a new format version
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "libdump/vd.h"

#define GOLDEN SRCDIR "/tests/golden/"

static int
show(const char *image, bool json, struct buf *b)
{
	auto_close int fd = open(image, O_RDONLY | O_CLOEXEC);
	auto_free char *text = NULL;
	char why[256];
	size_t n;
	FILE *f = open_memstream(&text, &n);
	int r;

	assert_true(fd >= 0 && f != NULL);
	r = vd_show(fd, f, json, why, sizeof(why));
	(void)fclose(f);
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", image, why);
	buf_add(b, text, n);
	return r;
}

static void
compare(const char *image, const char *want, bool json)
{
	auto_buf struct buf got = {0}, file = {0};

	assert_int_equal(show(image, json, &got), 0);
	assert_int_equal(file_read(AT_FDCWD, want, &file, 1 << 20), 0);
	assert_string_equal(buf_str(&got), buf_str(&file));
}

static void
golden(void **state)
{
	(void)state;
	compare(GOLDEN "image-1.vps", GOLDEN "image-1.txt", false);
	compare(GOLDEN "image-1.vps", GOLDEN "image-1.json", true);
}

/* What is behind the image, or missing at its end, is told; JSON stays JSON. */
static void
not_all(void **state)
{
	auto_buf struct buf b = {0}, text = {0};
	char path[64], why[256];
	auto_close int fd = memfd_create("image", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(
	    file_read(AT_FDCWD, GOLDEN "image-1.vps", &b, 1 << 20), 0);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(show(path, true, &text), -EBADMSG);
	assert_non_null(strstr(buf_str(&text), "\"complete\": false\n}\n"));
	assert_int_equal(ftruncate(fd, (off_t)b.len - 1), 0);
	buf_reset(&text);
	assert_int_equal(show(path, true, &text), -EBADMSG);
	assert_non_null(strstr(buf_str(&text), "\"complete\": false\n}\n"));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(
	    vd_show(fd, stdout, false, why, sizeof(why)), -EBADMSG);
	assert_string_equal(
	    why, "block 0 at byte 0: the image ends within its header");
}

static void
write_files(void)
{
	static uint8_t page[2 * VD_PAGE];
	struct vd_system sys = {.release = "6.1.0-18-amd64",
	    .version = "#1 SMP",
	    .machine = "x86_64",
	    .host = "alpha",
	    .time_ns = 1700000000123456789,
	    .vdso_id = {(const uint8_t *)"\1\2", 2},
	    .xsave_size = 2696,
	    .xfeatures = UINT64_MAX,
	    .cpu = "Some \"CPU\"",
	    .cpu_flags = "avx fpu",
	    .page_size = 4096};
	struct vd_instance inst = {.name = "web",
	    .id = "web",
	    .conf = "NAME = web\nINIT = /sbin/init\n",
	    .init = 1,
	    .restores = 2,
	    .boot_ns = -5,
	    .last_pid = 77,
	    .nodename = "web"};
	uint8_t bytes[40] = {0xca, 0xfe};
	struct vd_file file = {.id = 1, .kind = VD_T_pipe, .pos = -1};
	struct vd_pipe pipe = {.id = 1,
	    .object = 1ull << 40,
	    .size = 65536,
	    .data = {bytes, sizeof(bytes)}};
	struct vd_rlimit lim[] = {{1, 2, UINT64_MAX}, {3, 4, 5}};
	uint32_t tids[] = {1, 9};
	struct vd_proc proc = {.pid = 1,
	    .cwd = "/caf\xe9",
	    .rlimits = lim,
	    .n_rlimits = 2,
	    .tids = tids,
	    .n_tids = 2};
	const struct vd_extent x[] = {{0x400000, 1}, {0x7ffff7ff0000, 1}};
	const struct iovec iov = {page, sizeof(page)};
	static const char *const out[] = {
	    GOLDEN "image-1.txt", GOLDEN "image-1.json"};
	struct vd_writer *w = NULL;
	int fd = open(GOLDEN "image-1.vps",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0 && vd_writer_new(fd, &w) == 0);
	memset(page, 1, VD_PAGE);
	assert_int_equal(vd_put(w, &vd_type_system, &sys), 0);
	assert_int_equal(vd_put(w, &vd_type_instance, &inst), 0);
	assert_int_equal(vd_put(w, &vd_type_proc, &proc), 0);
	assert_int_equal(vd_put(w, &vd_type_file, &file), 0);
	assert_int_equal(vd_put(w, &vd_type_pipe, &pipe), 0);
	assert_int_equal(vd_put_pages(w, 1, x, 2, &iov, 1), 0);
	assert_int_equal(vd_put_end(w), 0);
	vd_writer_free(w);
	(void)close(fd);
	for (int json = 0; json < 2; json++) {
		auto_buf struct buf b = {0};

		assert_int_equal(show(GOLDEN "image-1.vps", json, &b), 0);
		assert_int_equal(
		    file_replace(AT_FDCWD, out[json], b.data, b.len, 0644), 0);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden),
	    cmocka_unit_test(not_all),
	};

	if (argc > 1 && strcmp(argv[1], "--write") == 0) {
		write_files();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
