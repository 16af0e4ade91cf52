/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {
    [LOG_LV_ERR] = "err",
    [LOG_LV_WARN] = "warn",
    [LOG_LV_INFO] = "info",
    [LOG_LV_DEBUG] = "debug",
};

/* The log sink is the library's only process-wide state. */
static struct {
	char spec[256];
	char ident[64];
	int fd;
	enum log_level max; /* no subsystem is above it: the cheap first test */
} sink = {.fd = STDERR_FILENO, .max = LOG_LV_WARN};

static int
level_parse(const char *s, size_t n, enum log_level *ret)
{
	for (int i = 0; i <= LOG_LV_DEBUG; i++) {
		if (strlen(level_names[i]) == n &&
		    strncmp(level_names[i], s, n) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The level that the spec gives `subsys`; NULL: the highest of all. */
static enum log_level
level_for(const char *subsys)
{
	enum log_level base = LOG_LV_WARN, named = LOG_LV_ERR, lv, top;
	const char *p = sink.spec;
	int found = 0;

	top = base;
	while (*p != '\0') {
		size_t n = strcspn(p, ",");
		const char *eq = memchr(p, '=', n);
		const char *val = eq ? eq + 1 : p;

		if (level_parse(val, n - (size_t)(val - p), &lv) == 0) {
			if (lv > top)
				top = lv;
			if (eq == NULL) {
				base = lv;
			} else if (subsys != NULL &&
				   strlen(subsys) == (size_t)(eq - p) &&
				   strncmp(subsys, p, (size_t)(eq - p)) == 0) {
				named = lv;
				found = 1;
			}
		}
		p += n;
		p += *p == ',';
	}
	if (subsys == NULL)
		return top;
	return found ? named : base;
}

void
log_init(const char *spec)
{
	if (spec == NULL)
		spec = getenv("VPS_LOG");
	(void)snprintf(sink.spec, sizeof(sink.spec), "%s", spec ? spec : "");
	sink.max = level_for(NULL);
}

void
log_to(int fd, const char *ident)
{
	sink.fd = fd;
	(void)snprintf(
	    sink.ident, sizeof(sink.ident), "%s", ident ? ident : "");
}

int
log_enabled(const char *subsys, enum log_level lv)
{
	return lv <= sink.max && lv <= level_for(subsys);
}

void
log_print(const char *subsys, enum log_level lv, const char *fmt, ...)
{
	char line[1400];
	struct timespec ts;
	int saved = errno, n;
	size_t len;
	va_list ap;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	n = snprintf(line, sizeof(line),
	    "%ld.%06ld %s%s%s %s: ", (long)ts.tv_sec, ts.tv_nsec / 1000,
	    sink.ident, sink.ident[0] ? " " : "", subsys, level_names[lv]);
	len = (size_t)n;
	va_start(ap, fmt);
	(void)vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	len = strlen(line);
	line[len++] = '\n';
	(void)!write(sink.fd, line, len); /* nowhere to report a failure to */
	errno = saved;
}
