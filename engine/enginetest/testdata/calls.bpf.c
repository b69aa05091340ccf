// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Calls: subprograms, tail calls, callbacks. */
#include "bpf/lib/helpers.h"

u64 out[8];
u32 depth;
u32 rounds = 5;

struct pair {
	u64 low;
	u64 high;
};

__noinline int fibonacci_step(struct pair *p)
{
	if (!p)
		return -1;
	u64 next = p->low + p->high;
	p->low = p->high;
	p->high = next;
	return 0;
}

static __noinline u64 sum5(u64 a, u64 b, u64 c, u64 d, u64 e)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e;
}

/* Registers r6 to r9 and the stack are the caller's own. */
static __noinline u64 spend(u64 n)
{
	volatile u64 filler[16];
	for (int i = 0; i < 16; i++)
		filler[i] = n + i;
	return filler[15] + sum5(n, filler[1], filler[2], filler[3], filler[4]);
}

SEC("xdp")
int subprograms(struct xdp_md *ctx)
{
	struct pair pair = {0, 1};
	u64 keep = ctx->data_end - ctx->data;
	for (int i = 0; i < 30; i++)
		fibonacci_step(&pair);
	out[0] = pair.low;
	out[1] = sum5(1, 2, 3, 4, 5);
	out[2] = spend(keep);
	out[3] = keep;
	return XDP_PASS;
}

int second(struct xdp_md *ctx);
int countdown(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 4);
	__uint(key_size, sizeof(u32));
	__array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {
    .values =
	{
	    [1] = (void *)&second,
	    [2] = (void *)&countdown,
	},
};

SEC("xdp")
int second(struct xdp_md *ctx)
{
	out[0] = 2;
	out[1] = ctx->data_end - ctx->data;
	return XDP_TX;
}

/* Calls itself until the limit of tail calls, then falls through. */
SEC("xdp")
int countdown(struct xdp_md *ctx)
{
	depth++;
	bpf_tail_call(ctx, &jumps, 2);
	return XDP_DROP;
}

u32 slot;

SEC("xdp")
int jump(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, slot);
	out[0] = 1;
	return XDP_PASS;
}

static __noinline int jump_from_below(struct xdp_md *ctx)
{
	volatile int ret = 7;
	bpf_tail_call(ctx, &jumps, slot);
	barrier();
	return ret;
}

/* A tail call in a subprogram ends that subprogram, not its caller. */
SEC("xdp")
int below(struct xdp_md *ctx)
{
	int ret = jump_from_below(ctx);
	out[2] = ret;
	return XDP_PASS;
}

struct gathered {
	u64 sum;
	u32 stop;
};

static long gather(u32 i, struct gathered *g)
{
	g->sum += i;
	return i == g->stop;
}

SEC("xdp")
int loop(struct xdp_md *ctx)
{
	(void)ctx;
	struct gathered g = {0, 0xffffffff};
	out[0] = bpf_loop(rounds, gather, &g, 0);
	out[1] = g.sum;
	g.sum = 0;
	g.stop = 2;
	out[2] = bpf_loop(rounds, gather, &g, 0);
	out[3] = g.sum;
	/* Verifiers that inline the loop give 32 bits of this error. */
	out[4] = (s32)bpf_loop(1 << 24, gather, &g, 0);
	out[5] = bpf_loop(1, gather, &g, 1);
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} numbers SEC(".maps");

static long add_up(void *map, u32 *key, u64 *value, struct gathered *g)
{
	(void)map;
	g->sum += *value * (*key + 1);
	*value += 100;
	return *key == g->stop;
}

SEC("xdp")
int each(struct xdp_md *ctx)
{
	(void)ctx;
	struct gathered g = {0, 0xffffffff};
	out[0] = bpf_for_each_map_elem(&numbers, add_up, &g, 0);
	out[1] = g.sum;
	g.sum = 0;
	g.stop = 1;
	out[2] = bpf_for_each_map_elem(&numbers, add_up, &g, 0);
	out[3] = g.sum;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
