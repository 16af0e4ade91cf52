/* SPDX-License-Identifier: BSD-2-Clause
 * The children of a test, and dump and restore of what they hold. The snap_*()
 * and rst_*() are in kindtest_env.c. */
#include "kindtest_i.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fdio.h"
#include "restore/kinds.h"
#include "snapst/kinds.h"

enum { REQ_RUN, REQ_TABLE, REQ_FD };

struct req {
	int what;
	int (*fn)(void *); /* REQ_RUN */
	int num, cloexec;  /* REQ_FD */
};

struct kt *kt_current_;

static int
send_req(int sock, const struct req *q, int fd)
{
	struct iovec iov = {(void *)(uintptr_t)q, sizeof(*q)};
	char cbuf[CMSG_SPACE(sizeof(int))] = {0};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = cbuf;
		m.msg_controllen = sizeof(cbuf);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int
recv_req(int sock, struct req *q, int *fd)
{
	struct iovec iov = {q, sizeof(*q)};
	char cbuf[CMSG_SPACE(sizeof(int))];
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = cbuf,
	    .msg_controllen = sizeof(cbuf)};
	ssize_t r;

	*fd = -1;
	do {
		r = recvmsg(sock, &m, 0);
	} while (r < 0 && errno == EINTR);
	if (r != (ssize_t)sizeof(*q))
		return -EPIPE;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL;
	     c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(fd, CMSG_DATA(c), sizeof(int));
	return 0;
}

static uint64_t
table_arg(struct kt_table *c, const struct sys_rcall *l, int i)
{
	if (l->data & (1u << i))
		return (uint64_t)(uintptr_t)(c->data + l->arg[i]);
	if (l->prev & (1u << i))
		return (uint64_t)c->call[l->arg[i]].ret;
	return l->arg[i];
}

/* What the stub of sys/remote.h does, done by an ordinary loop. */
static int
run_table(struct kt_table *c)
{
	for (unsigned i = 0; i < c->n; i++) {
		struct sys_rcall *l = &c->call[i];
		uint64_t a[6];
		long r;

		for (int k = 0; k < 6; k++)
			a[k] = table_arg(c, l, k);
		r = syscall(l->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		l->ret = r < 0 ? -errno : r;
		if (l->ret < 0 && !l->may_fail)
			return (int)l->ret;
	}
	return 0;
}

static void __attribute__((noreturn)) child_main(struct kt *kt, int sock)
{
	int r, fd;
	struct req q;

	if (dup3(sock, KT_CTL, O_CLOEXEC) != KT_CTL)
		_exit(126);
	(void)close_range(3, KT_CTL - 1, 0);
	(void)close_range(KT_CTL + 1, ~0u, 0);
	r = 0;
	if (write(KT_CTL, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(0);
	for (;;) {
		if (recv_req(KT_CTL, &q, &fd) < 0)
			_exit(0);
		switch (q.what) {
		case REQ_RUN:
			r = q.fn(kt->shared);
			(void)fflush(NULL);
			break;
		case REQ_TABLE:
			r = run_table(kt->tab);
			break;
		default:
			/* The passed one sits where another may have to go. */
			if (fd == q.num)
				r = fcntl(
				    fd, F_SETFD, q.cloexec ? FD_CLOEXEC : 0);
			else {
				r = dup3(fd, q.num, q.cloexec ? O_CLOEXEC : 0);
				(void)close(fd);
			}
			r = r < 0 ? -errno : 0;
		}
		if (write(KT_CTL, &r, sizeof(r)) != (ssize_t)sizeof(r))
			_exit(0);
	}
}

static int
proc_start(struct kt *kt, struct kt_proc *p)
{
	pid_t want = p->pid;
	struct clone_args ca = {.exit_signal = SIGCHLD,
	    .set_tid = want > 0 ? (uintptr_t)&want : 0,
	    .set_tid_size = want > 0};
	int sv[2], hello;
	long pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) < 0)
		return -errno;
	(void)fflush(NULL);
	pid = syscall(SYS_clone3, &ca, sizeof(ca));
	if (pid == 0)
		child_main(kt, sv[1]);
	(void)close(sv[1]);
	if (pid < 0) {
		(void)close(sv[0]);
		return -errno;
	}
	p->pid = (pid_t)pid;
	p->sock = sv[0];
	/* When it answers, it has closed what isn't its own. */
	return read(p->sock, &hello, sizeof(hello)) == (ssize_t)sizeof(hello)
		   ? 0
		   : -EPIPE;
}

static int
proc_ask(struct kt_proc *p, const struct req *q, int fd)
{
	int r;

	if (send_req(p->sock, q, fd) < 0 ||
	    read(p->sock, &r, sizeof(r)) != (ssize_t)sizeof(r))
		return -EPIPE;
	return r;
}

struct kt *
kt_new(void)
{
	struct kt *kt = calloc(1, sizeof(*kt));

	assert(kt != NULL && kt_current_ == NULL);
	kt->shared = mmap(NULL, KT_SHARED, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kt->tab = mmap(NULL, sizeof(*kt->tab), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kt->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	kt->image = -1;
	kt->undo = -1;
	assert(
	    kt->shared != MAP_FAILED && kt->tab != MAP_FAILED && kt->root >= 0);
	kt_current_ = kt;
	return kt;
}

void
kt_free(struct kt *kt)
{
	if (kt == NULL)
		return;
	kt_kill(kt);
	kt_env_fini(kt);
	(void)munmap(kt->shared, KT_SHARED);
	(void)munmap(kt->tab, sizeof(*kt->tab));
	(void)close(kt->root);
	if (kt->image >= 0)
		(void)close(kt->image);
	kt_current_ = NULL;
	free(kt);
}

void *
kt_shared(struct kt *kt)
{
	return kt->shared;
}

pid_t
kt_spawn(struct kt *kt)
{
	struct kt_proc *p = &kt->proc[kt->nproc];

	assert(kt->nproc < KT_PROCS);
	p->pid = 0;
	if (proc_start(kt, p) < 0)
		return -1;
	kt->nproc++;
	return p->pid;
}

struct kt_proc *
kt_proc_of(struct kt *kt, pid_t pid)
{
	for (size_t i = 0; i < kt->nproc; i++)
		if (kt->proc[i].pid == pid)
			return &kt->proc[i];
	return NULL;
}

int
kt_run(struct kt *kt, pid_t pid, int (*fn)(void *shared))
{
	struct kt_proc *p = kt_proc_of(kt, pid);
	struct req q = {.what = REQ_RUN, .fn = fn};

	assert(p != NULL);
	return proc_ask(p, &q, -1);
}

int
kt_table(struct kt_proc *p, struct sys_rcalls *c)
{
	struct kt_table *t = kt_current_->tab;
	struct req q = {.what = REQ_TABLE};
	int r;

	t->n = c->n;
	memcpy(t->call, c->call, c->n * sizeof(c->call[0]));
	memcpy(t->data, c->data, c->ndata);
	r = proc_ask(p, &q, -1);
	memcpy(c->call, t->call, c->n * sizeof(c->call[0]));
	memcpy(c->data, t->data, c->ndata);
	return r;
}

int
kt_table_once(struct kt *kt, struct sys_rcalls *c)
{
	struct kt_proc p = {0};
	int r = proc_start(kt, &p);

	if (r < 0)
		return r;
	r = kt_table(&p, c);
	(void)close(p.sock);
	(void)waitpid(p.pid, NULL, 0);
	return r;
}

/* Collecting what a child holds, as the engine does it for a task. */

static int
read_fd(struct kt_fd *d)
{
	struct snap_fd *f = &d->f;
	char path[64], link[4096];
	struct buf b = {0};
	ssize_t n;
	char *s;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", f->pid, f->num);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0 || stat(path, &f->st) < 0)
		return -errno;
	link[n] = '\0';
	f->link = strdup(link);
	(void)snprintf(
	    path, sizeof(path), "/proc/%d/fdinfo/%d", f->pid, f->num);
	n = file_read(AT_FDCWD, path, &b, 1 << 20);
	if (n < 0)
		return (int)n;
	f->info = strdup(buf_str(&b));
	buf_fini(&b);
	assert(f->link != NULL && f->info != NULL);
	(void)sscanf(f->info, "pos:\t%ld\nflags:\t%o\nmnt_id:\t%d", &f->pos,
	    (unsigned *)&f->flags, &f->mnt_id);
	s = strstr(f->info, "pos:");
	return s == NULL ? -EBADMSG : 0;
}

static int
fd_order(const void *a, const void *b)
{
	const struct kt_fd *x = a, *y = b;

	return x->f.num - y->f.num;
}

static int
collect_proc(struct kt *kt, struct kt_proc *p)
{
	auto_closedir DIR *dir = NULL;
	size_t first = kt->nfd;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", p->pid);
	dir = opendir(path);
	if (dir == NULL)
		return -errno;
	for (struct dirent *de; (de = readdir(dir)) != NULL;) {
		struct kt_fd *d = &kt->fd[kt->nfd];
		int num = atoi(de->d_name), r;

		if (de->d_name[0] == '.' || num < 3 || num == KT_CTL)
			continue;
		assert(kt->nfd < KT_FDS);
		*d = (struct kt_fd){
		    .f = {
			.pid = p->pid, .pid_in = p->pid, .num = num, .fd = -1}};
		r = read_fd(d);
		if (r < 0)
			return r;
		kt->nfd++;
	}
	qsort(kt->fd + first, kt->nfd - first, sizeof(kt->fd[0]), fd_order);
	return 0;
}

static int
collect(struct kt *kt)
{
	kt_env_fini(kt);
	for (size_t i = 0; i < kt->nproc; i++) {
		int r = collect_proc(kt, &kt->proc[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

int
kt_check(struct kt *kt)
{
	int r = collect(kt);

	if (r < 0)
		return r;
	buf_reset(&kt->obj);
	kt->nobj = 0;
	for (size_t i = 0; i < kt->nfd; i++) {
		const struct snap_fd *f = &kt->fd[i].f;
		const struct snap_kind *k = snap_kind_of(f);

		if (k == NULL)
			snap_object(KT_SNAP(kt), f, "%s: unknown kind of file",
			    f->link);
		else if (k->check != NULL) {
			r = k->check(KT_SNAP(kt), f);
			if (r < 0)
				return r;
		}
	}
	return kt->nobj;
}

const char *
kt_objections(const struct kt *kt)
{
	return buf_str((struct buf *)(uintptr_t)&kt->obj);
}

bool
kt_same_file(int a, int b)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b) == 0;
}

static int
dup_all(struct kt *kt)
{
	for (size_t i = 0; i < kt->nfd; i++) {
		struct snap_fd *f = &kt->fd[i].f;
		int pidfd = (int)syscall(SYS_pidfd_open, f->pid, 0);

		f->fd = (int)syscall(SYS_pidfd_getfd, pidfd, f->num, 0);
		(void)close(pidfd);
		if (f->fd < 0 || fstat(f->fd, &f->st) < 0)
			return -errno;
		for (size_t k = 0; k < i && kt->fd[i].id == 0; k++)
			if (kt_same_file(f->fd, kt->fd[k].f.fd))
				kt->fd[i].id = kt->fd[k].id;
		if (kt->fd[i].id == 0) {
			kt->fd[i].id = ++kt->nfile;
			kt->fd[i].first = true;
		}
	}
	return 0;
}

int
kt_dump_one(struct kt *kt, struct kt_fd *d, struct vps_err *e)
{
	const struct snap_kind *k = snap_kind_of(&d->f);
	struct vd_file rec;
	int r;

	if (k == NULL)
		return vps_err_say(e, -EOPNOTSUPP, "%s: no kind", d->f.link);
	r = snap_file_record(KT_SNAP(kt), &d->f, d->id, k->number, &rec, e);
	if (r < 0)
		return r;
	r = vd_put(kt->w, &vd_type_file, &rec);
	if (r < 0)
		return vps_err_set(e, r, "image");
	return k->dump(KT_SNAP(kt), &d->f, d->id, e);
}

static int
dump_all(struct kt *kt, struct vps_err *e)
{
	int r = collect(kt);

	if (r == 0)
		r = dup_all(kt);
	if (r < 0)
		return vps_err_set(e, r, "collect");
	for (size_t i = 0; i < kt->nfd; i++) {
		if (!kt->fd[i].first)
			continue;
		r = kt_dump_one(kt, &kt->fd[i], e);
		if (r < 0)
			return vps_err_wrap(e, r, "%s", kt->fd[i].f.link);
	}
	for (size_t i = 0; i < kt->nfd; i++) {
		r = snap_locks_dump(KT_SNAP(kt), &kt->fd[i].f, kt->fd[i].id,
		    kt->fd[i].first, e);
		if (r < 0)
			return r;
	}
	/* Their number grows while files in flight are found. */
	for (int late = 0; late < 2; late++) {
		for (size_t i = 0; i < kt->nfd; i++) {
			const struct snap_kind *k = snap_kind_of(&kt->fd[i].f);

			if (!kt->fd[i].first || k->dump_refs == NULL ||
			    k->refs_late != (late != 0))
				continue;
			r = k->dump_refs(
			    KT_SNAP(kt), &kt->fd[i].f, kt->fd[i].id, e);
			if (r < 0)
				return vps_err_wrap(
				    e, r, "%s", kt->fd[i].f.link);
		}
	}
	r = snap_kinds_end(KT_SNAP(kt), e);
	if (r == 0)
		r = snap_ghosts_pages(KT_SNAP(kt), e);
	if (r < 0)
		return r;
	r = vd_put_end(kt->w);
	return r < 0 ? vps_err_set(e, r, "image") : 0;
}

int
kt_dump(struct kt *kt)
{
	struct vps_err e = {0};
	int r;

	if (kt->image >= 0)
		(void)close(kt->image);
	kt->nfile = 0;
	kt->image = memfd_create("image", MFD_CLOEXEC);
	r = vd_writer_new(kt->image, &kt->w);
	if (r == 0)
		r = dump_all(kt, &e);
	vd_writer_free(kt->w);
	kt->w = NULL;
	snap_ghosts_fini(KT_SNAP(kt));
	kt_slots_fini(kt);
	if (r < 0)
		fprintf(stderr, "dump: %s\n", e.msg);
	/* No duplicate may outlive the dump: it would keep objects alive. */
	for (size_t i = 0; i < kt->nfd; i++)
		if (kt->fd[i].f.fd >= 0)
			(void)close(take_fd(&kt->fd[i].f.fd));
	return r;
}

void
kt_kill(struct kt *kt)
{
	for (size_t i = 0; i < kt->nproc; i++) {
		struct kt_proc *p = &kt->proc[i];

		if (p->sock < 0)
			continue;
		(void)close(take_fd(&p->sock));
		(void)kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

int
kt_restore_procs(struct kt *kt)
{
	for (size_t i = 0; i < kt->nproc; i++) {
		int r = proc_start(kt, &kt->proc[i]);

		if (r < 0) {
			fprintf(stderr, "process %d again: %s\n",
			    kt->proc[i].pid, strerror(-r));
			kt->proc[i].sock = -1;
			return r;
		}
	}
	return 0;
}

static int
read_image(
    struct kt *kt, struct vd_reader *rd, struct vd_item *it, struct vps_err *e)
{
	const struct vd_file *last = NULL;

	for (;;) {
		const struct rst_rec *rec;
		int r = vd_next(rd, it);

		if (r < 0)
			return vps_err_say(e, r, "%s", vd_reader_why(rd));
		if (it->what != VD_ITEM_RECORD)
			return 0;
		if (it->number == VD_T_file) {
			last = it->rec;
			continue;
		}
		if (last != NULL) {
			if (it->number != last->kind)
				return vps_err_say(e, -EBADMSG,
				    "file %u: record %u follows", last->id,
				    it->number);
			assert(kt->nrf < KT_FDS);
			kt->rf[kt->nrf++] =
			    (struct rst_file){last, it->rec, -1};
			last = NULL;
			continue;
		}
		rec = rst_rec_of(it->number);
		if (rec == NULL)
			return vps_err_say(e, -EBADMSG, "stray record %s",
			    vd_type_name(it->type));
		r = rec->take(KT_RST(kt), it->rec, e);
		if (r < 0)
			return r;
	}
}

static int
each(struct kt *kt, int stage, struct vps_err *e)
{
	for (size_t i = 0; i < kt->nrf; i++) {
		struct rst_file *f = &kt->rf[i];
		const struct rst_kind *k = rst_kind_of(f->f->kind);
		int r = 0;

		if (k == NULL)
			r = vps_err_say(e, -EBADMSG, "no such kind");
		else if (stage == 0)
			r = k->make(KT_RST(kt), f, e);
		else if (stage == 1 && k->link != NULL)
			r = k->link(KT_RST(kt), f, e);
		else if (stage == 2 && k->finish != NULL)
			r = k->finish(KT_RST(kt), f, e);
		if (r == 0 && stage == 1)
			r = rst_file_flags(KT_RST(kt), f, e);
		if (r == 0 && stage == 2)
			r = rst_file_late(KT_RST(kt), f, e);
		if (r < 0)
			return vps_err_wrap(
			    e, r, "file %u (kind %#x)", f->f->id, f->f->kind);
	}
	return 0;
}

static int
hand_over(struct kt *kt, struct vps_err *e)
{
	for (size_t i = 0; i < kt->nfd; i++) {
		const struct kt_fd *d = &kt->fd[i];
		struct req q = {.what = REQ_FD,
		    .num = d->f.num,
		    .cloexec = (d->f.flags & O_CLOEXEC) != 0};
		int r;

		if (d->f.num < 0)
			continue;
		r = proc_ask(
		    kt_proc_of(kt, d->f.pid), &q, rst_fd(KT_RST(kt), d->id));
		if (r < 0)
			return vps_err_set(e, r, "fd %d", d->f.num);
	}
	return 0;
}

static int
restore_all(struct kt *kt, struct vd_reader *rd, struct vps_err *e)
{
	struct vd_item it;
	int r = read_image(kt, rd, &it, e);

	for (int stage = 0; stage < 2 && r == 0; stage++)
		r = each(kt, stage, e);
	if (r == 0)
		r = hand_over(kt, e);
	while (r == 0 && it.what == VD_ITEM_PAGES) {
		r = rst_ghosts_pages(KT_RST(kt), &it, e);
		if (r == 0) {
			r = vd_next(rd, &it);
			if (r < 0)
				r = vps_err_say(e, r, "%s", vd_reader_why(rd));
		}
	}
	if (r == 0)
		r = rst_ghosts_finish(KT_RST(kt), e);
	return r == 0 ? each(kt, 2, e) : r;
}

int
kt_restore_files(struct kt *kt)
{
	struct vd_reader *rd = NULL;
	struct vps_err e = {0};
	int r;

	(void)lseek(kt->image, 0, SEEK_SET);
	kt->nrf = 0;
	r = vd_reader_new(kt->image, &rd);
	if (r == 0)
		r = restore_all(kt, rd, &e);
	if (r < 0)
		fprintf(stderr, "restore: %s: %s\n", e.msg, strerror(-r));
	for (size_t i = 0; i < kt->nrf; i++)
		if (kt->rf[i].fd >= 0)
			(void)close(take_fd(&kt->rf[i].fd));
	rst_ghosts_fini(KT_RST(kt));
	kt_slots_fini(kt);
	vd_reader_free(rd);
	return r;
}

int
kt_cr(struct kt *kt)
{
	int r = kt_dump(kt);

	if (r < 0)
		return r;
	kt_kill(kt);
	r = kt_restore_procs(kt);
	return r < 0 ? r : kt_restore_files(kt);
}

int
kt_simple(int (*setup)(void *), int (*verify)(void *))
{
	struct kt *kt = kt_new();
	pid_t pid = kt_spawn(kt);
	int r = kt_run(kt, pid, setup);

	if (r == 0 && kt_check(kt) != 0) {
		fprintf(stderr, "objections: %s\n", kt_objections(kt));
		r = -1;
	}
	if (r == 0)
		r = kt_cr(kt);
	if (r == 0)
		r = kt_run(kt, pid, verify);
	kt_free(kt);
	return r;
}

int
kt_refused(int (*setup)(void *), const char *text)
{
	struct kt *kt = kt_new();
	pid_t pid = kt_spawn(kt);
	int r = kt_run(kt, pid, setup);

	if (r == 0 && kt_check(kt) <= 0) {
		fprintf(stderr, "no objection\n");
		r = -1;
	} else if (r == 0 && strstr(kt_objections(kt), text) == NULL) {
		fprintf(stderr, "objects: %s\n", kt_objections(kt));
		r = -1;
	}
	kt_free(kt);
	return r;
}

int
kt_main(const struct kt_test *t, size_t n, const char *only)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..%zu\n", only == NULL ? n : 1);
	for (size_t i = 0; i < n; i++) {
		int r;

		if (only != NULL && strcmp(only, t[i].name) != 0)
			continue;
		r = t[i].fn();
		printf("%s %zu - %s%s\n", r == 0 || r == 77 ? "ok" : "not ok",
		    only == NULL ? i + 1 : 1, t[i].name,
		    r == 77 ? " # SKIP" : "");
		failed += r != 0 && r != 77;
	}
	return failed != 0;
}
