/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/privname.h"

#include <linux/capability.h>
#include <string.h>

#include "base/auto.h"
#include "syscalls.h" /* made by tools/gen_syscalls.py */

/* In the order of their numbers; capabilities(7). */
static const char *const caps[] = {"CAP_CHOWN", "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
    "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT",
    "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON",
    "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};
_Static_assert(ARRAY_LEN(caps) == CAP_CHECKPOINT_RESTORE + 1,
    "a name for each capability");

static const struct {
	const char *freebsd, *here;
} freebsd_names[] = {
    {"PRIV_ADJTIME", "CAP_SYS_TIME"},
    {"PRIV_CLOCK_SETTIME", "CAP_SYS_TIME"},
    {"PRIV_NTP_ADJTIME", "CAP_SYS_TIME"},
    {"PRIV_SETTIMEOFDAY", "CAP_SYS_TIME"},
    {"PRIV_REBOOT", "CAP_SYS_BOOT"},
    {"PRIV_KLD_LOAD", "CAP_SYS_MODULE"},
    {"PRIV_KLD_UNLOAD", "CAP_SYS_MODULE"},
    {"PRIV_SCHED_RTPRIO", "CAP_SYS_NICE"},
    {"PRIV_SCHED_SETPRIORITY", "CAP_SYS_NICE"},
    {"PRIV_PROC_SETRLIMIT", "CAP_SYS_RESOURCE"},
    {"PRIV_VFS_MOUNT", "CAP_SYS_ADMIN"},
    {"PRIV_VFS_UNMOUNT", "CAP_SYS_ADMIN"},
    {"PRIV_VFS_CHROOT", "CAP_SYS_CHROOT"},
    {"PRIV_VFS_MKNOD_DEV", "CAP_MKNOD"},
    {"PRIV_VFS_SYSFLAGS", "CAP_LINUX_IMMUTABLE"},
    {"PRIV_VM_MLOCK", "CAP_IPC_LOCK"},
    {"PRIV_NETINET_RAW", "CAP_NET_RAW"},
    {"PRIV_NET_RAW", "CAP_NET_RAW"},
    {"PRIV_NETINET_RESERVEDPORT", "CAP_NET_BIND_SERVICE"},
    {"PRIV_NET_BPF", "CAP_NET_RAW"},
    {"PRIV_NET_ROUTE", "CAP_NET_ADMIN"},
    {"PRIV_NET_IFCREATE", "CAP_NET_ADMIN"},
    {"PRIV_NETINET_PF", "CAP_NET_ADMIN"},
    {"PRIV_NETINET_IPFW", "CAP_NET_ADMIN"},
    {"PRIV_DEBUG_DIFFCRED", "CAP_SYS_PTRACE"},
};

bool
priv_is_cap(const char *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(caps); i++)
		if (strcmp(s, caps[i]) == 0)
			return true;
	return false;
}

bool
priv_is_syscall(const char *s)
{
	static const char *const names[] = {CONF_SYSCALLS};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(s, names[i]) == 0)
			return true;
	return false;
}

const char *
priv_of_freebsd(const char *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(freebsd_names); i++)
		if (strcmp(s, freebsd_names[i].freebsd) == 0)
			return freebsd_names[i].here;
	return NULL;
}
