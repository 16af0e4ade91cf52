/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The error object of explaining functions: owned by the caller, of fixed
 * size, no allocation, so that it works out of memory and can be written
 * through a pipe by a forked child. It is filled once, where the facts are
 * known; callers may put a prefix in front.
 *
 * Every explaining function takes `struct vps_err *e` last; NULL is allowed.
 * Messages: lower case, no full stop, name the object and the operation, and
 * the remedy where one is known.
 */
#pragma once

/*
 * Codes of our own beside those of errno; they travel as negative numbers and
 * decide the exit status of vpsctl. For vps_err_say(): they have no strerror.
 */
enum {
	VPS_ENOINST = 5001, /* no such instance */
	VPS_ESTATE = 5002,  /* the instance is in the wrong state for this */
	VPS_EUSAGE = 5003,  /* the command line makes no sense */
};

struct vps_err {
	int code; /* negative errno, 0 = none */
	char
	    msg[1024]; /* one line, or several separated by '\n' (objections) */
};

/* Fills `e` with the formatted text + ": " + strerror(-code); returns code. */
int vps_err_set(struct vps_err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As vps_err_set() but the text says it all: no strerror behind it. */
int vps_err_say(struct vps_err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of what `e` holds; returns code. */
int vps_err_wrap(struct vps_err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
