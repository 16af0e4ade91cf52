/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses, routes, rules and settings that root inside made are there again
 * in another namespace; an interface made inside is an objection.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kindtest_i.h"
#include "net/net.h"
#include "nettest.h"
#include "restore/world.h"
#include "snapst/netdev.h"

static const struct net_addr addrs[] = {
    {AF_INET, {10, 9, 0, 50}},
    {AF_INET6, {0xfd, 0x09, [15] = 0x50}},
};
static const struct net_if ifs[] = {{.addr = addrs, .naddr = 2}};
static const struct net_cfg cfg = {.id = "nd", .ifs = ifs, .nifs = 1};

#define FACTS                                                                \
	"{ ip -o addr; ip route; ip -6 route; ip rule; ip -6 rule;"          \
	"ip route show table 77; cat /proc/sys/net/ipv4/tcp_keepalive_time " \
	"/proc/sys/net/core/somaxconn; } | sed 's/ expires [^ ]*//;"         \
	"s/ pref medium//'"

static void
restore(int fd)
{
	struct vd_reader *rd;
	struct vps_err e = {0};
	struct vd_item it;

	NT_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	NT_CHECK(vd_reader_new(fd, &rd) == 0);
	for (;;) {
		rst_world_fn fn;

		NT_CHECK(vd_next(rd, &it) == 0);
		if (it.what != VD_ITEM_RECORD)
			break;
		fn = rst_world_of(it.number);
		NT_CHECK(fn != NULL);
		NT_OK(fn(NULL, it.rec, &e), &e);
	}
	vd_reader_free(rd);
}

static int
test_same(void)
{
	int image = memfd_create("image", 0), inst = nt_ns_new();
	struct kt *kt = kt_new();
	struct vps_err e = {0};

	NT_OK(net_setup(&cfg, inst, &e), &e);
	nt_enter(inst);
	nt_sh(inst,
	    "set -e; ip addr add 10.77.0.1/24 dev vps0;"
	    "ip addr add fd77::1/64 dev vps0 nodad; ip addr add 10.78.0.1/32 "
	    "dev lo; ip route add 10.80.0.0/16 via 10.77.0.2;"
	    "ip -6 route add fd80::/32 via fd77::2 metric 55;"
	    "ip route add blackhole 10.81.0.0/16; ip route add default via "
	    "10.77.0.3 table 77; ip rule add from 10.77.0.1 table 77;"
	    "echo 99 >/proc/sys/net/ipv4/tcp_keepalive_time;"
	    "echo 333 >/proc/sys/net/core/somaxconn");
	nt_sh(inst, FACTS " >/tmp/nd.%d.a", getpid());
	NT_CHECK(snap_netdev_check(KT_SNAP(kt)) == 0 && kt->nobj == 0);
	NT_CHECK(vd_writer_new(image, &kt->w) == 0);
	NT_OK(snap_netdev_dump(KT_SNAP(kt), &e), &e);
	NT_CHECK(vd_put_end(kt->w) == 0);
	vd_writer_free(kt->w);
	kt->w = NULL;
	nt_enter(nt_host());
	net_teardown(&cfg);
	(void)close(inst);
	inst = nt_ns_new();
	NT_OK(net_setup(&cfg, inst, &e), &e);
	nt_enter(inst);
	restore(image);
	nt_sh(inst, FACTS " >/tmp/nd.%d.b", getpid());
	nt_sh(inst,
	    "cd /tmp; diff -u nd.%d.a nd.%d.b >&2; r=$?; rm nd.%d.?; "
	    "exit $r",
	    getpid(), getpid(), getpid());
	nt_sh(inst, "ip link add v0 type veth peer name v1");
	NT_CHECK(snap_netdev_check(KT_SNAP(kt)) == 0 && kt->nobj == 2);
	NT_CHECK(strstr(kt_objections(kt), "interface v0 was made") != NULL);
	nt_enter(nt_host());
	net_teardown(&cfg);
	kt_free(kt);
	(void)close(image);
	(void)close(inst);
	return 0;
}

static const struct kt_test tests[] = {{"same", test_same}};

int
main(void)
{
	nt_begin();
	return kt_main(tests, 1, NULL);
}
