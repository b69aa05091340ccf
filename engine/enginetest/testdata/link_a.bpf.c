// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* One half of a program: link_b.bpf.c has what it leaves to others. */
#include "bpf/lib/helpers.h"

struct pair {
	u32 a, b;
	struct pair *next;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

extern u32 limit;
extern int twice(struct pair *p);

u64 seen = 5;
static volatile u64 calls;

__attribute__((weak, noinline)) int scale(int v)
{
	asm volatile("" : "+r"(v));
	return v * 100;
}

static __attribute__((noinline)) int helper(int v)
{
	asm volatile("" : "+r"(v));
	calls++;
	return v + 1;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	struct pair p = {.a = 3, .b = 4};
	u32 key = 1;
	u64 one = 1;

	(void)ctx;
	bpf_map_update_elem(&counts, &key, &one, 0);
	seen += limit;
	return twice(&p) + scale(helper(1)) + calls;
}

char _license[] SEC("license") = "Dual BSD/GPL";
