/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Commands of the manual that this version doesn't have: refused, with what to
 * do instead.
 */
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "vpsctl/ctl.h"

static const struct {
	const char *cmd, *remedy;
} remedies[] = {
    {"argshow", "`vpsctl show ID` shows the instance, /run/vps/ID/conf what it "
		"was started with"},
    {"ifmove",
	"give it addresses with NETIF_<n>_ADDRESS in its vps.conf(5), or "
	"stop it and use ip-link(8) on the host"},
    {"ipnet", "the addresses that it may use are those of NETIF_<n>_ADDRESS; "
	      "stop it, change its vps.conf(5), start it"},
    {"priv", "it has the rights that its own user namespace gives, see vps(4)"},
    {"limit", "set limits in the instance's cgroup, vps/ID of each controller, "
	      "as cgroups(7) describes"},
    {"quotarecalc",
	"there is no vpsfs yet; limit space with a filesystem or a quota "
	"of its own for FSROOT"},
};

int
cmd_later(const struct ctl *c, struct vps_err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(remedies); i++)
		if (strcmp(c->cmd->name, remedies[i].cmd) == 0)
			return vps_err_say(e, -EOPNOTSUPP,
			    "not in this version: %s", remedies[i].remedy);
	return vps_err_say(e, -EOPNOTSUPP, "not built yet");
}
