/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Readers of the text in /proc/PID/fdinfo/N: proc_pid_fdinfo(5). They take the
 * text, so that they are tested on recorded files. Functions return 0, or
 * -ENOENT where the line isn't there, -EBADMSG where it reads otherwise than
 * known.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* The number behind "key:"; the key includes the colon. */
int sys_fdinfo_u64(const char *info, const char *key, int base, uint64_t *ret);
int sys_fdinfo_i64(const char *info, const char *key, int64_t *ret);
/* The last of the numbers behind "NSpid:": the pid in the innermost namespace;
 * 0: there is no such process (any more). */
int sys_fdinfo_nspid(const char *info, int64_t *ret);

struct sys_fdinfo_timer {
	int clockid;
	uint64_t ticks;
	uint32_t flags;      /* of the last timerfd_settime(2) */
	struct itimerspec t; /* it_value: the time that is left */
};
int sys_fdinfo_timer(const char *info, struct sys_fdinfo_timer *ret);

/* The readers of repeated lines start at *at (the text at first), and put it
 * behind what they have read; -ENOENT at the end. */

/* A target of an epoll description. */
struct sys_fdinfo_tfd {
	int fd; /* its number when it was added */
	uint32_t events;
	uint64_t data;
	uint64_t ino; /* 0: an old kernel that doesn't say */
	uint32_t sdev;
};
int sys_fdinfo_tfd(const char **at, struct sys_fdinfo_tfd *ret);

#define SYS_FHANDLE_MAX 128
struct sys_fdinfo_watch {
	int wd;
	uint64_t ino;
	uint32_t major, minor; /* as in mountinfo */
	uint32_t mask;
	int fh_type;
	unsigned fh_len;
	uint8_t fh[SYS_FHANDLE_MAX];
};
int sys_fdinfo_watch(const char **at, struct sys_fdinfo_watch *ret);

struct sys_fdinfo_lock {
	enum {
		SYS_LOCK_POSIX,
		SYS_LOCK_OFD,
		SYS_LOCK_FLOCK,
		SYS_LOCK_LEASE, /* also delegations */
	} type;
	int write;   /* 1: F_WRLCK, 0: F_RDLCK */
	int64_t pid; /* as the reader's /proc shows it; may be dead */
	uint64_t start;
	uint64_t len; /* 0: to the end */
};
int sys_fdinfo_lock(const char **at, struct sys_fdinfo_lock *ret);
