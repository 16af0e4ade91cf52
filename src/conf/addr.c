/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

unsigned
addr_bits(const struct spec_addr *a)
{
	return a->family == AF_INET ? 32 : 128;
}

int
addr_parse(const char *s, struct spec_addr *ret)
{
	struct spec_addr a = {0};

	if (inet_pton(AF_INET, s, a.b) == 1) {
		a.family = AF_INET;
		a.plen = 32;
	} else if (inet_pton(AF_INET6, s, a.b) == 1) {
		a.family = AF_INET6;
		a.plen = 128;
	} else {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

/* A dotted netmask as a prefix length; -EINVAL if it has holes. */
static int
mask_len(const char *s)
{
	struct spec_addr m;
	uint32_t v;
	int n;

	if (addr_parse(s, &m) < 0 || m.family != AF_INET)
		return -EINVAL;
	memcpy(&v, m.b, sizeof(v));
	v = ntohl(v);
	n = v == 0 ? 0 : 32 - __builtin_ctz(v);
	if (v != (n == 0 ? 0 : UINT32_MAX << (32 - n)))
		return -EINVAL;
	return n;
}

/* Clears what is behind the prefix; true if anything was set there. */
static bool
clear_host_bits(struct spec_addr *a)
{
	bool had = false;

	for (unsigned i = a->plen; i < addr_bits(a); i++) {
		uint8_t bit = (uint8_t)(0x80 >> (i % 8));

		had |= (a->b[i / 8] & bit) != 0;
		a->b[i / 8] &= (uint8_t)~bit;
	}
	return had;
}

int
addr_parse_net(const char *s, struct spec_addr *ret)
{
	const char *slash = strchr(s, '/');
	struct spec_addr a;
	char head[ADDR_STR_MAX];
	uint32_t plen;
	int r;

	if (slash == NULL)
		return addr_parse(s, ret);
	if (str_fmt(head, sizeof(head), "%.*s", (int)(slash - s), s) < 0)
		return -EINVAL;
	if (addr_parse(head, &a) < 0)
		return -EINVAL;
	if (strchr(slash, '.') != NULL) {
		r = a.family == AF_INET ? mask_len(slash + 1) : -EINVAL;
		if (r < 0)
			return r;
		plen = (uint32_t)r;
	} else if (str_u32(slash + 1, 10, &plen) < 0 || plen > addr_bits(&a)) {
		return -EINVAL;
	}
	a.plen = (uint8_t)plen;
	r = clear_host_bits(&a) ? -EDOM : 0;
	*ret = a;
	return r;
}

void
addr_format(const struct spec_addr *a, char s[ADDR_STR_MAX])
{
	size_t n;

	if (inet_ntop(a->family, a->b, s, ADDR_STR_MAX) == NULL)
		(void)snprintf(s, ADDR_STR_MAX, "?");
	n = strlen(s);
	if (a->plen != addr_bits(a))
		(void)snprintf(s + n, ADDR_STR_MAX - n, "/%u", a->plen);
}

bool
addr_equal(const struct spec_addr *a, const struct spec_addr *b)
{
	return a->family == b->family && a->plen == b->plen &&
	       memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool
addr_in(const struct spec_addr *net, const struct spec_addr *a)
{
	struct spec_addr cut = *a;

	if (net->family != a->family || net->plen > a->plen)
		return false;
	cut.plen = net->plen;
	(void)clear_host_bits(&cut);
	return addr_equal(&cut, net);
}

bool
addr_is_unicast(const struct spec_addr *a)
{
	static const uint8_t none[16], lo6[16] = {[15] = 1};

	if (a->family == AF_INET)
		return a->b[0] != 0 && a->b[0] != 127 && a->b[0] < 224;
	return memcmp(a->b, none, 16) != 0 && memcmp(a->b, lo6, 16) != 0 &&
	       a->b[0] != 0xff;
}
