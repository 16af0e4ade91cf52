/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An instance as its directory /run/vps/ID shows it: lock, state, the pids of
 * what belongs to it. Nothing here changes the instance itself.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/spec.h"
#include "core/kv.h"
#include "sys/pidfd.h"

#define CORE_RUN "/run/vps"

enum core_st {
	CORE_ST_CREATING,
	CORE_ST_RUNNING,
	CORE_ST_SUSPENDED,
	CORE_ST_SNAPSHOTTING,
	CORE_ST_RESTORING,
	CORE_ST_DYING,
	CORE_ST_DEAD,
	CORE_ST_MAX_,
};
const char *core_st_name(enum core_st st);
int core_st_parse(const char *s); /* -EINVAL */

enum core_mode {
	CORE_READ,   /* no lock: what is read may be out of date at once */
	CORE_SHARED, /* nobody suspends, stops ... while it is open */
	CORE_EXCL,   /* one command at a time changes the instance */
	CORE_TRY,    /* the same; -EBUSY at once where CORE_EXCL waits */
};

struct core_inst {
	char id[SPEC_ID_MAX + 1];
	enum core_mode mode;
	int dir;  /* of /run/vps/ID; owned */
	int lock; /* with the flock, or -1; owned */
	int work; /* to the keeper while undo records exist, or -1; owned */
	int diag; /* of its sockets, for its destruction, or -1; owned */
	struct core_kv kv;
};

/* Opens an instance and reads its state: -VPS_ENOINST; -EBUSY when another
 * command has it for more than two seconds. What a command that died left half
 * done is still so: see core_open() in core/recover.h, which most use. */
int core_inst_open(const char *id, enum core_mode mode, struct core_inst **ret,
    struct vps_err *e);
/* Makes the directory of a new instance, locked; -EEXIST. */
int core_inst_new(const char *id, struct core_inst **ret, struct vps_err *e);
/* Gives the lock back. NULL is allowed. */
void core_inst_close(struct core_inst *in);
void core_unlock(struct core_inst *in);
/* Removes the directory; what it described must be gone. Keeps the lock. Where
 * the instance moved to (key "moved_to") is remembered until a new one of this
 * name is made. */
void core_inst_remove(struct core_inst *in);
/* The host that the instance, which is gone here, moved to; -ENOENT. */
int core_moved_to(const char *id, char *ret, size_t n);

/* Ids of all instances, sorted, in a malloc()ed array of strings that are part
 * of it; the count. */
int core_inst_ids(char ***ret, struct vps_err *e);

/* Values of the state file. The string is valid until the next set. */
const char *core_get(const struct core_inst *in, const char *key);
uint64_t core_get_u64(const struct core_inst *in, const char *key); /* or 0 */
/* Changes are written by core_save(); an error is kept until then. */
void core_set(struct core_inst *in, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void core_unset(struct core_inst *in, const char *key);
int core_save(struct core_inst *in, struct vps_err *e);
int core_reload(struct core_inst *in, struct vps_err *e);

/* A process under a key ("init", "holder"). */
void core_set_proc(
    struct core_inst *in, const char *key, const struct sys_proc_id *p);
struct sys_proc_id core_get_proc(const struct core_inst *in, const char *key);
/* A pidfd of it, which may be a zombie's; -ESRCH. */
int core_open_proc(const struct core_inst *in, const char *key);

/* The state; one whose init has ended is dead, whatever was written. */
enum core_st core_state(const struct core_inst *in);
int core_set_state(struct core_inst *in, enum core_st st, struct vps_err *e);
/* -VPS_ESTATE unless the state is one of `states` (bits 1 << CORE_ST_*):
 * "VERB: vps1 is suspended, must be running". */
int core_need(const struct core_inst *in, unsigned states, const char *verb,
    struct vps_err *e);

/* How init ended, as waitpid(2) says; -EAGAIN: it hasn't, -ENODATA: not known
 * (the holder died before). */
int core_init_status(const struct core_inst *in, int *ret);
/* True when init asked to be started again by reboot(2). */
bool core_wants_reboot(const struct core_inst *in);

/* /run/vps/ID/NAME */
int core_path(const char *id, const char *name, char *ret, size_t n);
/* The configuration that it was started from. */
int
core_conf(const struct core_inst *in, struct vps_spec *ret, struct vps_err *e);
