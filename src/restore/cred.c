/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Credentials, thread by thread: the last but one thing, since most of what is
 * done before needs root (inside).
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/rst_i.h"

struct capdata {
	struct __user_cap_header_struct h;
	struct __user_cap_data_struct d[2];
};

static void
add_capset(struct sys_rcalls *c, uint64_t eff, uint64_t prm, uint64_t inh)
{
	const struct capdata v = {.h = {.version = _LINUX_CAPABILITY_VERSION_3},
	    .d = {{(uint32_t)eff, (uint32_t)prm, (uint32_t)inh},
		{(uint32_t)(eff >> 32), (uint32_t)(prm >> 32),
		    (uint32_t)(inh >> 32)}}};
	size_t o = sys_rdata(c, &v, sizeof(v));

	(void)sys_radd(c, SYS_capset, RA_DATA(o),
	    RA_DATA(o + offsetof(struct capdata, d)));
}

static void
add_prctl(struct sys_rcalls *c, int op, uint64_t a, uint64_t b)
{
	(void)sys_radd(c, SYS_prctl, RA_VAL(op), RA_VAL(a), RA_VAL(b),
	    RA_VAL(0), RA_VAL(0));
}

static void
add_ids(struct sys_rcalls *c, const struct vd_creds *v)
{
	size_t o = sys_rdata(c, v->groups, v->n_groups * sizeof(uint32_t));

	(void)sys_radd(c, SYS_setgroups, RA_VAL(v->n_groups), RA_DATA(o));
	(void)sys_radd(c, SYS_setresgid, RA_VAL(v->rgid), RA_VAL(v->egid),
	    RA_VAL(v->sgid));
	(void)sys_radd(c, SYS_setresuid, RA_VAL(v->ruid), RA_VAL(v->euid),
	    RA_VAL(v->suid));
	(void)sys_radd(c, SYS_setfsgid, RA_VAL(v->fsgid));
	(void)sys_radd(c, SYS_setfsuid, RA_VAL(v->fsuid));
}

/*
 * Uid changes take no capability away while SECBIT_NO_SETUID_FIXUP is set; the
 * own secure bits come when CAP_SETPCAP is still there, the own sets last.
 */
static void
add_caps(struct sys_rcalls *c, const struct vd_creds *v, unsigned last_cap)
{
	uint64_t setpcap = 1ull << CAP_SETPCAP;

	for (unsigned i = 0; i <= last_cap; i++)
		if ((v->cap_bnd >> i & 1) == 0)
			add_prctl(c, PR_CAPBSET_DROP, i, 0);
	add_capset(c, v->cap_eff | setpcap, v->cap_prm | setpcap, v->cap_inh);
	for (unsigned i = 0; i <= last_cap; i++)
		if (v->cap_amb >> i & 1)
			add_prctl(c, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i);
	add_prctl(c, PR_SET_SECUREBITS, v->securebits, 0);
	add_capset(c, v->cap_eff, v->cap_prm, v->cap_inh);
}

static unsigned
last_cap(void)
{
	unsigned i = 0;

	while (i < 63 && prctl(PR_CAPBSET_READ, i + 1, 0, 0, 0) >= 0)
		i++;
	return i;
}

static int
thread_creds(struct rst *r, struct rst_proc *p, struct rst_thread *th,
    unsigned last, struct vps_err *e)
{
	const struct vd_creds *v = &th->rec->creds[0];
	struct sys_rcalls *c = &r->calls;

	if (v->n_groups > 65536 / 8)
		return vps_err_say(e, -EBADMSG, "image: too many groups");
	sys_rcalls_reset(c);
	add_prctl(
	    c, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_KEEP_CAPS, 0);
	add_ids(c, v);
	add_caps(c, v, last);
	if (v->no_new_privs)
		add_prctl(c, PR_SET_NO_NEW_PRIVS, 1, 0);
	/* changing the user has made the memory non-dumpable and has cleared
	 * the death signal */
	if (th == &p->th[0])
		add_prctl(c, PR_SET_DUMPABLE, p->rec->dumpable == 1, 0);
	if (th->rec->pdeathsig != 0)
		add_prctl(c, PR_SET_PDEATHSIG, th->rec->pdeathsig, 0);
	return rst_run(r, &th->t, "set its credentials", e);
}

int
rst_creds(struct rst *r, struct vps_err *e)
{
	unsigned last = last_cap();

	for (size_t i = 0; i < r->nprocs; i++) {
		struct rst_proc *p = &r->procs[i];

		/* the main thread last: its dumpable flag is the process's */
		for (size_t k = p->rec->n_tids; !p->rec->zombie && k-- > 0;) {
			int rc;

			if (p->th[k].rec->n_creds != 1)
				continue; /* it has exited */
			rc = thread_creds(r, p, &p->th[k], last, e);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}
