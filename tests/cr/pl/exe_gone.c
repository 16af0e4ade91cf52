/* SPDX-License-Identifier: BSD-2-Clause
 * A program whose file has been removed, and another one put in its place: a
 * daemon after an upgrade. */
#include <sys/sendfile.h>

#include "payload.h"

static void
copy_self(const char *to)
{
	int in = pl_ok(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	int out =
	    pl_ok(open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755));
	struct stat st;

	pl_ok(fstat(in, &st));
	while (lseek(in, 0, SEEK_CUR) < st.st_size)
		pl_ok(sendfile(out, in, NULL, (size_t)st.st_size));
	pl_ok(close(in));
	pl_ok(close(out));
}

int
main(int argc, char **argv)
{
	char link[256], self[5];
	ssize_t n;
	int fd;

	pl_init(argc, argv);
	n = pl_ok(readlink("/proc/self/exe", link, sizeof(link) - 1));
	link[n] = '\0';
	if (strstr(link, "/copy") == NULL) {
		copy_self("copy");
		pl_ok(execv("copy", argv));
	}
	pl_ok(unlink("copy"));
	fd = pl_ok(open("copy", O_WRONLY | O_CREAT, 0600));
	pl_wait();
	n = pl_ok(readlink("/proc/self/exe", link, sizeof(link) - 1));
	link[n] = '\0';
	pl_check(strstr(link, " (deleted)") != NULL);
	pl_ok(close(fd));
	fd = pl_ok(open("/proc/self/exe", O_RDONLY));
	pl_eq(read(fd, self, 4), 4);
	pl_check(memcmp(self, "\177ELF", 4) == 0);
	pl_eq(open("/proc/self/exe", O_WRONLY), -1);
	pl_eq(errno, ETXTBSY);
	return pl_pass();
}
