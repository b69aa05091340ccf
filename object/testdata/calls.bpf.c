// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Subprograms: static, global, in .text and beside programs, by call and by
 * pointer, and shared by two programs. */
#include "bpf/lib/helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} sums SEC(".maps");

u32 rounds = 3;
const volatile u64 step = 5;
static u64 hidden_total;

static __noinline u64 add(u64 a, u64 b)
{
	return a + b;
}

__noinline u64 twice(u64 a)
{
	return add(a, a);
}

struct state {
	u64 sum;
};

static long each(u32 i, struct state *s)
{
	s->sum = add(s->sum, i * step);
	return 0;
}

SEC("xdp")
int sum_xdp(struct xdp_md *ctx)
{
	struct state s = {};
	u32 key = 1;
	u64 *sum;

	(void)ctx;
	bpf_loop(rounds, each, &s, 0);
	sum = bpf_map_lookup_elem(&sums, &key);
	if (sum)
		*sum = twice(s.sum);
	hidden_total += s.sum;
	return XDP_PASS;
}

SEC("tc")
int sum_tc(struct __sk_buff *skb)
{
	return twice(skb->len);
}

char _license[] SEC("license") = "Dual BSD/GPL";
