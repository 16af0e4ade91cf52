/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/holder.h"

#include <string.h>

#include "base/auto.h"

int
core_holder_open(const struct core_inst *in, struct vps_err *e)
{
	char path[96];
	int r = core_path(in->id, "holder", path, sizeof(path));

	if (r == 0)
		r = sys_unix_connect(path);
	if (r < 0)
		return vps_err_set(e, r, "reach the holder of %s", in->id);
	return r;
}

int
core_hold_put(int h, uint32_t num, int fd)
{
	struct hold_req q = {.op = HOLD_PUT, .num = num};

	return sys_unix_send(h, &q, HOLD_REQ_MIN, &fd, 1);
}

int
core_hold_drop(int h, uint32_t num)
{
	struct hold_req q = {.op = HOLD_DROP, .num = num};

	return sys_unix_send(h, &q, HOLD_REQ_MIN, NULL, 0);
}

static int
answer(int h, struct hold_rep *ret, struct sys_fds *fds, struct vps_err *e)
{
	int r = sys_unix_recv(h, ret, sizeof(*ret), fds);

	if (r >= 0 && r != (int)sizeof(*ret))
		r = -EPIPE;
	if (r < 0)
		return vps_err_set(e, r, "ask the holder");
	return 0;
}

int
core_hold_new(int h, uint32_t from, int fd, struct vps_err *e)
{
	struct hold_req q = {.op = HOLD_NEW, .num = from};
	struct hold_rep rep;
	int r = sys_unix_send(h, &q, HOLD_REQ_MIN, &fd, 1);

	if (r < 0)
		return vps_err_set(e, r, "ask the holder");
	r = answer(h, &rep, NULL, e);
	if (r == 0 && rep.r < 0)
		return vps_err_set(e, rep.r, "give the holder a terminal");
	return r < 0 ? r : rep.r;
}

int
core_hold_get(int h, uint32_t from, struct hold_rep *ret, struct sys_fds *fds,
    struct vps_err *e)
{
	struct hold_req q = {.op = HOLD_GET, .num = from};
	int r = sys_unix_send(h, &q, HOLD_REQ_MIN, NULL, 0);

	if (r < 0)
		return vps_err_set(e, r, "ask the holder");
	r = answer(h, ret, fds, e);
	if (r < 0)
		return r;
	if (ret->r < 0 || ret->n != fds->n) {
		sys_fds_close(fds);
		return vps_err_set(e, ret->r < 0 ? ret->r : -EBADMSG,
		    "get terminals from the holder");
	}
	return (int)ret->n;
}

static int
add_args(struct hold_req *q, char *const v[], uint32_t *count)
{
	unsigned i;

	for (i = 0; v != NULL && v[i] != NULL; i++) {
		size_t n = strlen(v[i]) + 1;

		if (n > sizeof(q->args) - q->nargs)
			return -E2BIG;
		memcpy(q->args + q->nargs, v[i], n);
		q->nargs += (uint32_t)n;
		(*count)++;
	}
	return 0;
}

pid_t
core_hold_spawn(int h, int program, char *const argv[], char *const envp[],
    const int *fds, unsigned n, bool wait, struct vps_err *e)
{
	struct hold_req q = {.op = HOLD_SPAWN, .num = wait};
	int all[SYS_UNIX_FDS] = {program}, r;
	struct hold_rep rep;

	if (n + 1 > SYS_UNIX_FDS)
		return vps_err_set(e, -E2BIG, "start %s", argv[0]);
	if (n > 0)
		memcpy(all + 1, fds, n * sizeof(*fds));
	r = add_args(&q, argv, &q.argc);
	if (r == 0)
		r = add_args(&q, envp, &q.envc);
	if (r == 0)
		r = sys_unix_send(h, &q, HOLD_REQ_MIN + q.nargs, all, n + 1);
	if (r == 0 && wait)
		r = answer(h, &rep, NULL, e);
	if (r == 0 && wait)
		r = rep.r;
	if (r < 0)
		return vps_err_set(e, r, "start %s", argv[0]);
	return r;
}
