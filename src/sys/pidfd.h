/* SPDX-License-Identifier: BSD-2-Clause
 *
 * pidfds (pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2)), and processes
 * named by pid and start time, which is what can be written to a file.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct sys_proc_id {
	pid_t pid;      /* 0: none */
	uint64_t start; /* clock ticks since boot, as /proc/PID/stat says */
};

/* All: descriptor or 0, negative errno. -ESRCH: gone. */
int sys_pidfd_open(pid_t pid);
/* The same of any task, also of a thread other than the first (Linux 6.9). */
int sys_pidfd_open_task(pid_t tid);
int sys_pidfd_signal(int pidfd, int sig);
int sys_pidfd_getfd(int pidfd, int num);
/* Waits until the process has ended: 0; -ETIMEDOUT. timeout_ms < 0: forever. */
int sys_pidfd_wait(int pidfd, int timeout_ms);

/* Fills `ret` with the start time of a process that can't be reaped now. */
int sys_proc_id(pid_t pid, struct sys_proc_id *ret);
/* A pidfd of that very process; -ESRCH when the pid is someone else's now. A
 * zombie is found. */
int sys_proc_open(const struct sys_proc_id *p);
