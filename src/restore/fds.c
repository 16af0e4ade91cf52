/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Each process takes its descriptors: the builder sends them through the
 * channel that all skeletons have inherited; they come in at the lowest free
 * numbers and are then moved up, the last one first, so that none is in the
 * way.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "restore/rst_i.h"

#define BATCH 250 /* SCM_RIGHTS takes 253 */

int
rst_send_fds(struct rst *r, struct sys_tracee *t, const int *fds, size_t n,
    struct vps_err *e)
{
	union {
		char buf[CMSG_SPACE(BATCH * sizeof(int))];
		struct cmsghdr align;
	} u;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct {
		struct msghdr mh;
		struct iovec iov;
	} there;
	size_t o_ctl, o_mh, o_byte;
	struct cmsghdr *c;
	uint64_t data = r->stub.base + SYS_REMOTE_DATA;

	if (n == 0)
		return 0;
	memset(&u, 0, sizeof(u));
	mh.msg_control = u.buf;
	mh.msg_controllen = CMSG_SPACE(n * sizeof(int));
	c = CMSG_FIRSTHDR(&mh);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	if (sendmsg(r->chan_here, &mh, 0) < 0)
		return vps_err_set(e, -errno, "hand over descriptors");
	sys_rcalls_reset(&r->calls);
	o_byte = sys_rdata(&r->calls, NULL, 16);
	o_ctl = sys_rdata(&r->calls, NULL, sizeof(u.buf));
	there.iov = (struct iovec){(void *)(uintptr_t)(data + o_byte), 1};
	o_mh = sys_rdata(&r->calls, NULL, sizeof(there));
	there.mh = (struct msghdr){
	    .msg_iov = (void *)(uintptr_t)(data + o_mh + sizeof(there.mh)),
	    .msg_iovlen = 1,
	    .msg_control = (void *)(uintptr_t)(data + o_ctl),
	    .msg_controllen = sizeof(u.buf)};
	memcpy(sys_rptr(&r->calls, o_mh), &there, sizeof(there));
	(void)sys_radd(&r->calls, SYS_recvmsg, RA_VAL(r->chan_there),
	    RA_DATA(o_mh), RA_VAL(0));
	return rst_run(r, t, "take descriptors", e);
}

int
rst_first_free(const struct rst_proc *p)
{
	uint32_t n = 0;

	while (n < p->rec->n_fds && p->rec->fds[n].fd == n)
		n++;
	return (int)n;
}

/* From where they came in (0..n-1) to their numbers. */
static int
move_up(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	const struct vd_proc *v = p->rec;
	int rc;

	sys_rcalls_reset(&r->calls);
	for (size_t i = v->n_fds; i-- > 0;) {
		uint32_t to = v->fds[i].fd;

		if (r->calls.n + 3 > SYS_RCALLS_MAX) {
			rc = rst_run(r, &p->th[0].t, "place descriptors", e);
			if (rc < 0)
				return rc;
			sys_rcalls_reset(&r->calls);
		}
		if (to == i) {
			if (v->fds[i].cloexec)
				(void)sys_radd(&r->calls, SYS_fcntl, RA_VAL(i),
				    RA_VAL(F_SETFD), RA_VAL(FD_CLOEXEC));
			continue;
		}
		(void)sys_radd(&r->calls, SYS_dup3, RA_VAL(i), RA_VAL(to),
		    RA_VAL(v->fds[i].cloexec ? O_CLOEXEC : 0));
		(void)sys_radd(&r->calls, SYS_close, RA_VAL(i));
	}
	return r->calls.n == 0
		   ? 0
		   : rst_run(r, &p->th[0].t, "place descriptors", e);
}

/* root, then cwd, by descriptors that we open: the process may be chrooted. */
static int
dirs(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	auto_close int root = -1;
	auto_close int cwd = -1;
	int fds[2], rc;
	unsigned n = 1;

	if (p->rec->cwd_gone)
		cwd = rst_dir_gone(r, p->rec->cwd, O_PATH, e);
	else
		cwd = rst_open(r, p->rec->cwd, O_PATH | O_DIRECTORY, e);
	if (cwd < 0)
		return vps_err_wrap(
		    e, cwd, "working directory of process %u", p->rec->pid);
	fds[0] = cwd;
	if (strcmp(p->rec->root, "/") != 0) {
		root = rst_open(r, p->rec->root, O_PATH | O_DIRECTORY, e);
		if (root < 0)
			return vps_err_wrap(
			    e, root, "root of process %u", p->rec->pid);
		fds[n++] = root;
	}
	rc = rst_send_fds(r, &p->th[0].t, fds, n, e);
	if (rc < 0)
		return rc;
	/* nothing else is open: they are 0 and 1 */
	sys_rcalls_reset(&r->calls);
	if (n == 2) {
		size_t o = sys_rdata(&r->calls, ".", 2);

		(void)sys_radd(&r->calls, SYS_fchdir, RA_VAL(1));
		(void)sys_radd(&r->calls, SYS_chroot, RA_DATA(o));
		(void)sys_radd(&r->calls, SYS_close, RA_VAL(1));
	}
	(void)sys_radd(&r->calls, SYS_fchdir, RA_VAL(0));
	(void)sys_radd(&r->calls, SYS_close, RA_VAL(0));
	(void)sys_radd(&r->calls, SYS_umask, RA_VAL(p->rec->umask));
	return rst_run(r, &p->th[0].t, "enter its directories", e);
}

static int
proc_fds(struct rst *r, struct rst_proc *p, struct vps_err *e)
{
	const struct vd_proc *v = p->rec;
	int rc = dirs(r, p, e);

	for (size_t i = 0; rc == 0 && i < v->n_fds; i += BATCH) {
		size_t n = v->n_fds - i < BATCH ? v->n_fds - i : BATCH;
		int fds[BATCH];

		for (size_t k = 0; k < n; k++)
			fds[k] = rst_fd(r, v->fds[i + k].file);
		rc = rst_send_fds(r, &p->th[0].t, fds, n, e);
	}
	if (rc == 0)
		rc = move_up(r, p, e);
	return rc < 0 ? vps_err_wrap(e, rc, "descriptors of process %u", v->pid)
		      : 0;
}

int
rst_fds(struct rst *r, struct vps_err *e)
{
	for (size_t i = 0; i < r->nprocs; i++) {
		int rc;

		if (r->procs[i].rec->zombie)
			continue;
		rc = proc_fds(r, &r->procs[i], e);
		if (rc < 0)
			return rc;
	}
	return 0;
}
