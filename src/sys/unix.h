/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Unix sockets of type SOCK_SEQPACKET: one request or answer is one packet,
 * which may carry descriptors (unix(7), SCM_RIGHTS).
 */
#pragma once
#include <stddef.h>
#include <sys/types.h>

#define SYS_UNIX_FDS 32 /* descriptors in one packet */

struct sys_fds {
	int fd[SYS_UNIX_FDS];
	unsigned n;
};
void sys_fds_close(struct sys_fds *f);

/* All: descriptor, count or 0; negative errno. */
int sys_unix_pair(int ret[2]);
int sys_unix_listen(const char *path, mode_t mode); /* replaces a dead one */
int sys_unix_connect(const char *path);
/* The uid and pid at the other end. */
int sys_unix_peer(int fd, uid_t *ret_uid, pid_t *ret_pid);

int sys_unix_send(int fd, const void *p, size_t n, const int *fds, unsigned nf);
/* One packet; its length, 0 at the end. -EMSGSIZE: longer than n. Descriptors
 * (close-on-exec) go to `fds`; NULL: none are wanted and any are closed. */
int sys_unix_recv(int fd, void *p, size_t n, struct sys_fds *fds);
