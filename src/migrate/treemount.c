/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/treemount.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "conf/spec.h"
#include "core/tree.h"
#include "sys/clone.h"
#include "sys/ns.h"

int
mig_tree_mount(const char *path, struct mig_fs *ret, struct vps_err *e)
{
	auto_close int userns = -1;
	pid_t pid;
	int r;

	/* A mount is shifted by a user namespace, which needs a process to
	 * come into being. */
	pid = sys_fork(CLONE_NEWUSER, -1, NULL);
	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	if (pid < 0)
		return vps_err_set(e, pid, "make a user namespace");
	r = sys_idmap_write(pid, MIG_TREE_IDS, SPEC_ID_RANGE);
	if (r == 0) {
		userns = sys_ns_open(pid, "user");
		r = userns < 0 ? userns : 0;
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	if (r < 0)
		return vps_err_set(e, r, "make a user namespace");
	ret->tree = core_tree_root(path, userns, e);
	if (ret->tree < 0)
		return ret->tree;
	(void)snprintf(ret->uid_map, sizeof(ret->uid_map), "0 %u %u\n",
	    MIG_TREE_IDS, (unsigned)SPEC_ID_RANGE);
	memcpy(ret->gid_map, ret->uid_map, sizeof(ret->gid_map));
	return 0;
}
