/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The stub and its area. This file holds all of the project's machine code.
 *
 * The area of SYS_REMOTE_SIZE bytes at m->base:
 *   code   the stub
 *   frame  what rt_sigreturn takes: the task's own registers, mask, xstate
 *   table  struct entry per call, then the constants that they point to
 *   data   the table's data area
 */
#include "sys/remote.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "sys/ptrace.h"

#define CODE_OFF  0u
#define FRAME_OFF 4096u
#define TABLE_OFF (FRAME_OFF + 16384u)
#define DATA_OFF  (TABLE_OFF + 32768u)

#define PAD_SIZE 160u /* of m->pad */
#define MASK_AT  136

/* The stub reads this layout: keep in step with the offsets below. */
struct entry {
	uint64_t nr;
	uint64_t argp[6]; /* addresses of the arguments' values */
	int64_t ret;
	uint64_t may_fail;
};

#define RET_NOT_RUN INT64_MIN

/* rbx: entry, r12: entries left, r13: ucontext for rt_sigreturn, r14: signal
 * that tells the tracer. The kernel changes only rax, rcx, r11. */
__asm__(
    ".pushsection .rodata\n"
    ".balign 8\n"
    "sys_remote_stub:\n"
    "1:	test %r12, %r12\n"
    "	jz 3f\n"
    "	mov 8(%rbx), %rdi\n	mov (%rdi), %rdi\n"
    "	mov 16(%rbx), %rsi\n	mov (%rsi), %rsi\n"
    "	mov 24(%rbx), %rdx\n	mov (%rdx), %rdx\n"
    "	mov 32(%rbx), %r10\n	mov (%r10), %r10\n"
    "	mov 40(%rbx), %r8\n	mov (%r8), %r8\n"
    "	mov 48(%rbx), %r9\n	mov (%r9), %r9\n"
    "	mov (%rbx), %rax\n"
    "	syscall\n"
    "	mov %rax, 56(%rbx)\n"
    "	cmp $-4095, %rax\n"
    "	jb 2f\n"
    "	testb $1, 64(%rbx)\n"
    "	jz 3f\n"
    "2:	add $72, %rbx\n"
    "	dec %r12\n"
    "	jmp 1b\n"
    "3:	mov $39, %eax\n	syscall\n	mov %eax, %edi\n"         /* getpid */
    "	mov $186, %eax\n	syscall\n	mov %eax, %esi\n" /* gettid */
    "	mov %r14, %rdx\n"
    "	mov $234, %eax\n	syscall\n" /* tgkill */
    "	mov %r13, %rsp\n"
    "	mov $15, %eax\n	syscall\n" /* rt_sigreturn */
    "	hlt\n"
    "sys_remote_stub_end:\n"
    "	.balign 8\n"
    ".popsection\n");
extern const uint8_t sys_remote_stub[] __attribute__((visibility("hidden")));
extern const uint8_t sys_remote_stub_end[]
    __attribute__((visibility("hidden")));

_Static_assert(sizeof(struct entry) == 72, "the stub knows the size");
_Static_assert(SYS_RCALLS_MAX *(sizeof(struct entry) + 48) <= 32768,
    "the table fits its part of the area");
_Static_assert(DATA_OFF + SYS_RDATA_MAX == SYS_REMOTE_SIZE, "area size");

int
sys_rcalls_init(struct sys_rcalls *c)
{
	*c = (struct sys_rcalls){0};
	c->call = calloc(SYS_RCALLS_MAX, sizeof(*c->call));
	c->data = malloc(SYS_RDATA_MAX);
	if (c->call == NULL || c->data == NULL) {
		sys_rcalls_fini(c);
		return -ENOMEM;
	}
	return 0;
}

void
sys_rcalls_fini(struct sys_rcalls *c)
{
	free(c->call);
	free(c->data);
	*c = (struct sys_rcalls){0};
}

void
sys_rcalls_reset(struct sys_rcalls *c)
{
	c->n = 0;
	c->ndata = 0;
	c->err = 0;
}

unsigned
sys_radd_(struct sys_rcalls *c, long nr, const struct sys_rarg *a, size_t n)
{
	struct sys_rcall *k;

	if (c->err != 0 || n > 6 || c->n == SYS_RCALLS_MAX) {
		c->err = -ENOSPC;
		return 0;
	}
	k = &c->call[c->n];
	*k = (struct sys_rcall){.nr = nr, .ret = RET_NOT_RUN};
	for (size_t i = 0; i < n; i++) {
		k->arg[i] = a[i].v;
		if (a[i].how == RA_DATA_)
			k->data |= 1u << i;
		else if (a[i].how == RA_PREV_)
			k->prev |= 1u << i;
	}
	return c->n++;
}

void
sys_rmay_fail(struct sys_rcalls *c)
{
	if (c->err == 0 && c->n > 0)
		c->call[c->n - 1].may_fail = true;
}

size_t
sys_rdata(struct sys_rcalls *c, const void *p, size_t n)
{
	size_t off = (c->ndata + 15) & ~(size_t)15;

	if (c->err != 0 || n > SYS_RDATA_MAX || off > SYS_RDATA_MAX - n) {
		c->err = -ENOSPC;
		return 0;
	}
	if (p != NULL)
		memcpy(c->data + off, p, n);
	else
		memset(c->data + off, 0, n);
	c->ndata = off + n;
	return off;
}

/* The next stop that isn't a left-over of an earlier INTERRUPT; `req` is how
 * the task is to be continued past those. */
static int
wait_past_event_stops(pid_t tid, int req, int *ret_status)
{
	for (;;) {
		int r = sys_ptrace_wait(tid, ret_status);

		if (r < 0)
			return r;
		if (*ret_status >> 16 != PTRACE_EVENT_STOP)
			return 0;
		if (ptrace(req, tid, NULL, NULL) < 0)
			return -errno;
	}
}

/* Where an interrupted system call is to go on when its task gets its state
 * back from code in it, which doesn't restart calls by itself. */
static void
restart_regs(struct user_regs_struct *g)
{
	long nr = (long)g->orig_rax;

	if (nr < 0)
		return;
	switch ((long)g->rax) {
	case -512: /* ERESTARTSYS */
	case -513: /* ERESTARTNOINTR */
	case -514: /* ERESTARTNOHAND */
	case -516: /* ERESTART_RESTARTBLOCK: the whole call once more */
		g->rax = g->orig_rax;
		g->rip -= 2;
		break;
	}
}

struct code {
	uint8_t b[PAD_SIZE];
	size_t n;
};

static void
code_add(struct code *c, const void *p, size_t n)
{
	memcpy(c->b + c->n, p, n);
	c->n += n;
}

static void
code_reg(struct code *c, uint8_t rex, uint8_t op, uint64_t v)
{
	const uint8_t mov[2] = {rex, op};

	code_add(c, mov, 2);
	code_add(c, &v, 8);
}

/* The call; then the mask from MASK_AT. */
static const uint8_t call_and_mask[] = {0x0f, 0x05, /* syscall */
    0xb8, SYS_rt_sigprocmask, 0, 0, 0,              /* mov , %eax */
    0xbf, SIG_SETMASK, 0, 0, 0,                     /* mov , %edi */
    0x48, 0x8d, 0x35, MASK_AT - 19, 0, 0, 0,        /* lea , %rsi */
    0xba, 0, 0, 0, 0,                               /* mov $0, %edx */
    0x41, 0xba, 8, 0, 0, 0,                         /* mov $8, %r10d */
    0x0f, 0x05};

/* A system call, and the way back for a task without a tracer: its mask, the
 * registers that the call needs or the kernel overwrites, its own rip. Nothing
 * in it changes the flags. */
static void
way_back(struct code *c, const struct user_regs_struct *own, uint64_t mask)
{
	static const uint8_t jmp[] = {0xff, 0x25, 0, 0, 0, 0};
	struct user_regs_struct g = *own;
	uint64_t rip;

	restart_regs(&g);
	rip = g.rip;
	*c = (struct code){.n = 0};
	code_add(c, call_and_mask, sizeof(call_and_mask));
	code_reg(c, 0x48, 0xb8, g.rax);
	code_reg(c, 0x48, 0xb9, g.rcx);
	code_reg(c, 0x48, 0xba, g.rdx);
	code_reg(c, 0x48, 0xbe, g.rsi);
	code_reg(c, 0x48, 0xbf, g.rdi);
	code_reg(c, 0x49, 0xb8, g.r8);
	code_reg(c, 0x49, 0xb9, g.r9);
	code_reg(c, 0x49, 0xba, g.r10);
	code_reg(c, 0x49, 0xbb, g.r11);
	code_add(c, jmp, sizeof(jmp));
	code_add(c, &rip, 8);
	memcpy(c->b + MASK_AT, &mask, 8);
}

/* The vdso can be written to by a tracer only, as by debuggers. -1: it can't
 * be done here (no /proc, or a kernel that forbids it): then there is no way
 * back. */
static int
pad_open(const struct sys_remote *m, const struct code *c)
{
	char path[32];
	int fd;

	if (m->pad == 0)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", m->pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && pwrite(fd, c->b, PAD_SIZE, (off_t)m->pad) != PAD_SIZE) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static int
syscall_stops(pid_t tid, int64_t *ret)
{
	struct user_regs_struct regs;
	int status, r = 0;

	for (int i = 0; r == 0 && i < 2; i++) { /* entry, exit */
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) < 0)
			r = -errno;
		else
			r = wait_past_event_stops(tid, PTRACE_SYSCALL, &status);
		if (r == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80))
			r = -EFAULT;
	}
	if (r == 0) {
		r = sys_ptrace_getregs(tid, &regs);
		*ret = (int64_t)regs.rax;
	}
	return r;
}

int
sys_remote_call(const struct sys_remote *m, pid_t tid, long nr,
    const uint64_t arg[6], int64_t *ret)
{
	static const struct code none;
	struct user_regs_struct own, regs;
	auto_close int pad = -1;
	struct code c;
	uint64_t mask;
	int status, r;

	r = sys_ptrace_getregs(tid, &own);
	if (r == 0)
		r = sys_ptrace_getmask(tid, &mask);
	if (r < 0)
		return r;
	way_back(&c, &own, mask);
	pad = pad_open(m, &c);
	regs = own;
	regs.rip = pad >= 0 ? m->pad : m->sysinsn;
	regs.rax = (unsigned long)nr;
	regs.orig_rax = (unsigned long)-1;
	regs.cs = 0x33;
	regs.rdi = arg[0];
	regs.rsi = arg[1];
	regs.rdx = arg[2];
	regs.r10 = arg[3];
	regs.r8 = arg[4];
	regs.r9 = arg[5];
	/* The mask second, and first when it goes back: it is put right from
	 * the first instruction of the way back on, and not without it. */
	r = sys_ptrace_setregs(tid, &regs);
	if (r == 0)
		r = sys_ptrace_setmask(tid, UINT64_MAX);
	if (r == 0)
		r = syscall_stops(tid, ret);
	if (r == -ESRCH)
		return r;
	/* Own state back; a stop inside get_signal(), where the kernel restarts
	 * an interrupted system call, comes by INTERRUPT. */
	if (r == 0)
		r = sys_ptrace_interrupt(tid);
	if (r == 0)
		r = sys_ptrace_cont(tid, 0);
	if (r == 0)
		r = sys_ptrace_wait(tid, &status);
	if (sys_ptrace_setmask(tid, mask) < 0 ||
	    sys_ptrace_setregs(tid, &own) < 0)
		return -ESRCH;
	if (pad >= 0)
		(void)!pwrite(pad, none.b, PAD_SIZE, (off_t)m->pad);
	return r;
}

/* Or has what a tracer that died has left. */
static bool
is_free(const uint8_t *p)
{
	if (memcmp(p, call_and_mask, sizeof(call_and_mask)) == 0)
		return true;
	for (size_t i = 0; i < PAD_SIZE; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Finds "syscall" (0f 05) in the target's vdso, and bytes of its last page
 * that its image leaves free. */
static int
read_vdso(pid_t pid, uint64_t vdso, struct sys_remote *m)
{
	uint8_t page[8192];
	struct iovec l = {page, sizeof(page)},
		     rm = {(void *)(uintptr_t)vdso, sizeof(page)};
	ssize_t n = process_vm_readv(pid, &l, 1, &rm, 1, 0);
	Elf64_Ehdr h;
	uint64_t end;

	if (n < 0)
		return -errno;
	if (n >= (ssize_t)sizeof(h)) {
		memcpy(&h, page, sizeof(h));
		/* the section headers stand last */
		end = h.e_shoff + (uint64_t)h.e_shnum * h.e_shentsize;
		end = (end + 15) & ~15ULL;
		if (memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 &&
		    end > sizeof(h) && end + PAD_SIZE <= (uint64_t)n &&
		    end / 4096 == (end + PAD_SIZE - 1) / 4096 &&
		    is_free(page + end))
			m->pad = vdso + end;
	}
	for (ssize_t i = 0; i + 1 < n; i++) {
		if (page[i] == 0x0f && page[i + 1] == 0x05) {
			m->sysinsn = vdso + (uint64_t)i;
			return 0;
		}
	}
	return -ENOENT;
}

int
sys_remote_open(struct sys_remote *m, pid_t pid, uint64_t vdso, uint64_t at)
{
	const uint64_t arg[6] = {at, SYS_REMOTE_SIZE,
	    PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS | (at != 0 ? MAP_FIXED_NOREPLACE : 0),
	    (uint64_t)-1, 0};
	size_t n = (size_t)(sys_remote_stub_end - sys_remote_stub);
	struct iovec l, rm;
	int64_t ret;
	int r;

	*m = (struct sys_remote){.pid = pid};
	r = read_vdso(pid, vdso, m);
	if (r < 0)
		return r;
	r = sys_remote_call(m, pid, SYS_mmap, arg, &ret);
	if (r < 0)
		return r;
	if (ret < 0 && ret >= -4095)
		return (int)ret;
	m->base = (uint64_t)ret;
	l = (struct iovec){(void *)(uintptr_t)sys_remote_stub, n};
	rm = (struct iovec){(void *)(uintptr_t)(m->base + CODE_OFF), n};
	if (process_vm_writev(pid, &l, 1, &rm, 1, 0) != (ssize_t)n)
		return -EFAULT;
	return 0;
}

bool
sys_remote_has(const struct sys_remote *m, uint64_t pc)
{
	return (m->pad != 0 && pc >= m->pad && pc < m->pad + PAD_SIZE) ||
	       (m->base != 0 && pc >= m->base && pc < m->base + FRAME_OFF);
}

int
sys_remote_attach(struct sys_remote *m, pid_t pid, uint64_t vdso, uint64_t at)
{
	*m = (struct sys_remote){.pid = pid, .base = at};
	return read_vdso(pid, vdso, m);
}

int
sys_remote_close(struct sys_remote *m, pid_t tid)
{
	const uint64_t arg[6] = {m->base, SYS_REMOTE_SIZE};
	int64_t ret = 0;
	int r;

	if (m->base == 0)
		return 0;
	r = sys_remote_call(m, tid, SYS_munmap, arg, &ret);
	m->base = 0;
	return r < 0 ? r : (int)ret;
}

/* The kernel's struct ucontext (glibc's has a larger mask at its end). */
struct frame {
	uint64_t uc_flags, uc_link;
	uint64_t ss_sp;
	uint32_t ss_flags, pad;
	uint64_t ss_size;
	struct sigcontext mc;
	uint64_t mask;
};

#define UC_FP_XSTATE         1
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

static void
frame_fill(struct frame *f, const struct sys_tracee *t, uint64_t fpaddr)
{
	struct user_regs_struct g = t->regs;

	restart_regs(&g);
	*f = (struct frame){
	    .uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
	    /* invalid on purpose: leaves the alternate stack as it is */
	    .ss_flags = 0x7f,
	    .mc = {.r8 = g.r8,
		.r9 = g.r9,
		.r10 = g.r10,
		.r11 = g.r11,
		.r12 = g.r12,
		.r13 = g.r13,
		.r14 = g.r14,
		.r15 = g.r15,
		.rdi = g.rdi,
		.rsi = g.rsi,
		.rbp = g.rbp,
		.rbx = g.rbx,
		.rdx = g.rdx,
		.rax = g.rax,
		.rcx = g.rcx,
		.rsp = g.rsp,
		.rip = g.rip,
		.eflags = g.eflags,
		.cs = (uint16_t)g.cs,
		.gs = (uint16_t)g.gs,
		.fs = (uint16_t)g.fs,
		.__pad0 = (uint16_t)g.ss, /* ss */
		.fpstate = (void *)(uintptr_t)fpaddr},
	    .mask = t->mask,
	};
}

/* Writes the frame that gives the task its own state back. */
static int
frame_write(const struct sys_remote *m, struct sys_tracee *t)
{
	uint64_t at = m->base + FRAME_OFF, fpaddr = at + 1024;
	struct _fpx_sw_bytes sw = {0};
	uint32_t magic2 = FP_XSTATE_MAGIC2;
	uint8_t keep[sizeof(sw)];
	struct frame f;
	struct iovec l[3], rm[2];
	ssize_t n;

	frame_fill(&f, t, fpaddr);
	/* NT_X86_XSTATE has the enabled features where a signal frame has its
	 * description */
	memcpy(keep, t->xstate + 464, sizeof(sw));
	memcpy(&sw.xstate_bv, keep, sizeof(sw.xstate_bv));
	sw.magic1 = FP_XSTATE_MAGIC1;
	sw.xstate_size = (uint32_t)t->nxstate;
	sw.extended_size = sw.xstate_size + FP_XSTATE_MAGIC2_SIZE;
	memcpy(t->xstate + 464, &sw, sizeof(sw));
	l[0] = (struct iovec){&f, sizeof(f)};
	l[1] = (struct iovec){t->xstate, t->nxstate};
	l[2] = (struct iovec){&magic2, sizeof(magic2)};
	rm[0] = (struct iovec){(void *)(uintptr_t)at, sizeof(f)};
	rm[1] = (struct iovec){
	    (void *)(uintptr_t)fpaddr, t->nxstate + sizeof(magic2)};
	n = process_vm_writev(m->pid, l, 3, rm, 2, 0);
	memcpy(t->xstate + 464, keep, sizeof(sw));
	return n == (ssize_t)(sizeof(f) + t->nxstate + sizeof(magic2))
		   ? 0
		   : -EFAULT;
}

/* Writes the table and its data. */
static int
table_write(const struct sys_remote *m, const struct sys_rcalls *c)
{
	struct entry e[SYS_RCALLS_MAX];
	uint64_t val[SYS_RCALLS_MAX][6];
	uint64_t table = m->base + TABLE_OFF, vals = table + sizeof(e);
	struct iovec l[3], rm[3];
	size_t want = 0;

	for (unsigned i = 0; i < c->n; i++) {
		const struct sys_rcall *k = &c->call[i];

		e[i] = (struct entry){.nr = (uint64_t)k->nr,
		    .ret = RET_NOT_RUN,
		    .may_fail = k->may_fail};
		for (unsigned j = 0; j < 6; j++) {
			val[i][j] = k->arg[j];
			e[i].argp[j] = vals + (i * 6 + j) * 8;
			if (k->data >> j & 1)
				val[i][j] += m->base + DATA_OFF;
			else if (k->prev >> j & 1)
				e[i].argp[j] = table +
					       k->arg[j] * sizeof(e[0]) +
					       offsetof(struct entry, ret);
		}
	}
	l[0] = (struct iovec){e, c->n * sizeof(e[0])};
	l[1] = (struct iovec){val, c->n * sizeof(val[0])};
	l[2] = (struct iovec){c->data, c->ndata};
	rm[0].iov_base = (void *)(uintptr_t)table;
	rm[1].iov_base = (void *)(uintptr_t)vals;
	rm[2].iov_base = (void *)(uintptr_t)(m->base + DATA_OFF);
	for (int i = 0; i < 3; i++) {
		rm[i].iov_len = l[i].iov_len;
		want += l[i].iov_len;
	}
	return process_vm_writev(m->pid, l, 3, rm, 3, 0) == (ssize_t)want
		   ? 0
		   : -EFAULT;
}

static int
table_read(
    const struct sys_remote *m, struct sys_rcalls *c, unsigned *ret_failed)
{
	struct entry e[SYS_RCALLS_MAX];
	struct iovec l[2] = {{e, c->n * sizeof(e[0])}, {c->data, c->ndata}};
	struct iovec rm[2] = {
	    {(void *)(uintptr_t)(m->base + TABLE_OFF), l[0].iov_len},
	    {(void *)(uintptr_t)(m->base + DATA_OFF), l[1].iov_len}};

	if (process_vm_readv(m->pid, l, 2, rm, 2, 0) !=
	    (ssize_t)(l[0].iov_len + l[1].iov_len))
		return -EFAULT;
	for (unsigned i = 0; i < c->n; i++)
		c->call[i].ret = e[i].ret;
	for (unsigned i = 0; i < c->n; i++) {
		int64_t ret = c->call[i].ret;

		if (ret == RET_NOT_RUN ||
		    (ret < 0 && ret >= -4095 && !c->call[i].may_fail)) {
			if (ret_failed != NULL)
				*ret_failed = i;
			return ret == RET_NOT_RUN ? -EFAULT : (int)ret;
		}
	}
	return 0;
}

static bool
in_stub(const struct sys_remote *m, pid_t tid)
{
	struct user_regs_struct g;

	return sys_ptrace_getregs(tid, &g) == 0 && g.rip >= m->base &&
	       g.rip < m->base + FRAME_OFF;
}

/* Waits until the table is done; new tasks on the way go to `born`. */
static int
table_wait(const struct sys_remote *m, const struct sys_tracee *t,
    sys_remote_born born, void *arg)
{
	for (;;) {
		int status, event, r = sys_ptrace_wait(t->tid, &status);

		if (r < 0)
			return r;
		event = status >> 16;
		if (event == 0 && WSTOPSIG(status) == t->wakesig)
			return in_stub(m, t->tid) ? 0 : -EFAULT;
		if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
		    event == PTRACE_EVENT_CLONE) {
			unsigned long child = 0;

			if (ptrace(PTRACE_GETEVENTMSG, t->tid, NULL, &child) <
			    0)
				return -errno;
			r = sys_ptrace_wait((pid_t)child, &status);
			if (r < 0)
				return r;
			if (born != NULL)
				born(arg, (pid_t)child);
		} else if (event == 0 && WSTOPSIG(status) != SIGCHLD) {
			return -EFAULT; /* the table made the task fault */
		}
		r = sys_ptrace_cont(t->tid, 0);
		if (r < 0)
			return r;
	}
}

int
sys_remote_run(const struct sys_remote *m, struct sys_tracee *t,
    struct sys_rcalls *c, unsigned *ret_failed, sys_remote_born born, void *arg)
{
	struct user_regs_struct g = t->regs;
	int r;

	if (c->err != 0)
		return c->err;
	if (!t->dirty) {
		r = frame_write(m, t);
		if (r < 0)
			return r;
	}
	r = table_write(m, c);
	if (r < 0)
		return r;
	g.rip = m->base + CODE_OFF;
	g.rbx = m->base + TABLE_OFF;
	g.r12 = c->n;
	g.r13 = m->base + FRAME_OFF;
	g.r14 = (unsigned long)t->wakesig;
	g.orig_rax = (unsigned long)-1;
	g.cs = 0x33;
	g.eflags = 0x202;
	t->dirty = true;
	/* in this order: what the frame puts right must not come before it */
	r = sys_ptrace_setregs(t->tid, &g);
	if (r == 0)
		r = sys_ptrace_setmask(t->tid, ~(1ull << (t->wakesig - 1)));
	if (r == 0)
		r = sys_ptrace_cont(t->tid, 0);
	if (r == 0)
		r = table_wait(m, t, born, arg);
	if (r < 0)
		return r;
	return table_read(m, c, ret_failed);
}
