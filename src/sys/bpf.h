/* SPDX-License-Identifier: BSD-2-Clause
 *
 * bpf(2), the few commands that are needed, without a library. Descriptors are
 * close-on-exec; all functions return negative errno on failure.
 */
#pragma once
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

int bpf_array_new(const char *name, uint32_t value_size, uint32_t n);
int bpf_map_get(int map, uint32_t key, void *value);
int bpf_map_put(int map, uint32_t key, const void *value);
int bpf_map_by_id(uint32_t id);
int bpf_map_info(int map, struct bpf_map_info *ret);
/* `insn`: n instructions of 8 bytes. */
int bpf_prog_new(
    enum bpf_prog_type type, const char *name, const uint64_t *insn, size_t n);
