/* SPDX-License-Identifier: BSD-2-Clause
 *
 * TCP_REPAIR: the state of a connection is read and set by whoever has
 * CAP_NET_ADMIN over the socket's network namespace.
 *
 * Switching repair off sets SO_REUSEADDR to 0 in the kernel: the functions here
 * put it back. A socket that is closed in repair says nothing to its peer.
 */
#pragma once
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/types.h>

enum sys_tcp_queue { SYS_TCP_RECV = 1, SYS_TCP_SEND = 2 };

int sys_tcp_state(int fd); /* TCP_ESTABLISHED ...; negative errno */
int sys_tcp_repair_on(int fd);
/* Without a window probe. `reuse`: SO_REUSEADDR from then on. */
int sys_tcp_repair_off(int fd, int reuse);

/* In repair only. */
int sys_tcp_queue(int fd, enum sys_tcp_queue q);
int sys_tcp_seq_get(int fd, enum sys_tcp_queue q, uint32_t *ret);
int sys_tcp_seq_set(int fd, enum sys_tcp_queue q, uint32_t seq);

/* Puts every TCP socket of a process that is in repair out of it: what a
 * command that died may have left. The number of sockets, or negative errno. */
int sys_tcp_unrepair(pid_t pid);
