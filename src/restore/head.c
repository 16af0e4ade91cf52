/* SPDX-License-Identifier: BSD-2-Clause */
#include "restore/head.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"

#define NOBODY 65534

struct answer {
	struct vps_err err;
	struct rst_head head;
};

static int
copy(char *d, size_t n, const char *s, const char *what, struct vps_err *e)
{
	size_t len = strlen(s);

	if (len >= n)
		return vps_err_say(e, -EBADMSG, "image: %s too long", what);
	memcpy(d, s, len + 1);
	return 0;
}

static int
next(struct vd_reader *r, uint32_t number, const void **ret, struct vps_err *e)
{
	struct vd_item it;
	int rc = vd_next(r, &it);

	if (rc < 0)
		return vps_err_say(e, rc, "image: %s", vd_reader_why(r));
	if (it.what != VD_ITEM_RECORD || it.number != number)
		return vps_err_say(
		    e, -EBADMSG, "image: it doesn't begin as it should");
	*ret = it.rec;
	return 0;
}

static int
fill(struct rst_head *h, const struct vd_system *s, const struct vd_instance *v,
    struct vps_err *e)
{
	int r;

	if (s->vdso_id.n > sizeof(h->vdso_id))
		return vps_err_say(e, -EBADMSG, "image: vdso id too long");
	memcpy(h->vdso_id, s->vdso_id.p, s->vdso_id.n);
	h->n_vdso_id = (uint32_t)s->vdso_id.n;
	h->xsave_size = s->xsave_size;
	h->xfeatures = s->xfeatures;
	h->page_size = s->page_size;
	h->restores = v->restores;
	h->free_pid = v->free_pid;
	h->boot_ns = v->boot_ns;
	h->monotonic_ns = v->monotonic_ns;
	h->boottime_ns = v->boottime_ns;
	h->realtime_ns = v->realtime_ns;
	r = copy(h->id, sizeof(h->id), v->id, "id", e);
	if (r == 0)
		r = copy(
		    h->machine, sizeof(h->machine), s->machine, "machine", e);
	if (r == 0)
		r = copy(
		    h->release, sizeof(h->release), s->release, "release", e);
	if (r == 0)
		r = copy(
		    h->version, sizeof(h->version), s->version, "version", e);
	if (r == 0)
		r = copy(h->cpu_flags, sizeof(h->cpu_flags), s->cpu_flags,
		    "cpu flags", e);
	if (r == 0)
		r = copy(h->nodename, sizeof(h->nodename), v->nodename,
		    "node name", e);
	if (r == 0)
		r = copy(h->domainname, sizeof(h->domainname), v->domainname,
		    "domain name", e);
	if (r == 0)
		r = copy(h->conf, sizeof(h->conf), v->conf, "configuration", e);
	return r;
}

static int
read_head(int fd, struct rst_head *h, struct vps_err *e)
{
	const void *sys, *inst;
	struct vd_reader *r;
	int rc = vd_reader_new(fd, &r);

	if (rc < 0)
		return vps_err_set(e, rc, "image");
	rc = next(r, VD_T_system, &sys, e);
	if (rc == 0)
		rc = next(r, VD_T_instance, &inst, e);
	if (rc == 0)
		rc = fill(h, sys, inst, e);
	if (rc == 0)
		vd_reader_state(r, &h->at);
	vd_reader_free(r);
	return rc;
}

static int
give_up_rights(void)
{
	/* without the right to change ids we have nothing to give up */
	if (geteuid() == 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
		setresuid(NOBODY, NOBODY, NOBODY) < 0))
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int
rst_head_read(int fd, struct rst_head *ret, struct vps_err *e)
{
	auto_free struct answer *a = calloc(1, sizeof(*a));
	int p[2], r;
	pid_t pid;

	if (a == NULL)
		return vps_err_set(e, -ENOMEM, "image");
	if (pipe2(p, O_CLOEXEC) < 0)
		return vps_err_set(e, -errno, "image");
	pid = fork();
	if (pid == 0) {
		/* a reader that was killed is to end the writing */
		(void)close(p[0]);
		r = give_up_rights();
		if (r < 0)
			vps_err_set(&a->err, r, "give up rights");
		else
			r = read_head(fd, &a->head, &a->err);
		a->err.code = r;
		_exit(fd_write_all(p[1], a, sizeof(*a)) < 0);
	}
	(void)close(p[1]);
	r = pid < 0 ? -errno : fd_read_all(p[0], a, sizeof(*a));
	(void)close(p[0]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (r < 0)
		return vps_err_set(e, r, "read the head of the image");
	if (a->err.code != 0) {
		if (e != NULL)
			*e = a->err;
		return a->err.code;
	}
	*ret = a->head;
	return 0;
}
