/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
close_range_(unsigned from, unsigned to)
{
	if (from > to)
		return 0;
	return syscall(SYS_close_range, from, to, 0) < 0 ? -errno : 0;
}

int
sys_fds_close_but(int from, const int *keep, unsigned n)
{
	unsigned next = (unsigned)from, i;
	int r;

	for (;;) {
		unsigned low = UINT_MAX;

		for (i = 0; i < n; i++)
			if (keep[i] >= 0 && (unsigned)keep[i] >= next &&
			    (unsigned)keep[i] < low)
				low = (unsigned)keep[i];
		if (low == UINT_MAX)
			return close_range_(next, UINT_MAX);
		if (low > next) {
			r = close_range_(next, low - 1);
			if (r < 0)
				return r;
		}
		next = low + 1;
	}
}

int
sys_fds_place(int first, const int *fds, unsigned n, int cloexec)
{
	int tmp[SYS_FDS_PLACE], high = first + (int)n + 1, err = -1, r;
	unsigned i;

	if (n > SYS_FDS_PLACE)
		return -E2BIG;
	/* Out of the way first: a source may sit on another's place. */
	for (i = 0; i < n; i++) {
		tmp[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, high);
		if (tmp[i] < 0)
			return -errno;
	}
	if (cloexec >= 0) {
		err = fcntl(cloexec, F_DUPFD_CLOEXEC, high);
		if (err < 0)
			return -errno;
	}
	for (i = 0; i < n; i++)
		if (dup2(tmp[i], first + (int)i) < 0)
			return -errno;
	r = sys_fds_close_but(first + (int)n, &err, 1);
	return r < 0 ? r : err;
}

int
sys_fds_null(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), i;

	if (fd < 0)
		return -errno;
	for (i = 0; i <= 2; i++)
		if (dup2(fd, i) < 0)
			return -errno;
	if (fd > 2)
		(void)close(fd);
	else
		(void)fcntl(fd, F_SETFD, 0);
	return 0;
}

void
sys_signals_default(void)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		(void)sigaction(i, &sa, NULL); /* fails for KILL and STOP */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}
