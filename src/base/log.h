/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Diagnostics. Library code logs at debug level only; the front-end prints
 * the one line that a user sees. VPS_LOG selects: "debug", or
 * "snapst=debug,info". A file defines LOG_SUBSYS before the include.
 */
#pragma once

enum log_level { LOG_LV_ERR, LOG_LV_WARN, LOG_LV_INFO, LOG_LV_DEBUG };

void log_init(const char *spec);        /* NULL: $VPS_LOG */
void log_to(int fd, const char *ident); /* default: stderr, none */
int log_enabled(const char *subsys, enum log_level lv);
void log_print(const char *subsys, enum log_level lv, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_at_(lv, ...)                                        \
	do {                                                    \
		if (log_enabled(LOG_SUBSYS, lv))                \
			log_print(LOG_SUBSYS, lv, __VA_ARGS__); \
	} while (0)
#define log_err(...)  log_at_(LOG_LV_ERR, __VA_ARGS__)
#define log_warn(...) log_at_(LOG_LV_WARN, __VA_ARGS__)
#define log_info(...) log_at_(LOG_LV_INFO, __VA_ARGS__)
#define log_dbg(...)  log_at_(LOG_LV_DEBUG, __VA_ARGS__)
