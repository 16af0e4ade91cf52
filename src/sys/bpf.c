/* SPDX-License-Identifier: BSD-2-Clause */
#include "sys/bpf.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
call(int cmd, union bpf_attr *a)
{
	long r = syscall(SYS_bpf, cmd, a, sizeof(*a));

	return r < 0 ? -errno : (int)r;
}

static uint64_t
ptr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

int
bpf_array_new(const char *name, uint32_t value_size, uint32_t n)
{
	union bpf_attr a = {
	    .map_type = BPF_MAP_TYPE_ARRAY,
	    .key_size = sizeof(uint32_t),
	    .value_size = value_size,
	    .max_entries = n,
	};

	memcpy(a.map_name, name, strnlen(name, BPF_OBJ_NAME_LEN - 1));
	return call(BPF_MAP_CREATE, &a);
}

int
bpf_map_get(int map, uint32_t key, void *value)
{
	union bpf_attr a = {.map_fd = (uint32_t)map};

	a.key = ptr(&key);
	a.value = ptr(value);
	return call(BPF_MAP_LOOKUP_ELEM, &a);
}

int
bpf_map_put(int map, uint32_t key, const void *value)
{
	union bpf_attr a = {.map_fd = (uint32_t)map};

	a.key = ptr(&key);
	a.value = ptr(value);
	return call(BPF_MAP_UPDATE_ELEM, &a);
}

int
bpf_map_by_id(uint32_t id)
{
	union bpf_attr a = {.map_id = id};

	return call(BPF_MAP_GET_FD_BY_ID, &a);
}

int
bpf_map_info(int map, struct bpf_map_info *ret)
{
	struct bpf_map_info i = {0};
	union bpf_attr a = {0};
	int r;

	a.info.bpf_fd = (uint32_t)map;
	a.info.info_len = sizeof(i);
	a.info.info = ptr(&i);
	r = call(BPF_OBJ_GET_INFO_BY_FD, &a);
	if (r >= 0)
		*ret = i;
	return r;
}

int
bpf_prog_new(
    enum bpf_prog_type type, const char *name, const uint64_t *insn, size_t n)
{
	union bpf_attr a = {
	    .prog_type = type,
	    .insn_cnt = (uint32_t)n,
	};

	a.insns = ptr(insn);
	a.license = ptr("BSD-2-Clause");
	memcpy(a.prog_name, name, strnlen(name, BPF_OBJ_NAME_LEN - 1));
	return call(BPF_PROG_LOAD, &a);
}
