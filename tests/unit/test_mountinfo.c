/* SPDX-License-Identifier: BSD-2-Clause
 *
 * mountinfo: a recorded one, escapes, optional fields, and what is none.
 */
#include <errno.h>
#include <linux/mount.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/auto.h"
#include "sys/mountinfo.h"

/* Of a Debian system; the last three by hand. */
static const char recorded[] =
    "22 29 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc "
    "rw\n"
    "23 29 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs "
    "rw\n"
    "29 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 "
    "rw,discard,errors=remount-ro\n"
    "30 23 0:6 / /sys/kernel/security rw,nosuid,nodev,noexec,relatime "
    "shared:8 - securityfs securityfs rw\n"
    "35 29 0:31 / /with\\040space\\134 ro,noatime,nodiratime,idmapped "
    "shared:2 master:3 propagate_from:4 - fuse.x a\\011b rw\n"
    "36 29 0:32 /a//deleted /x rw unbindable - tmpfs  rw,size=4k\n"
    "37 29 0:33 / /y rw,relatime,strange - tmpfs none rw\n";

static void
lines(void **state)
{
	struct sys_mounts m;

	(void)state;
	assert_int_equal(
	    sys_mounts_parse(recorded, sizeof(recorded) - 1, &m), 0);
	assert_int_equal(m.n, 7);
	assert_int_equal(m.m[0].id, 22);
	assert_int_equal(m.m[0].parent, 29);
	assert_int_equal(m.m[0].attr,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	assert_int_equal(m.m[0].shared, 13);
	assert_int_equal(m.m[0].master, 0);
	assert_string_equal(m.m[2].opts, "rw,discard,errors=remount-ro");
	assert_int_equal(m.m[2].major, 254);
	assert_string_equal(m.m[4].path, "/with space\\");
	assert_string_equal(m.m[4].source, "a\tb");
	assert_string_equal(m.m[4].fstype, "fuse.x");
	assert_int_equal(m.m[4].shared, 2);
	assert_int_equal(m.m[4].master, 3);
	assert_int_equal(m.m[4].attr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME |
					  MOUNT_ATTR_NODIRATIME |
					  MOUNT_ATTR_IDMAP);
	assert_null(m.m[4].odd);
	assert_string_equal(m.m[5].root, "/a//deleted");
	assert_string_equal(m.m[5].source, "");
	assert_string_equal(m.m[5].opts, "rw,size=4k");
	assert_int_equal(m.m[5].unbindable, 1);
	assert_int_equal(m.m[5].attr, MOUNT_ATTR_STRICTATIME);
	assert_string_equal(m.m[6].odd, "strange");
	assert_ptr_equal(sys_mounts_find(&m, 36), &m.m[5]);
	assert_null(sys_mounts_find(&m, 1));
	sys_mounts_fini(&m);
}

static void
none(void **state)
{
	static const char *const bad[] = {
	    "22 29 0:21 / /proc rw - proc proc rw", /* cut */
	    "22 29 0:21 / /proc rw - proc proc\n",
	    "22 29 0:21 / /proc rw shared:1\n",
	    "22 29 021 / /proc rw - proc proc rw\n",
	    "22 -1 0:21 / /proc rw - proc proc rw\n",
	    "x 29 0:21 / /proc rw - proc proc rw\n",
	    "22 29 0:21 / /pr\\04 rw - proc proc rw\n",
	    "22 29 0:21 / /proc rw shared:x - proc proc rw\n",
	    "22 29 0:21 / /proc rw - proc proc rw\n\n",
	    "99999999999 29 0:21 / /proc rw - proc proc rw\n",
	};
	struct sys_mounts m;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(sys_mounts_parse(bad[i], strlen(bad[i]), &m) < 0);
	/* A NUL within; nothing at all. */
	assert_int_equal(sys_mounts_parse("22 29\0 0:21\n", 12, &m), -EINVAL);
	assert_int_equal(sys_mounts_parse("", 0, &m), 0);
	assert_int_equal(m.n, 0);
	sys_mounts_fini(&m);
	/* Cut anywhere but at the end of a line. */
	for (size_t i = 1; i < sizeof(recorded) - 1; i++) {
		int r = sys_mounts_parse(recorded, i, &m);

		assert_true(r == (recorded[i - 1] == '\n' ? 0 : -EINVAL));
		if (r == 0)
			sys_mounts_fini(&m);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines),
	    cmocka_unit_test(none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
