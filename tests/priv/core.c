/* SPDX-License-Identifier: BSD-2-Clause
 * Instances for real: start, look inside, stop, and nothing is left. */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fdio.h"
#include "base/log.h"
#include "conf/conf.h"
#include "core/cgroup.h"
#include "core/create.h"
#include "core/destroy.h"
#include "core/recover.h"
#include "core/stop.h"

#define DIR_ "/run/vps-test"

static void
die(const char *what, const struct vps_err *e)
{
	(void)fprintf(stderr, "%s: %s\n", what, e->msg);
	exit(1);
}

static void
sh(const char *cmd)
{
	if (system(cmd) != 0) {
		(void)fprintf(stderr, "failed: %s\n", cmd);
		exit(1);
	}
}

/* A root directory with what the host's busybox offers. */
static void
make_world(void)
{
	char base[64];

	assert(unshare(CLONE_NEWNS | CLONE_NEWNET) == 0);
	assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	(void)mkdir("/run/vps", 0700);
	assert(mount("tmpfs", "/run/vps", "tmpfs", 0, "mode=700") == 0);
	(void)mkdir(DIR_, 0700);
	assert(mount("tmpfs", DIR_, "tmpfs", 0, "mode=700") == 0);
	(void)snprintf(base, sizeof(base), "vps-test-%d", getpid());
	(void)setenv("VPS_CGROUP", base, 1);
	sh("ip link set lo up && cd " DIR_
	   " && mkdir -p r/bin r/etc r/tmp r/root && cp -L /bin/busybox r/bin/ "
	   "&& for i in sh true sleep cat ps ls id mount reboot halt kill; do "
	   "ln -s busybox r/bin/$i; done; "
	   "echo root:x:0:0::/root:/bin/sh > r/etc/passwd; "
	   "for l in $(ldd /bin/busybox | grep -o '/[^ ]*'); do "
	   "mkdir -p r$(dirname $l); cp -L $l r$l; done");
}

static void
spec_of(struct vps_spec *s, const char *init, bool net)
{
	auto_buf struct buf b = {0};
	struct vps_err e;

	buf_addf(&b, "NAME = t1\nFSROOT = " DIR_ "/r\n");
	if (init != NULL)
		buf_addf(&b, "INIT = \"%s\"\n", init);
	if (net)
		buf_adds(&b, "NETIF_0_ADDRESS = 10.99.0.1\n");
	if (conf_parse("test", buf_str(&b), b.len, s, &e) < 0)
		die("conf", &e);
}

static double
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void
start(const char *init, bool net)
{
	auto_spec struct vps_spec s;
	struct vps_err e = {0};

	spec_init(&s);
	spec_of(&s, init, net);
	if (core_start(&s, &e) < 0)
		die("start", &e);
}

static void
stop(void)
{
	struct core_stop_opt opt = {.grace_ms = 3000};
	struct core_inst *in;
	struct vps_err e = {0};

	if (core_open("t1", CORE_EXCL, NULL, &in, &e) < 0 ||
	    core_stop(in, &opt, &e) < 0)
		die("stop", &e);
	core_inst_close(in);
}

int
main(int argc, char **argv)
{
	double a, b, c;
	int i;

	if (geteuid() != 0)
		return 77;
	log_init(NULL);
	make_world();
	if (argc > 1) {
		start(argc > 2 ? argv[2] : NULL, false);
		sh(argv[1]);
		stop();
		return 0;
	}
	for (i = 0; i < 5; i++) {
		a = now_ms();
		start("/bin/true", true);
		b = now_ms();
		stop();
		c = now_ms();
		(void)printf("start %.2f stop %.2f ms\n", b - a, c - b);
	}
	return 0;
}
