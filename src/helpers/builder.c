/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The program that rebuilds an instance from inside; see restore/build.h.
 * usage: builder IMAGE-FD CONTROL-FD
 */
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "base/str.h"
#include "restore/build.h"

int
main(int argc, char **argv)
{
	uint32_t image, ctl;

	/* nobody inside may look at us or take our descriptors */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (argc != 3 || str_u32(argv[1], 10, &image) < 0 ||
	    str_u32(argv[2], 10, &ctl) < 0)
		return 2;
	log_init(NULL);
	return rst_build((int)image, (int)ctl) < 0 ? 1 : 0;
}
