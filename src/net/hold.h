/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hold: one flag per instance that decides about every packet of it, to
 * and from the world (at the host's ends of its pairs, out of its reach) and
 * over its own lo. It is in place from the start on; flipping it is one system
 * call of 1 us, and nothing is attached or waited for in the window.
 *
 * The kernel keeps it as long as the interfaces are there. It is found again by
 * the number of its map, which belongs into the instance's state file.
 *
 *   pass   nothing is held
 *   new    SYNs to the instance, over lo too, are dropped: nothing gets into
 *          the accept queues; established connections go on
 *   all    nothing gets in, out or over lo, not even ARP, ICMP or a reset
 *
 * What is dropped is lost; TCP sends it again.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "net/net.h"

enum net_hold { NET_HOLD_PASS, NET_HOLD_NEW, NET_HOLD_ALL };

/* After net_setup() and before any process runs inside. Fails with -EPERM or
 * -ENOSYS where BPF isn't to be had; the instance can do without, but not be
 * suspended. */
int net_hold_setup(const struct net_cfg *c, int netns, enum net_hold v,
    uint32_t *ret_id, struct vps_err *e);
/* A descriptor for the flag of instance `id`. -ENOENT: there is none (any
 * more). */
int net_hold_open(const char *id, uint32_t map_id, struct vps_err *e);
int net_hold_set(int hold, enum net_hold v);
/* Packets dropped so far in *ret_dropped (NULL allowed). */
int net_hold_get(int hold, enum net_hold *ret, uint64_t *ret_dropped);
/* Whether root inside has taken the hold off lo: it is put back. The host's
 * ends are out of its reach. */
int
net_hold_check(const struct net_cfg *c, int netns, int hold, struct vps_err *e);
