/* SPDX-License-Identifier: BSD-2-Clause
 * Readers of fdinfo, on recorded text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sys/fdinfo.h"

#define HEAD "pos:\t0\nflags:\t02\nmnt_id:\t17\nino:\t1039\n"

static void
test_numbers(void **state)
{
	static const char ev[] = HEAD "eventfd-count:               1a\n"
				      "eventfd-id: 1\neventfd-semaphore: 1\n";
	uint64_t v = 0;

	(void)state;
	assert_int_equal(sys_fdinfo_u64(ev, "eventfd-count:", 16, &v), 0);
	assert_int_equal(v, 0x1a);
	assert_int_equal(sys_fdinfo_u64(ev, "eventfd-semaphore:", 10, &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(sys_fdinfo_u64(ev, "flags:", 8, &v), 0);
	assert_int_equal(v, 2);
	v = 77;
	assert_int_equal(sys_fdinfo_u64(ev, "sigmask:", 16, &v), -ENOENT);
	/* A key counts at the start of a line only. */
	assert_int_equal(sys_fdinfo_u64(ev, "count:", 16, &v), -ENOENT);
	assert_int_equal(sys_fdinfo_u64("a: -1\n", "a:", 10, &v), -EBADMSG);
	assert_int_equal(sys_fdinfo_u64("a: 1x\n", "a:", 10, &v), -EBADMSG);
	assert_int_equal(
	    sys_fdinfo_u64("a: 99999999999999999999\n", "a:", 10, &v),
	    -EBADMSG);
	assert_int_equal(sys_fdinfo_u64("a:", "a:", 10, &v), -EBADMSG);
	assert_int_equal(v, 77);
	assert_int_equal(
	    sys_fdinfo_u64("sigmask:\t8000000000000200\n", "sigmask:", 16, &v),
	    0);
	assert_true(v == 0x8000000000000200);
}

static void
test_pidfd(void **state)
{
	static const char text[] = HEAD "Pid:\t4021\nNSpid:\t4021\t12\t3\n";
	int64_t v = 0;

	(void)state;
	assert_int_equal(sys_fdinfo_i64(text, "Pid:", &v), 0);
	assert_int_equal(v, 4021);
	assert_int_equal(sys_fdinfo_nspid(text, &v), 0);
	assert_int_equal(v, 3);
	assert_int_equal(sys_fdinfo_i64("Pid:\t-1\n", "Pid:", &v), 0);
	assert_int_equal(v, -1);
	assert_int_equal(sys_fdinfo_nspid("NSpid:\t\n", &v), -EBADMSG);
	assert_int_equal(sys_fdinfo_nspid(HEAD, &v), -ENOENT);
}

static void
test_timer(void **state)
{
	static const char text[] =
	    HEAD "clockid: 1\nticks: 5\nsettime flags: 03\n"
		 "it_value: (2, 840316)\nit_interval: (0, 10000000)\n";
	struct sys_fdinfo_timer t;

	(void)state;
	assert_int_equal(sys_fdinfo_timer(text, &t), 0);
	assert_int_equal(t.clockid, 1);
	assert_int_equal(t.ticks, 5);
	assert_int_equal(t.flags, 3);
	assert_int_equal(t.t.it_value.tv_sec, 2);
	assert_int_equal(t.t.it_value.tv_nsec, 840316);
	assert_int_equal(t.t.it_interval.tv_nsec, 10000000);
	assert_int_equal(
	    sys_fdinfo_timer(HEAD "clockid: 1\nticks: 5\n", &t), -ENOENT);
	assert_int_equal(sys_fdinfo_timer("clockid: 1\nticks: 0\n"
					  "settime flags: 00\n"
					  "it_value: (0, 1000000000)\n"
					  "it_interval: (0, 0)\n",
			     &t),
	    -EBADMSG);
}

static void
test_epoll(void **state)
{
	static const char text[] =
	    HEAD "tfd:        5 events: 40000000 data: 1234567890abcdef  pos:0 "
		 "ino:40f sdev:10\n"
		 "tfd:        3 events: 80000019 data:                3  pos:0 "
		 "ino:411 sdev:b\n";
	/* before ino and sdev were there */
	static const char old[] =
	    "tfd:       12 events:       19 data: ffffffffffffffff\n";
	const char *at = text;
	struct sys_fdinfo_tfd t;

	(void)state;
	assert_int_equal(sys_fdinfo_tfd(&at, &t), 0);
	assert_int_equal(t.fd, 5);
	assert_int_equal(t.events, 0x40000000);
	assert_true(t.data == 0x1234567890abcdef);
	assert_int_equal(t.ino, 0x40f);
	assert_int_equal(sys_fdinfo_tfd(&at, &t), 0);
	assert_int_equal(t.fd, 3);
	assert_true(t.events == 0x80000019);
	assert_int_equal(t.data, 3);
	assert_int_equal(t.sdev, 0xb);
	assert_int_equal(sys_fdinfo_tfd(&at, &t), -ENOENT);
	at = old;
	assert_int_equal(sys_fdinfo_tfd(&at, &t), 0);
	assert_int_equal(t.fd, 12);
	assert_true(t.data == UINT64_MAX);
	assert_int_equal(t.ino, 0);
	at = "tfd: x\n";
	assert_int_equal(sys_fdinfo_tfd(&at, &t), -EBADMSG);
}

static void
test_inotify(void **state)
{
	static const char text[] =
	    HEAD "inotify wd:1a ino:64017 sdev:fe00003 mask:80000002 "
		 "ignored_mask:0 fhandle-bytes:8 fhandle-type:1 "
		 "f_handle:174006007e316f3d\n"
		 "inotify wd:1 ino:3c51a sdev:15 mask:4000300 ignored_mask:0\n";
	const char *at = text;
	struct sys_fdinfo_watch w;

	(void)state;
	assert_int_equal(sys_fdinfo_watch(&at, &w), 0);
	assert_int_equal(w.wd, 26);
	assert_int_equal(w.ino, 0x64017);
	assert_int_equal(w.major, 254);
	assert_int_equal(w.minor, 3);
	assert_true(w.mask == 0x80000002);
	assert_int_equal(w.fh_type, 1);
	assert_int_equal(w.fh_len, 8);
	assert_memory_equal(w.fh, "\x17\x40\x06\x00\x7e\x31\x6f\x3d", 8);
	assert_int_equal(sys_fdinfo_watch(&at, &w), 0);
	assert_int_equal(w.wd, 1);
	assert_int_equal(w.fh_len, 0);
	assert_int_equal(sys_fdinfo_watch(&at, &w), -ENOENT);
	/* longer than any handle; shorter than it says */
	at = "inotify wd:1 ino:1 sdev:1 mask:1 ignored_mask:0 "
	     "fhandle-bytes:81 fhandle-type:1 f_handle:00\n";
	assert_int_equal(sys_fdinfo_watch(&at, &w), -EBADMSG);
	at = "inotify wd:1 ino:1 sdev:1 mask:1 ignored_mask:0 "
	     "fhandle-bytes:8 fhandle-type:1 f_handle:00";
	assert_int_equal(sys_fdinfo_watch(&at, &w), -EBADMSG);
}

static void
test_locks(void **state)
{
	static const char text[] =
	    HEAD "lock:\t1: FLOCK  ADVISORY  WRITE 17095 fe:00:10953240 0 EOF\n"
		 "lock:\t2: POSIX  ADVISORY  READ 17095 fe:00:10953240 5 14\n"
		 "lock:\t3: OFDLCK ADVISORY  WRITE -1 fe:00:10953240 100 EOF\n"
		 "lock:\t4: LEASE  ACTIVE    READ 0 fe:00:10953241 0 EOF\n";
	const char *at = text;
	struct sys_fdinfo_lock l;

	(void)state;
	assert_int_equal(sys_fdinfo_lock(&at, &l), 0);
	assert_int_equal(l.type, SYS_LOCK_FLOCK);
	assert_int_equal(l.write, 1);
	assert_int_equal(l.pid, 17095);
	assert_int_equal(l.len, 0);
	assert_int_equal(sys_fdinfo_lock(&at, &l), 0);
	assert_int_equal(l.type, SYS_LOCK_POSIX);
	assert_int_equal(l.write, 0);
	assert_int_equal(l.start, 5);
	assert_int_equal(l.len, 10);
	assert_int_equal(sys_fdinfo_lock(&at, &l), 0);
	assert_int_equal(l.type, SYS_LOCK_OFD);
	assert_int_equal(l.pid, -1);
	assert_int_equal(l.start, 100);
	assert_int_equal(sys_fdinfo_lock(&at, &l), 0);
	assert_int_equal(l.type, SYS_LOCK_LEASE);
	assert_int_equal(sys_fdinfo_lock(&at, &l), -ENOENT);
	at = "lock:\t1: NEWKIND ADVISORY READ 1 fe:00:1 0 EOF\n";
	assert_int_equal(sys_fdinfo_lock(&at, &l), -EBADMSG);
	at = "lock:\t1: POSIX ADVISORY READ 1 fe:00:1 9 3\n";
	assert_int_equal(sys_fdinfo_lock(&at, &l), -EBADMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_pidfd),
	    cmocka_unit_test(test_timer),
	    cmocka_unit_test(test_epoll),
	    cmocka_unit_test(test_inotify),
	    cmocka_unit_test(test_locks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
