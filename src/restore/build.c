/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The stages of the builder, in order; docs/ARCHITECTURE.md has what holds at
 * the end of each.
 */
#include "restore/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/auto.h"
#define LOG_SUBSYS "restore"
#include "base/log.h"
#include "restore/rst_i.h"
#include "restore/tty.h"
#include "sys/unix.h"

/* The master of the console's terminal exists since the instance was made. */
static int
give_console(struct rst *r, struct vps_err *e)
{
	return r->console < 0 ? 0 : rst_tty_give(r, r->console, e);
}

/* Masters that are held outside the instance go to its holder. */
static int
hand_out_masters(struct rst *r, struct vps_err *e)
{
	struct rst_msg m = {.what = RST_MSG_MASTER};

	for (unsigned i = 0;; i++) {
		int fd = rst_tty_outside(r, i, &m.num), rc;

		if (fd == -ENOENT)
			return 0;
		rc = fd < 0 ? fd : sys_unix_send(r->ctl, &m, sizeof(m), &fd, 1);
		if (rc < 0)
			return vps_err_set(e, rc, "hand over a terminal");
	}
}

static const struct {
	const char *name;
	int (*run)(struct rst *r, struct vps_err *e);
} stages[] = {
    {"read", rst_read},
    {"skeleton", rst_skel_open},
    {"console", give_console},
    {"tree", rst_tree},
    {"files", rst_files},
    {"masters", hand_out_masters},
    {"memory maps", rst_mms},
    {"descriptors", rst_fds},
    {"pages", rst_pages},
    /* A program without a name must not be open for writing when it becomes
     * a process's; watches of inotify must not see what is done here. */
    {"ghosts", rst_ghosts_finish},
    {"memory", rst_mm_finish},
    {"files finish", rst_files_finish},
    {"threads", rst_threads},
    {"temporary processes", rst_temps_end},
    {"zombies", rst_zombies},
    {"stopped processes", rst_stops},
    {"state", rst_states},
    {"pending signals", rst_pending},
    {"credentials", rst_creds},
    {"main threads", rst_mains_end},
    {"registers", rst_ready},
};

static int
tell(int ctl, uint32_t what, const struct vps_err *err)
{
	struct rst_msg m = {.what = what};

	if (err != NULL)
		m.err = *err;
	return send(ctl, &m, sizeof(m), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int
build(struct rst *r, struct vps_err *e)
{
	struct rst_msg m;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		log_dbg("stage %s", stages[i].name);
		rc = stages[i].run(r, e);
		if (rc < 0)
			return rc;
	}
	rc = tell(r->ctl, RST_MSG_READY, NULL);
	if (rc < 0)
		return vps_err_set(e, rc, "tell the command");
	if (recv(r->ctl, &m, sizeof(m), 0) != (ssize_t)sizeof(m) ||
	    m.what != RST_MSG_FROZEN)
		return vps_err_say(e, -EPIPE, "the command is gone");
	rst_detach(r);
	return 0;
}

int
rst_build(int image, int ctl, int console, const struct vd_reader_state *at)
{
	struct rst r = {
	    .ctl = ctl, .console = console, .chan_here = -1, .chan_there = -1};
	struct vps_err e = {0};
	int rc = at != NULL ? vd_reader_resume(image, at, &r.rd)
			    : vd_reader_new(image, &r.rd);

	r.slots.arena = &r.arena;
	if (rc == 0)
		rc = sys_rcalls_init(&r.calls);
	if (rc < 0)
		vps_err_set(&e, rc, "read the image");
	else
		rc = build(&r, &e);
	if (rc < 0)
		(void)tell(ctl, RST_MSG_FAILED, &e);
	/* memory and descriptors end with the process */
	return rc;
}
