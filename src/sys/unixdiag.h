/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What sock_diag(7) tells of the unix sockets of a network namespace.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sys_unixsk {
	uint32_t ino;         /* of the socket; 0: not accepted yet */
	uint32_t type, state; /* SOCK_*; 1 connected, 7 not, 10 listening */
	bool has_peer;
	uint32_t peer; /* 0 with has_peer: closed, or not accepted yet */
	bool has_vfs;
	uint32_t vfs_ino;
	uint32_t shutdown; /* 1: reading, 2: writing */
	uint32_t rqueue;   /* bytes to read; listening: waiting connections */
	uint32_t wqueue;   /* memory of what it has sent and nobody has read;
			    * listening: the backlog */
	char name[108];    /* as in sun_path, abstract ones with their NUL */
	size_t nname;
	uint32_t *icons; /* owned: the waiting connections' clients, in order */
	size_t nicons;
};

/* Of the network namespace of `nsfd`, or of the caller's (-1). Puts a
 * malloc()ed array at *ret; 0 or negative errno. */
int sys_unixdiag(int nsfd, struct sys_unixsk **ret, size_t *ret_n);
void sys_unixdiag_free(struct sys_unixsk *t, size_t n);

/* A socket made in the network namespace of `nsfd` (-1: in the caller's). The
 * calling thread is back in its own namespace afterwards. */
int sys_socket_in(int nsfd, int domain, int type, int protocol);
