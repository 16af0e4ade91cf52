/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "base/auto.h"
#include "base/json.h"
#include "base/table.h"
#include "core/recover.h"
#include "migrate/instance.h"
#include "vpsctl/ctl.h"
#include "vpsctl/info.h"

static const char *
or_dash(const char *s)
{
	return s != NULL ? s : "-";
}

static void
list_row(const struct ctl_info *i, struct table *t)
{
	char rss[TABLE_FMT_MAX], virt[TABLE_FMT_MAX], age[TABLE_FMT_MAX];

	table_cell(t, "%s", i->in->id);
	table_cell(t, "%s", core_st_name(i->state));
	table_cell(t, "%u", i->nprocs);
	table_cell(t, "%s", fmt_bytes(i->rss, rss));
	table_cell(t, "%s", fmt_bytes(i->virt, virt));
	table_cell(t, "%.1f", i->cpu);
	table_cell(t, "%s", i->age ? fmt_age(i->age, age) : "-");
	table_cell(t, "%s", or_dash(core_get(i->in, "root")));
	table_cell(t, "%s", i->migration[0] ? i->migration : "-");
}

static void
list_json(const struct ctl_info *i, struct json *j)
{
	json_obj(j, NULL);
	json_str(j, "id", i->in->id);
	json_str(j, "state", core_st_name(i->state));
	json_str(j, "root", core_get(i->in, "root"));
	json_u64(j, "processes", i->nprocs);
	json_u64(j, "threads", i->nthreads);
	json_u64(j, "resident", i->rss);
	json_u64(j, "virtual", i->virt);
	json_u64(j, "cpu_permille", (uint64_t)(i->cpu * 10));
	json_u64(j, "age", i->age);
	json_str(j, "migration", i->migration[0] ? i->migration : NULL);
	json_end(j);
}

/* One instance; that it has gone meanwhile is no failure. */
static int
list_one(const char *id, struct table *t, struct json *j, struct vps_err *e)
{
	struct core_inst *in;
	struct ctl_info i;
	int r = core_open(id, CORE_READ, mig_undo_kinds, &in, e);

	/* what can't be put right is shown as it is */
	if (r < 0 && r != -VPS_ENOINST)
		r = core_inst_open(id, CORE_READ, &in, e);
	if (r == -VPS_ENOINST)
		return 0;
	if (r < 0)
		return r;
	r = ctl_info_read(in, &i, e);
	if (r == 0) {
		if (j->out != NULL)
			list_json(&i, j);
		else
			list_row(&i, t);
		ctl_info_fini(&i);
	}
	core_inst_close(in);
	return r;
}

int
cmd_list(const struct ctl *c, struct vps_err *e)
{
	static const char *const heads[] = {"NAME", "STATE", "PROCS", "RSS",
	    "VIRT", "%CPU", "AGE", "ROOT", "MIGRATION"};
	auto_buf struct buf b = {0};
	auto_free char **ids = NULL;
	struct table t;
	struct json j = {0};
	int n = core_inst_ids(&ids, e), r = 0;

	if (n < 0)
		return n;
	table_init(&t, 0x7c, ARRAY_LEN(heads), heads);
	if (c->opts & OPT_JSON) {
		j.out = &b;
		json_arr(&j, NULL);
	}
	for (int k = 0; r == 0 && k < n; k++)
		r = list_one(ids[k], &t, &j, e);
	if (j.out != NULL)
		json_end(&j);
	else
		table_print(&t, &b);
	table_fini(&t);
	return r < 0 ? r : ctl_out(&b, e);
}
