/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "sys/proc.h"
#include "sys/sockopt.h"

int
sys_tcp_state(int fd)
{
	struct tcp_info i;
	socklen_t n = sizeof(i);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &n) < 0)
		return -errno;
	return i.tcpi_state;
}

int
sys_tcp_repair_on(int fd)
{
	return sys_opt_put(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
}

int
sys_tcp_repair_off(int fd, int reuse)
{
	int r = sys_opt_put(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);

	if (r < 0)
		return r;
	return reuse == 0 ? 0 : sys_opt_put(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

int
sys_tcp_queue(int fd, enum sys_tcp_queue q)
{
	return sys_opt_put(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, (int)q);
}

int
sys_tcp_seq_get(int fd, enum sys_tcp_queue q, uint32_t *ret)
{
	int v, r = sys_tcp_queue(fd, q);

	if (r >= 0)
		r = sys_opt_int(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &v);
	if (r >= 0)
		*ret = (uint32_t)v;
	return r;
}

int
sys_tcp_seq_set(int fd, enum sys_tcp_queue q, uint32_t seq)
{
	int r = sys_tcp_queue(fd, q);

	return r < 0 ? r
		     : sys_opt_put(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)seq);
}

/* 1 if it was in repair. Which value SO_REUSEADDR had isn't known any more; 1
 * is what nearly every server sets, and forbids nobody anything. */
static int
unrepair(int fd)
{
	int proto, on, r;

	if (sys_opt_int(fd, SOL_SOCKET, SO_PROTOCOL, &proto) < 0 ||
	    proto != IPPROTO_TCP ||
	    sys_opt_int(fd, IPPROTO_TCP, TCP_REPAIR, &on) < 0 || on == 0)
		return 0;
	r = sys_tcp_repair_off(fd, 1);
	return r < 0 ? r : 1;
}

int
sys_tcp_unrepair(pid_t pid)
{
	auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	auto_free int *num = NULL;
	char path[32];
	int n, count = 0;

	if (pidfd < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	n = sys_numdir(-1, path, &num);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		auto_close int fd =
		    (int)syscall(SYS_pidfd_getfd, pidfd, num[i], 0);
		int r = fd < 0 ? 0 : unrepair(fd);

		if (r < 0)
			return r;
		count += r;
	}
	return count;
}
