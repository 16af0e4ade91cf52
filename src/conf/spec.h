/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What an instance shall be: the model behind vps.conf(5). Text stops here;
 * core and the layers above see only this struct. Every pointer in it is
 * owned; spec_fini() frees them. A zeroed struct isn't a valid spec: begin
 * with spec_init(), which sets the defaults of keys.def.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "conf/addr.h"

#define SPEC_ID_MAX       32
#define SPEC_NETIF_MAX    64     /* NETIF_<n>: n below this */
#define SPEC_LIST_MAX     256    /* entries of any list */
#define SPEC_STOP_TIMEOUT 30     /* seconds */
#define SPEC_ID_RANGE     65536u /* uids and gids of one instance */

#define auto_spec __attribute__((cleanup(spec_fini)))

struct spec_strs {
	char **v; /* owned; NULL behind the last, NULL if empty */
	unsigned n;
};

struct spec_addrs {
	struct spec_addr *v; /* owned */
	unsigned n;
};

/* A command line and the words that it consists of. */
struct spec_cmd {
	char *text; /* owned; NULL: none */
	struct spec_strs argv;
};

struct spec_root {
	char *path;    /* FSROOT: absolute, normalized */
	char *priv;    /* FSROOT_PRIV, or NULL */
	char *mount;   /* ROOT_MOUNT for /bin/sh -c, or NULL; not run if */
	char *unmount; /* vpsfs.target is set; likewise ROOT_UNMOUNT */
	struct {
		char *target; /* `mount_vpsfs TARGET FSROOT`: what belongs
			       * there; NULL: ROOT_MOUNT is another command */
		char *opts;   /* behind -o, or NULL */
	} vpsfs;              /* derived from ROOT_MOUNT by the parser */
};

struct spec_run {
	struct spec_cmd init;  /* INIT; .text NULL: no process of the user's */
	uint32_t stop_timeout; /* STOP_TIMEOUT: seconds of grace in stop */
	bool userns;           /* USERNS; false only by the local file */
	uint32_t id_base;      /* ID_BASE: first host id; 0: any free range */
};

struct spec_netif {
	unsigned index; /* vps<index> inside */
	struct spec_addrs addr;
};

struct spec_net {
	struct spec_netif *ifs; /* owned; sorted by index */
	unsigned nifs;
	struct spec_addrs networks; /* IP_NETWORKS */
	char *announce;             /* NETWORK_ANNOUNCE for /bin/sh -c */
	char *revoke;               /* NETWORK_REVOKE for /bin/sh -c */
};

enum spec_res {
	SPEC_RES_PHYS,    /* bytes of memory */
	SPEC_RES_VIRT,    /* bytes of address space */
	SPEC_RES_PCTCPU,  /* per cent of one processor */
	SPEC_RES_BLOCKIO, /* operations a second */
	SPEC_RES_THREADS,
	SPEC_RES_PROCS,
	SPEC_RES_MAX_,
};

struct spec_limit {
	bool set;
	uint64_t soft, hard; /* 0: none */
};

struct spec_priv {
	struct spec_strs allow; /* CAP_* and names of system calls */
	struct spec_strs nosys; /* names of system calls */
};

struct vps_spec {
	char id[SPEC_ID_MAX + 1]; /* NAME; "" if the file has none */
	struct spec_root root;
	struct spec_run run;
	struct spec_net net;
	struct spec_limit limit[SPEC_RES_MAX_];
	struct spec_priv priv;
	uint32_t devfs_ruleset; /* 0: none */
};

void spec_init(struct vps_spec *s);
void spec_fini(struct vps_spec *s);
bool spec_equal(const struct vps_spec *a, const struct vps_spec *b);
const char *spec_res_name(enum spec_res r);

/* [A-Za-z0-9][A-Za-z0-9_.-]{0,31}; the explaining form names what is wrong. */
bool spec_id_ok(const char *id);
int spec_check_id(const char *id, struct vps_err *e);

/*
 * Resets what only a host's own file may say: USERNS, ID_BASE and the commands
 * that run on the host. For a spec that came from an image or a peer;
 * ROOT_MOUNT and the like then come from the local /etc/vps/vps_ID.conf or not
 * at all.
 */
void spec_drop_local(struct vps_spec *s);
