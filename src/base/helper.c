/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/helper.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/str.h"

/* The folder of the running program, without a slash at the end. */
static int
own_dir(char *d, size_t n)
{
	ssize_t len = readlink("/proc/self/exe", d, n - 1);
	char *slash;

	if (len < 0)
		return -errno;
	d[len] = '\0';
	slash = strrchr(d, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = '\0';
	return 0;
}

int
helper_path(const char *name, char *ret, size_t n)
{
	static const char *const beside[] = {
	    "../helpers", ".", "../libexec/vps", "../../src/helpers"};
	char dir[PATH_MAX], path[PATH_MAX];

	if (own_dir(dir, sizeof(dir)) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(beside); i++) {
			if (str_fmt(path, sizeof(path), "%s/%s/%s", dir,
				beside[i], name) == 0 &&
			    access(path, X_OK) == 0)
				return str_fmt(ret, n, "%s", path);
		}
	}
	if (str_fmt(path, sizeof(path), "%s/%s", VPS_LIBEXECDIR, name) == 0 &&
	    access(path, X_OK) == 0)
		return str_fmt(ret, n, "%s", path);
	return -ENOENT;
}
