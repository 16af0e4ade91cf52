/* SPDX-License-Identifier: BSD-2-Clause
 *
 * vps.conf(5): what is read, what is refused and with which words, and that
 * what is printed reads as the same again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include "base/auto.h"
#include "base/buf.h"
#include "conf/addr.h"
#include "conf/conf.h"

#define ROOT "FSROOT = /r\n"

static const char manual[] =
    "NAME = 'vps190'\n"
    "FSROOT = '/usr/vps/vps190'\n"
    "FSROOT_PRIV = '/usr/vps/vps190_priv'\n"
    "NETIF_0_ADDRESS = '10.142.178.190, 2001:10:10::beef:190'\n"
    "ROOT_MOUNT = 'mount_vpsfs /usr/vps/vps190_priv /usr/vps/vps190'\n"
    "ROOT_UNMOUNT = 'umount /usr/vps/vps190'\n"
    "INIT = '/sbin/init'\n"
    "LIMITS = 'phys:0:0,virt:100000000:160000000,pctcpu:100:200,"
    "threads:12:12'\n";

static int
parse(const char *text, struct vps_spec *s, struct vps_err *e)
{
	return conf_parse("f", text, strlen(text), s, e);
}

/* Prints, reads again, compares; the second text must equal the first. */
static void
assert_round_trip(const struct vps_spec *s)
{
	auto_buf struct buf a = {0}, b = {0};
	auto_spec struct vps_spec t = {0};
	struct vps_err e = {0};

	assert_int_equal(conf_print(s, &a), 0);
	if (parse(buf_str(&a), &t, &e) < 0)
		fail_msg("%s\n%s", e.msg, buf_str(&a));
	assert_true(spec_equal(s, &t));
	assert_int_equal(conf_print(&t, &b), 0);
	assert_string_equal(buf_str(&a), buf_str(&b));
}

static void
read_manual(void **state)
{
	auto_spec struct vps_spec s = {0};
	auto_buf struct buf w = {0};
	struct vps_err e = {0};
	char text[ADDR_STR_MAX];

	(void)state;
	if (parse(manual, &s, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(s.id, "vps190");
	assert_string_equal(s.root.path, "/usr/vps/vps190");
	assert_string_equal(s.root.priv, "/usr/vps/vps190_priv");
	assert_string_equal(s.root.vpsfs.target, "/usr/vps/vps190_priv");
	assert_null(s.root.vpsfs.opts);
	assert_string_equal(s.root.unmount, "umount /usr/vps/vps190");
	assert_int_equal(s.run.init.argv.n, 1);
	assert_string_equal(s.run.init.argv.v[0], "/sbin/init");
	assert_null(s.run.init.argv.v[1]);
	assert_true(s.run.userns);
	assert_int_equal(s.run.stop_timeout, SPEC_STOP_TIMEOUT);
	assert_int_equal(s.net.nifs, 1);
	assert_int_equal(s.net.ifs[0].index, 0);
	assert_int_equal(s.net.ifs[0].addr.n, 2);
	addr_format(&s.net.ifs[0].addr.v[1], text);
	assert_string_equal(text, "2001:10:10::beef:190");
	assert_true(s.limit[SPEC_RES_VIRT].set);
	assert_int_equal(s.limit[SPEC_RES_VIRT].soft, 100000000);
	assert_int_equal(s.limit[SPEC_RES_VIRT].hard, 160000000);
	assert_false(s.limit[SPEC_RES_PROCS].set);
	assert_int_equal(conf_warnings(&s, &w), 2);
	assert_non_null(strstr(buf_str(&w), "LIMITS is checked"));
	assert_non_null(strstr(buf_str(&w), "vpsfs"));
	assert_round_trip(&s);
}

static void
read_forms(void **state)
{
	static const char text[] =
	    "# a comment\n"
	    "\n"
	    "  fsroot=//a/./b/   # behind\r\n"
	    "Init = \"/bin/sh -c 'sleep 1; exit'\"\n"
	    "\tUSERNS\t=\tNO\n"
	    "netif_3_address = fc00::1\n"
	    "NETIF_0_ADDRESS = ''\n"
	    "NETWORK_ANNOUNCE = 'a # b'#c\n"
	    "ROOT_MOUNT = 'mount /x /a/b'\n"
	    "STOP_TIMEOUT = 0\n"
	    "IP_NETWORKS = '1.2.3.4,1.2.3.0/255.255.255.0 , fc00::/112'\n"
	    "PRIV_ALLOW = 'CAP_SYS_TIME, mount'\n"
	    "PRIV_NOSYS = swapon\n"
	    "DEVFS_RULESET = 4\n"
	    "LIMITS = phys:1g:2G"; /* no newline at the end */
	auto_spec struct vps_spec s = {0};
	struct vps_err e = {0};

	(void)state;
	if (parse(text, &s, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(s.root.path, "/a/b");
	assert_int_equal(s.run.init.argv.n, 3);
	assert_string_equal(s.run.init.argv.v[2], "sleep 1; exit");
	assert_false(s.run.userns);
	assert_int_equal(s.net.nifs, 2);
	assert_int_equal(s.net.ifs[0].index, 0);
	assert_int_equal(s.net.ifs[1].index, 3);
	assert_string_equal(s.net.announce, "a # b");
	assert_null(s.root.vpsfs.target);
	assert_int_equal(s.run.stop_timeout, 0);
	assert_int_equal(s.net.networks.n, 3);
	assert_int_equal(s.net.networks.v[1].plen, 24);
	assert_int_equal(s.priv.allow.n, 2);
	assert_int_equal(s.devfs_ruleset, 4);
	assert_true(s.limit[SPEC_RES_PHYS].hard == 2ULL << 30);
	assert_round_trip(&s);
}

static void
refuse(void **state)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
	    {"", "f: FSROOT is missing"},
	    {"FSROOT\n", "f:1: not a line NAME = value"},
	    {"= x\n", "f:1: not a line NAME = value"},
	    {"\n\nFOO = 1\n", "f:3: no such key: FOO"},
	    {"FSROOT =\n", "f:1: FSROOT: no value"},
	    {"FSROOT = # x\n", "f:1: FSROOT: no value"},
	    {"FSROOT = '/a\n", "f:1: FSROOT: the quote ' isn't closed"},
	    {"FSROOT = /a b\n", "f:1: FSROOT: a value with blanks"},
	    {"FSROOT = /a'b'\n", "f:1: FSROOT: a value with blanks or"},
	    {"FSROOT = '/a' b\n", "f:1: FSROOT: \"b\" behind the value"},
	    {"FSROOT = a\n", "f:1: FSROOT: \"a\" is not an absolute path"},
	    {"FSROOT = /a/../b\n", "f:1: FSROOT: \"/a/../b\" is not"},
	    {"FSROOT = /.//\n", "f:1: FSROOT: the host's own root"},
	    {"FSROOT = /a\001\n", "f:1: a control character (0x01)"},
	    {ROOT "fsroot = /r\n", "f:2: fsroot: given twice, first on line 1"},
	    {ROOT "NAME = -x\n", "f:2: NAME: \"-x\" is not a name"},
	    {ROOT "NAME = a/b\n", "f:2: NAME: \"a/b\" is not a name"},
	    {ROOT "NAME = abcdefghijklmnopqrstuvwxyz0123456\n", "f:2: NAME: "},
	    {ROOT "INIT = init\n", "f:2: INIT: the command must be an"},
	    {ROOT "INIT = ''\n", "f:2: INIT: the command must be an"},
	    {ROOT "INIT = '/a \"b'\n", "f:2: INIT: a quote isn't closed"},
	    {ROOT "USERNS = maybe\n", "f:2: USERNS: \"maybe\" is not yes"},
	    {ROOT "ID_BASE = 65537\n", "f:2: ID_BASE: \"65537\" is no mul"},
	    {ROOT "ID_BASE = 65536\nUSERNS = no\n",
		"f:2: ID_BASE: has no meaning with USERNS = no"},
	    {ROOT "STOP_TIMEOUT = -1\n", "f:2: STOP_TIMEOUT: \"-1\" is not"},
	    {ROOT "STOP_TIMEOUT = 5s\n", "f:2: STOP_TIMEOUT: \"5s\" is not"},
	    {ROOT "NETWORK_REVOKE = ' '\n",
		"f:2: NETWORK_REVOKE: the command is empty"},
	    {ROOT "NETIF_64_ADDRESS = 1.2.3.4\n",
		"f:2: NETIF_64_ADDRESS: interfaces are numbered 0 to 63"},
	    {ROOT "NETIF__ADDRESS = 1.2.3.4\n", "f:2: no such key"},
	    {ROOT "NETIF_1_ADDRESS = 1.2.3\n",
		"f:2: NETIF_1_ADDRESS: \"1.2.3\" is not an IPv4 or IPv6"},
	    {ROOT "NETIF_1_ADDRESS = 1.2.3.4/24\n",
		"f:2: NETIF_1_ADDRESS: 1.2.3.4/24: write the address "
		"alone, 1.2.3.4"},
	    {ROOT "NETIF_1_ADDRESS = 127.0.0.1\n",
		"f:2: NETIF_1_ADDRESS: 127.0.0.1 is not an address that"},
	    {ROOT "NETIF_1_ADDRESS = ff02::1\n",
		"f:2: NETIF_1_ADDRESS: ff02::1 is not an address that"},
	    {ROOT "NETIF_1_ADDRESS = '1.2.3.4,,'\n",
		"f:2: NETIF_1_ADDRESS: an entry of the list is empty"},
	    {ROOT "NETIF_1_ADDRESS = 1.2.3.4\nNETIF_01_ADDRESS = ::2\n",
		"f:3: NETIF_01_ADDRESS: given twice, first on line 2"},
	    {ROOT "NETIF_1_ADDRESS = 1.2.3.4\nNETIF_2_ADDRESS = 1.2.3.4\n",
		"f:3: NETIF_2_ADDRESS: 1.2.3.4 is vps1's already"},
	    {ROOT "IP_NETWORKS = 1.2.3.4/24\n",
		"f:2: IP_NETWORKS: 1.2.3.4/24 has bits behind its mask; "
		"write 1.2.3.0/24"},
	    {ROOT "IP_NETWORKS = 1.2.3.4/255.0.255.0\n",
		"f:2: IP_NETWORKS: \"1.2.3.4/255.0.255.0\" is not"},
	    {ROOT "LIMITS = phys:1\n", "f:2: LIMITS: \"phys:1\" is not"},
	    {ROOT "LIMITS = foo:1:1\n", "f:2: LIMITS: no such resource: foo"},
	    {ROOT "LIMITS = procs:2:1\n",
		"f:2: LIMITS: procs: the soft limit is above the hard"},
	    {ROOT "LIMITS = procs:1k:2k\n", "f:2: LIMITS: procs:1k:2k: not"},
	    {ROOT "LIMITS = 'phys:0:99999999999t'\n",
		"f:2: LIMITS: phys:0:99999999999t: not two numbers"},
	    {ROOT "LIMITS = 'procs:1:1, procs:1:1'\n",
		"f:2: LIMITS: procs is there twice"},
	    {ROOT "PRIV_ALLOW = PRIV_SETTIMEOFDAY\n",
		"f:2: PRIV_ALLOW: PRIV_SETTIMEOFDAY is FreeBSD's; on Linux "
		"write CAP_SYS_TIME"},
	    {ROOT "PRIV_ALLOW = CAP_FOO\n",
		"f:2: PRIV_ALLOW: CAP_FOO is neither"},
	    {"FSROOT = /a\nROOT_MOUNT = 'mount_vpsfs /p /b'\n",
		"f:2: ROOT_MOUNT: the mount point /b is not FSROOT, /a"},
	    {"FSROOT = /a\nFSROOT_PRIV = /q\n"
	     "ROOT_MOUNT = '/sbin/mount_vpsfs -o x /p /a'\n",
		"f:3: ROOT_MOUNT: the target /p is not FSROOT_PRIV, /q"},
	    {"FSROOT = /a\nROOT_MOUNT = 'mount_vpsfs /a'\n",
		"f:2: ROOT_MOUNT: not mount_vpsfs [-o options] target"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vps_spec s;
		struct vps_err e = {0};

		memset(&s, 0x5a, sizeof(s));
		if (parse(bad[i].text, &s, &e) != -EINVAL ||
		    e.code != -EINVAL || *(unsigned char *)&s != 0x5a ||
		    strncmp(e.msg, bad[i].msg, strlen(bad[i].msg)) != 0)
			fail_msg("%sgot:  %s\nwant: %s", bad[i].text, e.msg,
			    bad[i].msg);
	}
}

static void
refuse_nul(void **state)
{
	struct vps_spec s;
	struct vps_err e = {0};

	(void)state;
	assert_int_equal(
	    conf_parse("f", "FSROOT = /a\0b\n", 14, &s, &e), -EINVAL);
	assert_string_equal(e.msg, "f:1: a control character (0x00)");
}

static void
print_refuses(void **state)
{
	auto_spec struct vps_spec s = {0};
	auto_buf struct buf b = {0};

	(void)state;
	assert_int_equal(parse(ROOT, &s, NULL), 0);
	s.net.revoke = strdup("echo 'a' \"b\"");
	assert_int_equal(conf_print(&s, &b), -EINVAL);
	free(s.net.revoke);
	s.net.revoke = strdup("a\nINIT = /x");
	assert_int_equal(conf_print(&s, &b), -EINVAL);
}

static void
drop_local(void **state)
{
	auto_spec struct vps_spec s = {0};
	auto_buf struct buf b = {0};

	(void)state;
	assert_int_equal(parse(ROOT "USERNS = no\nNETWORK_REVOKE = x\n"
				    "ROOT_MOUNT = 'mount_vpsfs /p /r'\n"
				    "ROOT_UNMOUNT = y\nINIT = /i\n",
			     &s, NULL),
	    0);
	spec_drop_local(&s);
	assert_true(s.run.userns);
	assert_null(s.root.vpsfs.target);
	assert_int_equal(conf_print(&s, &b), 0);
	assert_string_equal(buf_str(&b), "FSROOT = '/r'\nINIT = '/i'\n");
}

static void
addresses(void **state)
{
	static const struct {
		const char *in, *out;
	} ok[] = {
	    {"1.2.3.4", "1.2.3.4"},
	    {"1.2.3.0/255.255.255.0", "1.2.3.0/24"},
	    {"0.0.0.0/0", "0.0.0.0/0"},
	    {"0.0.0.0/0.0.0.0", "0.0.0.0/0"},
	    {"1.2.3.4/32", "1.2.3.4"},
	    {"FC00:0::1", "fc00::1"},
	    {"fc00::/112", "fc00::/112"},
	    {"::/0", "::/0"},
	};
	static const char *const bad[] = {"", "1", "1.2.3.4 ", "1.2.3.256",
	    "1.2.3.4/", "1.2.3.0/33", "1.2.3.0/-1", "1.2.3.0/+8", "fc00::/129",
	    "fc00::/255.0.0.0", "fc00::%1", "01.2.3.4"};
	struct spec_addr a, n;
	char s[ADDR_STR_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ok); i++) {
		assert_int_equal(addr_parse_net(ok[i].in, &a), 0);
		addr_format(&a, s);
		assert_string_equal(s, ok[i].out);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (addr_parse_net(bad[i], &a) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(addr_parse_net("10.1.0.0/16", &n), 0);
	assert_int_equal(addr_parse("10.1.255.9", &a), 0);
	assert_true(addr_in(&n, &a));
	assert_int_equal(addr_parse("10.2.0.1", &a), 0);
	assert_false(addr_in(&n, &a));
	assert_int_equal(addr_parse("fc00::1", &a), 0);
	assert_false(addr_in(&n, &a));
}

static void
keys_documented(void **state)
{
	(void)state;
	for (unsigned i = 0; conf_key_name(i) != NULL; i++)
		assert_true(strlen(conf_key_help(i)) > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(read_manual),
	    cmocka_unit_test(read_forms),
	    cmocka_unit_test(refuse),
	    cmocka_unit_test(refuse_nul),
	    cmocka_unit_test(print_refuses),
	    cmocka_unit_test(drop_local),
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(keys_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
