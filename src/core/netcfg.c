/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/netcfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
core_net_of(struct core_net *n, const char *id, const struct vps_spec *s,
    struct vps_err *e)
{
	unsigned i, j, total = 0;

	*n = (struct core_net){.cfg = {.id = id, .ifs = n->ifs}};
	if (s->net.nifs > NET_IF_MAX)
		return vps_err_set(e, -E2BIG, "%u interfaces", s->net.nifs);
	for (i = 0; i < s->net.nifs; i++)
		total += s->net.ifs[i].addr.n;
	n->addr = calloc(total + 1, sizeof(*n->addr));
	if (n->addr == NULL)
		return vps_err_set(e, -ENOMEM, "addresses");
	total = 0;
	for (i = 0; i < s->net.nifs; i++) {
		const struct spec_netif *f = &s->net.ifs[i];

		n->ifs[i] = (struct net_if){
		    .n = f->index, .addr = n->addr + total, .naddr = f->addr.n};
		for (j = 0; j < f->addr.n; j++, total++) {
			n->addr[total].family = f->addr.v[j].family;
			memcpy(n->addr[total].b, f->addr.v[j].b,
			    sizeof(n->addr[total].b));
		}
	}
	n->cfg.nifs = s->net.nifs;
	return 0;
}

void
core_net_fini(struct core_net *n)
{
	free(n->addr);
	n->addr = NULL;
}
