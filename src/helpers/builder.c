/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The program that rebuilds an instance from inside; see restore/build.h.
 * usage: builder IMAGE-FD CONTROL-FD [READER-STATE [CONSOLE-FD]]
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/str.h"
#include "libdump/vd.h"
#include "restore/build.h"

/* The head of the image has been read by another process. */
static int
state_parse(const char *s, struct vd_reader_state *st)
{
	return sscanf(s,
		   "%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64
		   ",%" SCNu64,
		   &st->off, &st->seq, &st->sum, &st->records, &st->blocks,
		   &st->pages) == 6
		   ? 0
		   : -1;
}

int
main(int argc, char **argv)
{
	struct vd_reader_state st;
	uint32_t image, ctl, console = 0;

	/* nobody inside may look at us or take our descriptors */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc < 3 || argc > 5 || str_u32(argv[1], 10, &image) < 0 ||
	    str_u32(argv[2], 10, &ctl) < 0 ||
	    (argc >= 4 && state_parse(argv[3], &st) < 0) ||
	    (argc == 5 && str_u32(argv[4], 10, &console) < 0))
		return 2;
	log_init(NULL);
	return rst_build((int)image, (int)ctl, argc == 5 ? (int)console : -1,
		   argc >= 4 ? &st : NULL) < 0;
}
