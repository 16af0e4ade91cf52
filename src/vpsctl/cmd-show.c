/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "base/json.h"
#include "base/table.h"
#include "conf/conf.h"
#include "core/keeper.h"
#include "vpsctl/ctl.h"
#include "vpsctl/info.h"

#define NET_FILE_MAX (64 << 20)

struct socks {
	unsigned tcp, tcp_listen, udp, unix_;
};

/* Lines of a /proc/net file; *listen: those in the state LISTEN (0A). */
static unsigned
count_lines(pid_t init, const char *name, unsigned *listen)
{
	auto_buf struct buf b = {0};
	char path[64];
	unsigned n = 0;
	const char *s;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/%s", init, name);
	if (file_read(AT_FDCWD, path, &b, NET_FILE_MAX) < 0)
		return 0;
	for (s = strchr(buf_str(&b), '\n'); s != NULL && s[1] != '\0';
	     s = strchr(s + 1, '\n')) {
		unsigned st = 0;

		n++;
		if (listen != NULL &&
		    sscanf(s + 1, " %*u: %*s %*s %x", &st) == 1 && st == 10)
			(*listen)++;
	}
	return n;
}

static void
read_socks(const struct core_inst *in, struct socks *ret)
{
	pid_t init = core_get_proc(in, "init").pid;
	auto_close int alive = core_open_proc(in, "init");

	*ret = (struct socks){0};
	if (alive < 0)
		return;
	ret->tcp = count_lines(init, "tcp", &ret->tcp_listen) +
		   count_lines(init, "tcp6", &ret->tcp_listen);
	ret->udp =
	    count_lines(init, "udp", NULL) + count_lines(init, "udp6", NULL);
	ret->unix_ = count_lines(init, "unix", NULL);
}

static void
addrs_text(const struct spec_addrs *l, struct buf *b)
{
	char s[ADDR_STR_MAX];

	for (unsigned i = 0; i < l->n; i++) {
		addr_format(&l->v[i], s);
		buf_addf(b, "%s%s", i ? ", " : "", s);
	}
}

static void
show_head(const struct ctl_info *i, const struct vps_spec *spec,
    const struct socks *k, struct buf *b)
{
	const struct core_inst *in = i->in;
	uint64_t base = core_get_u64(in, "id_base");
	time_t started = (time_t)core_get_u64(in, "started");
	char s[TABLE_FMT_MAX], v[TABLE_FMT_MAX], when[64] = "";
	struct tm tm;

	buf_addf(b, "%s is %s\n", in->id, core_st_name(i->state));
	if (i->migration[0] != '\0')
		buf_addf(b, "  migration %s\n", i->migration);
	buf_addf(b, "  root      %s\n", spec->root.path);
	if (spec->root.priv != NULL)
		buf_addf(b, "  files in  %s\n", spec->root.priv);
	buf_addf(b, "  init      %s, host pid %d\n",
	    spec->run.init.text ? spec->run.init.text : "none of its own",
	    core_get_proc(in, "init").pid);
	buf_addf(b, "  helpers   holder %d, keeper %d\n",
	    core_get_proc(in, "holder").pid, core_keeper_pid(in));
	if (started != 0 && localtime_r(&started, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	buf_addf(b, "  started   %s, %s ago\n", when, fmt_age(i->age, s));
	buf_addf(
	    b, "  restored  %" PRIu64 " times\n", core_get_u64(in, "restores"));
	if (base != 0)
		buf_addf(b, "  ids       %" PRIu64 " to %" PRIu64 "\n", base,
		    base + core_get_u64(in, "id_count") - 1);
	else
		buf_adds(b, "  ids       the host's (USERNS = no)\n");
	buf_addf(b, "  cpu       %.1f %% of one processor\n", i->cpu);
	buf_addf(b, "  memory    %s resident, %s virtual\n",
	    fmt_bytes(i->rss, s), fmt_bytes(i->virt, v));
	buf_addf(b, "  sockets   %u tcp (%u listening), %u udp, %u unix\n",
	    k->tcp, k->tcp_listen, k->udp, k->unix_);
	for (unsigned n = 0; n < spec->net.nifs; n++) {
		buf_addf(b, "  vps%-5u  ", spec->net.ifs[n].index);
		addrs_text(&spec->net.ifs[n].addr, b);
		buf_adds(b, "\n");
	}
}

static void
show_procs(const struct ctl_info *i, struct buf *b)
{
	static const char *const heads[] = {
	    "PID", "HOSTPID", "UID", "S", "THREADS", "RSS", "COMMAND"};
	char s[TABLE_FMT_MAX];
	struct table t;

	if (i->nprocs == 0)
		return;
	buf_adds(b, "\n");
	table_init(&t, 0x37, ARRAY_LEN(heads), heads);
	for (unsigned n = 0; n < i->nprocs; n++) {
		const struct ctl_proc *p = &i->proc[n];

		table_cell(&t, "%d", p->pid_in);
		table_cell(&t, "%d", p->pid);
		table_cell(&t, "%u", p->uid);
		table_cell(&t, "%c", p->state);
		table_cell(&t, "%u", p->threads);
		table_cell(&t, "%s", fmt_bytes(p->rss, s));
		table_cell(&t, "%s", p->cmd);
	}
	table_print(&t, b);
	table_fini(&t);
}

static void
json_proc(const struct ctl_proc *p, struct json *j)
{
	json_obj(j, NULL);
	json_i64(j, "pid", p->pid_in);
	json_i64(j, "host_pid", p->pid);
	json_u64(j, "uid", p->uid);
	json_strn(j, "state", &p->state, 1);
	json_u64(j, "threads", p->threads);
	json_u64(j, "resident", p->rss);
	json_str(j, "command", p->cmd);
	json_end(j);
}

static void
json_ifs(const struct vps_spec *spec, struct json *j)
{
	char s[ADDR_STR_MAX + 8];

	json_arr(j, "interfaces");
	for (unsigned n = 0; n < spec->net.nifs; n++) {
		const struct spec_netif *nif = &spec->net.ifs[n];

		json_obj(j, NULL);
		(void)snprintf(s, sizeof(s), "vps%u", nif->index);
		json_str(j, "name", s);
		json_arr(j, "addresses");
		for (unsigned k = 0; k < nif->addr.n; k++) {
			addr_format(&nif->addr.v[k], s);
			json_str(j, NULL, s);
		}
		json_end(j);
		json_end(j);
	}
	json_end(j);
}

static int
show_json(const struct ctl_info *i, const struct vps_spec *spec,
    const struct socks *k, struct buf *b)
{
	const struct core_inst *in = i->in;
	auto_buf struct buf conf = {0};
	struct json j = {.out = b};
	int r = conf_print(spec, &conf);

	json_obj(&j, NULL);
	json_str(&j, "id", in->id);
	json_str(&j, "state", core_st_name(i->state));
	json_str(&j, "root", spec->root.path);
	json_str(&j, "init", spec->run.init.text);
	json_i64(&j, "init_pid", core_get_proc(in, "init").pid);
	json_i64(&j, "holder_pid", core_get_proc(in, "holder").pid);
	json_i64(&j, "keeper_pid", core_keeper_pid(in));
	json_u64(&j, "started", core_get_u64(in, "started"));
	json_u64(&j, "age", i->age);
	json_str(&j, "migration", i->migration[0] ? i->migration : NULL);
	json_u64(&j, "restores", core_get_u64(in, "restores"));
	json_u64(&j, "id_base", core_get_u64(in, "id_base"));
	json_u64(&j, "id_count", core_get_u64(in, "id_count"));
	json_u64(&j, "cpu_permille", (uint64_t)(i->cpu * 10));
	json_u64(&j, "resident", i->rss);
	json_u64(&j, "virtual", i->virt);
	json_obj(&j, "sockets");
	json_u64(&j, "tcp", k->tcp);
	json_u64(&j, "tcp_listening", k->tcp_listen);
	json_u64(&j, "udp", k->udp);
	json_u64(&j, "unix", k->unix_);
	json_end(&j);
	json_ifs(spec, &j);
	json_arr(&j, "processes");
	for (unsigned n = 0; n < i->nprocs; n++)
		json_proc(&i->proc[n], &j);
	json_end(&j);
	json_str(&j, "configuration", buf_str(&conf));
	json_obj(&j, "facts"); /* the state file, as it is */
	for (unsigned n = 0; n < in->kv.n; n++)
		json_str(&j, in->kv.ent[n].k, in->kv.ent[n].v);
	json_end(&j);
	json_end(&j);
	return r;
}

static int
show(const struct ctl *c, const struct core_inst *in, struct vps_err *e)
{
	auto_spec struct vps_spec spec = {0};
	auto_buf struct buf b = {0};
	struct ctl_info i;
	struct socks k;
	int r = core_conf(in, &spec, e);

	if (r < 0)
		return r;
	r = ctl_info_read(in, &i, e);
	if (r < 0)
		return r;
	read_socks(in, &k);
	if (c->opts & OPT_JSON) {
		r = show_json(&i, &spec, &k, &b);
		if (r < 0)
			r = vps_err_set(e, r, "configuration");
	} else {
		show_head(&i, &spec, &k, &b);
		show_procs(&i, &b);
	}
	ctl_info_fini(&i);
	return r < 0 ? r : ctl_out(&b, e);
}

int
cmd_show(const struct ctl *c, struct vps_err *e)
{
	struct core_inst *in;
	int r = ctl_open(c, CORE_READ, &in, e);

	if (r < 0)
		return r;
	r = show(c, in, e);
	core_inst_close(in);
	return r;
}
