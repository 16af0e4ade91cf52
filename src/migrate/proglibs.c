/* SPDX-License-Identifier: BSD-2-Clause */
#include "migrate/proglibs.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/str.h"

/* PT_INTERP of a 64-bit program of this machine. */
static int
interp_of(const char *prog, char *ret, size_t size)
{
	auto_close int fd = open(prog, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr eh;

	if (fd < 0)
		return -errno;
	if (pread(fd, &eh, sizeof(eh), 0) != (ssize_t)sizeof(eh) ||
	    memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 ||
	    eh.e_ident[EI_CLASS] != ELFCLASS64)
		return -ENOEXEC;
	for (unsigned i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;
		off_t at = (off_t)(eh.e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != (ssize_t)sizeof(ph))
			return -ENOEXEC;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz == 0 || ph.p_filesz > size ||
		    pread(fd, ret, ph.p_filesz, (off_t)ph.p_offset) !=
			(ssize_t)ph.p_filesz ||
		    ret[ph.p_filesz - 1] != '\0' || ret[0] != '/')
			return -ENOEXEC;
		return 0;
	}
	return -ENOEXEC;
}

int
mig_proglibs_parse(char *text, struct mig_proglibs *l)
{
	char *save = NULL;

	for (char *s = strtok_r(text, "\n", &save); s != NULL;
	     s = strtok_r(NULL, "\n", &save)) {
		char *arrow = strstr(s, " => "), *end;
		const char *name = s + strspn(s, "\t ");

		if (arrow == NULL || arrow[4] != '/')
			continue; /* the vdso, the linker itself */
		*arrow = '\0';
		end = strstr(arrow + 4, " (0x");
		if (end != NULL)
			*end = '\0';
		if (l->n == MIG_LIBS_MAX || strchr(name, '/') != NULL)
			return -ENOEXEC;
		if (str_fmt(l->name[l->n], sizeof(l->name[0]), "%s", name) <
			0 ||
		    str_fmt(
			l->path[l->n], sizeof(l->path[0]), "%s", arrow + 4) < 0)
			return -ENAMETOOLONG;
		l->n++;
	}
	return 0;
}

static int
list(const char *interp, const char *prog, struct buf *out)
{
	auto_close int rd = -1;
	int p[2], st, r = 0;
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		char *const argv[] = {
		    (char[]){"ld.so"}, (char[]){"--list"}, strdup(prog), NULL};
		char *const env[] = {(char[]){"LC_ALL=C"}, NULL};

		if (dup2(p[1], 1) == 1)
			(void)execve(interp, argv, env);
		_exit(127);
	}
	(void)close(p[1]);
	rd = p[0];
	if (pid < 0)
		return -errno;
	for (;;) {
		uint8_t *d = buf_reserve(out, 4096);
		ssize_t n = d == NULL ? 0 : read(rd, d, 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || out->len > 65536)
			break;
		out->len += (size_t)n;
	}
	(void)close(take_fd(&rd));
	while (waitpid(pid, &st, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (!WIFEXITED(st) || WEXITSTATUS(st) != 0)
		r = -ENOEXEC;
	return r < 0 ? r : buf_err(out);
}

int
mig_proglibs_of(const char *prog, struct mig_proglibs **ret, struct vps_err *e)
{
	auto_free struct mig_proglibs *l = calloc(1, sizeof(*l));
	auto_free char *copy = NULL;
	auto_buf struct buf text = {0};
	int r;

	if (l == NULL)
		return vps_err_set(e, -ENOMEM, "%s", prog);
	r = interp_of(prog, l->interp, sizeof(l->interp));
	if (r == 0)
		r = list(l->interp, prog, &text);
	if (r < 0)
		return vps_err_set(e, r, "find the libraries of %s", prog);
	copy = strdup(buf_str(&text));
	if (copy == NULL)
		return vps_err_set(e, -ENOMEM, "%s", prog);
	r = mig_proglibs_parse(copy, l);
	if (r < 0)
		return vps_err_set(e, r, "libraries of %s", prog);
	*ret = take_ptr(&l);
	return 0;
}
