// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Weak maps and variables, as headers define what several objects share. */
#include "bpf/lib/helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, u64);
} shared SEC(".maps") __attribute__((weak));

__attribute__((weak)) u32 rounds = 7;

SEC("socket")
int count(void *ctx)
{
	u32 key = rounds % 3;
	u64 *v = bpf_map_lookup_elem(&shared, &key);

	(void)ctx;
	return v ? *v : rounds;
}

char _license[] SEC("license") = "Dual BSD/GPL";
