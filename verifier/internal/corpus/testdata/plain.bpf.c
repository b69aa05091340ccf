// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs without expectations: the kernel's verdict stands in. */
#include "bpf/lib/helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

SEC("socket")
int good(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("socket")
int bad(void *ctx)
{
	u32 key = 1;

	(void)ctx;
	return *(u64 *)bpf_map_lookup_elem(&counts, &key);
}

char _license[] SEC("license") = "Dual BSD/GPL";
