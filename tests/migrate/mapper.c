/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs in the instance: counts in a page of a file that is mapped shared, and
 * checks that the page and, from time to time, the file hold what was stored.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
main(void)
{
	int fd = open("/mapped", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *p, want[24] = "";

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return 1;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return 1;
	for (unsigned long i = 1;; i++) {
		char got[24] = "";

		if (memcmp(p, want, sizeof(want)) != 0 ||
		    pread(fd, got, sizeof(got), 0) != sizeof(got) ||
		    memcmp(got, want, sizeof(want)) != 0) {
			int bad = open("/mapped.bad", O_WRONLY | O_CREAT, 0600);

			if (bad >= 0 && write(bad, "bad\n", 4) < 0)
				return 2;
			return 1;
		}
		(void)snprintf(want, sizeof(want), "%020lu", i);
		memcpy(p, want, sizeof(want));
		(void)usleep(1000);
	}
}
