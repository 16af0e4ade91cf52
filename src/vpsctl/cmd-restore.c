/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "conf/conf.h"
#include "restore/restore.h"
#include "vpsctl/ctl.h"

/* What the file of this host says about ids and namespaces, if there is one. */
static int
read_local(const char *id, struct vps_spec *ret, bool *found, struct vps_err *e)
{
	char path[4096];
	int r = conf_path(NULL, id, path, sizeof(path));

	*found = false;
	if (r < 0 || access(path, F_OK) < 0)
		return 0;
	r = conf_read(path, ret, e);
	*found = r == 0;
	return r;
}

static int
restore(const struct ctl *c, int fd, struct vps_err *e)
{
	auto_free struct rst_head *h = calloc(1, sizeof(*h));
	auto_spec struct vps_spec local;
	struct rst_opt opt = {.id = c->argv[0]};
	struct core_inst *in;
	bool found;
	int r;

	spec_init(&local);
	if (h == NULL)
		return vps_err_set(e, -ENOMEM, "restore");
	r = rst_head_read(fd, h, e);
	if (r < 0)
		return r;
	r = read_local(opt.id[0] ? opt.id : h->id, &local, &found, e);
	if (r < 0)
		return r;
	if (found)
		opt.local = &local;
	if (c->opts & OPT_DRY_RUN)
		return rst_show(h, &opt, STDOUT_FILENO, e);
	r = rst_restore_headed(fd, h, &opt, &in, e);
	if (r == 0)
		core_inst_close(in);
	return r;
}

int
cmd_restore(const struct ctl *c, struct vps_err *e)
{
	const char *file = c->argv[1];
	auto_close int fd = strcmp(file, "-") == 0
				? dup(STDIN_FILENO)
				: open(file, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return vps_err_set(e, -errno, "open %s", file);
	r = restore(c, fd, e);
	return r < 0 ? vps_err_wrap(e, r, "%s", file) : 0;
}
