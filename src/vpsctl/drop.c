/* SPDX-License-Identifier: BSD-2-Clause */
#include "vpsctl/drop.h"

#include <errno.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define NOBODY 65534

int
drop_rights(struct vps_err *e)
{
	/* A reader that runs wild shall not start programs. */
	const struct rlimit none = {0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return vps_err_set(e, -errno, "give up rights");
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return vps_err_set(e, -errno, "become nobody");
	if (setrlimit(RLIMIT_NPROC, &none) < 0)
		return vps_err_set(e, -errno, "rule out new processes");
	return 0;
}
