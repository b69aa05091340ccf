// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The other half of link_a.bpf.c. */
#include "bpf/lib/helpers.h"

struct pair {
	u32 a, b;
	struct pair *next;
};

extern struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, u64);
} counts __attribute__((section(".maps")));

extern u64 seen;

u32 limit = 20;
u64 apart = 7;
static volatile u64 calls;

/* Stronger than the one of the other object. */
__attribute__((noinline)) int scale(int v)
{
	asm volatile("" : "+r"(v));
	return v * 10;
}

static __attribute__((noinline)) int helper(int v)
{
	asm volatile("" : "+r"(v));
	calls += 2;
	return v + 2;
}

__attribute__((noinline)) int twice(struct pair *p)
{
	if (!p)
		return 0;
	return helper(p->a + p->b) * 2;
}

static long each(void *map, u32 *key, u64 *value, void *arg)
{
	(void)map;
	(void)key;
	(void)arg;
	seen += *value;
	return 0;
}

SEC("xdp")
int second(struct xdp_md *ctx)
{
	u32 key = 1;
	u64 *v = bpf_map_lookup_elem(&counts, &key);

	(void)ctx;
	bpf_for_each_map_elem(&counts, each, 0, 0);
	if (v)
		*v += 40;
	return calls + helper(scale(1));
}

char _license[] SEC("license") = "Dual BSD/GPL";
