/* SPDX-License-Identifier: BSD-2-Clause
 * CLOCK_MONOTONIC never goes back or far ahead, wherever the process is; a
 * sleep that was under way doesn't take longer than it should. */
#include "payload.h"

int
main(int argc, char **argv)
{
	int64_t mono, boot, real;
	struct timespec t = {.tv_sec = 2};
	pid_t pid;

	pl_init(argc, argv);
	mono = pl_now_ns(CLOCK_MONOTONIC);
	boot = pl_now_ns(CLOCK_BOOTTIME);
	real = pl_now_ns(CLOCK_REALTIME);
	pid = pl_ok(fork());
	if (pid == 0) {
		int64_t t0 = pl_now_ns(CLOCK_MONOTONIC), d;

		pl_ok(nanosleep(&t, NULL));
		d = pl_now_ns(CLOCK_MONOTONIC) - t0;
		if (d < 2000000000 || d > 12000000000)
			pl_fail("slept %lld ns", (long long)d);
		_exit(0);
	}
	pl_wait();
	real = pl_now_ns(CLOCK_REALTIME) - real;
	mono = pl_now_ns(CLOCK_MONOTONIC) - mono;
	boot = pl_now_ns(CLOCK_BOOTTIME) - boot;
	if (mono < 0 || mono > real + 100000000)
		pl_fail("CLOCK_MONOTONIC went %lld ns in %lld", (long long)mono,
		    (long long)real);
	/* It counts the time of the move too. */
	if (boot < real - 1500000000 || boot > real + 1500000000)
		pl_fail("CLOCK_BOOTTIME went %lld ns in %lld", (long long)boot,
		    (long long)real);
	pl_join(pid);
	return pl_pass();
}
