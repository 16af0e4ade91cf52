/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The far end of a migration, vps-migrate(7): started by ssh(1), the link is
 * its standard input and output. Takes no argument; what it shall do comes as
 * messages, and what it may do the state machine tells.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/log.h"
#include "migrate/connect.h"
#include "migrate/drive.h"
#include "migrate/instance.h"

static int
signals(void)
{
	sigset_t s;

	(void)sigemptyset(&s);
	(void)sigaddset(&s, SIGTERM);
	(void)sigaddset(&s, SIGHUP);
	(void)sigaddset(&s, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &s, NULL);
	return signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* "the address that it came from" of $SSH_CONNECTION, for messages. */
static void
peer_name(char *d, size_t n)
{
	const char *s = getenv("SSH_CONNECTION");
	size_t k = s != NULL ? strspn(s, "0123456789abcdefABCDEF.:%") : 0;

	(void)snprintf(d, n, "%.*s", (int)k, s != NULL ? s : "");
	if (d[0] == '\0')
		(void)snprintf(d, n, "the source");
}

int
main(int argc, char **argv)
{
	struct vps_err e = {0};
	struct mig_inst m;
	char peer[64];
	struct mig_opt o = {
	    .engine = &mig_target_engine, .ctx = &m, .peer = peer};
	int r, in, out;

	(void)argv;
	if (argc != 1) {
		fprintf(stderr, "vps-recv: takes no argument; it is started by "
				"vpsctl migrate on another host\n");
		return 2;
	}
	if (geteuid() != 0) {
		fprintf(stderr, "vps-recv: must be root\n");
		return 1;
	}
	log_init(NULL);
	log_to(STDERR_FILENO, "vps-recv");
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	peer_name(peer, sizeof(peer));
	o.signals = signals();
	r = mig_take_stdio(&in, &out);
	if (r < 0 || o.signals < 0) {
		fprintf(stderr, "vps-recv: %s\n", strerror(r < 0 ? -r : errno));
		return 1;
	}
	mig_inst_init(&m);
	r = mig_target_run(&o, in, out, &e);
	mig_inst_fini(&m);
	return r == MIG_T_DONE || r == MIG_T_ALONE ? 0 : 1;
}
