// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What measures a program that changes its packet: each run puts the packet back
 * as it was, gives it the next flow's source, and calls the program under test.
 */
#include "bpf/lib/helpers.h"
#include "bpf/lib/net.h"

#define BENCH_BYTES 64

struct bench {
	u8 packet[BENCH_BYTES];
	u32 flows; /* a power of two; 0: each run is a new flow */
	u32 next;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct bench);
} bench SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u32);
} bench_programs SEC(".maps");

static __always_inline int run(struct xdp_md *ctx, u32 index)
{
	u32 zero = 0;
	struct bench *b = bpf_map_lookup_elem(&bench, &zero);
	if (!b)
		return XDP_ABORTED;
	long size = ctx_pointer(ctx->data_end) - ctx_pointer(ctx->data);
	if (bpf_xdp_adjust_head(ctx, size - BENCH_BYTES))
		return XDP_ABORTED;
	u8 *data = ctx_pointer(ctx->data);
	if ((void *)(data + BENCH_BYTES) > ctx_pointer(ctx->data_end))
		return XDP_ABORTED;
	memcpy(data, b->packet, BENCH_BYTES);
	/* A multiplicative walk visits the flows in an order that no prefetcher
	 * guesses. */
	u32 n = b->next++;
	u32 flow = b->flows ? (n * 2654435761U >> 7) & (b->flows - 1) : n;
	struct ethernet *eth = (void *)data;
	if (eth->protocol == NET16(ETH_P_IP))
		*(be32 *)(data + 26) = net32(0x0b000000 + flow);
	else
		*(be32 *)(data + 34) = net32(flow);
	bpf_tail_call(ctx, &bench_programs, index);
	return XDP_ABORTED;
}

SEC("xdp")
int bench_test(struct xdp_md *ctx)
{
	return run(ctx, 0);
}

/* The floor: everything but the program under test. */
SEC("xdp")
int bench_floor(struct xdp_md *ctx)
{
	return run(ctx, 1);
}

SEC("xdp")
int bench_pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
