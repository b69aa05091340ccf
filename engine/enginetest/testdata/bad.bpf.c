// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs that reach for memory that is not theirs. */
#include "bpf/lib/helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} one SEC(".maps");

u32 distance = 40;

SEC("xdp")
int null_pointer(struct xdp_md *ctx)
{
	(void)ctx;
	u32 far = 7;
	u64 *v = bpf_map_lookup_elem(&one, &far);
	return *v;
}

SEC("xdp")
int past_the_packet(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	return data[200];
}

SEC("xdp")
int past_the_value(struct xdp_md *ctx)
{
	(void)ctx;
	u32 zero = 0;
	u64 *v = bpf_map_lookup_elem(&one, &zero);
	return v ? v[1] : 0;
}

SEC("xdp")
int below_the_stack(struct xdp_md *ctx)
{
	(void)ctx;
	volatile u8 small[8] = {};
	u32 i = distance;
	barrier_var(i);
	return *(small - 600 - i);
}

SEC("xdp")
int stale_pointer(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	if ((void *)(data + 20) > ctx_pointer(ctx->data_end))
		return XDP_PASS;
	if (bpf_xdp_adjust_tail(ctx, -46))
		return XDP_ABORTED;
	return data[19];
}

SEC("xdp")
int write_to_context(struct xdp_md *ctx)
{
	ctx->rx_queue_index = 5;
	return XDP_PASS;
}

SEC("xdp")
int past_the_context(struct xdp_md *ctx)
{
	return ((volatile u32 *)ctx)[100];
}

SEC("xdp")
int made_up_pointer(struct xdp_md *ctx)
{
	(void)ctx;
	volatile u64 *p = (void *)0xdead0000;
	*p = 1;
	return XDP_PASS;
}

SEC("xdp")
int forever(struct xdp_md *ctx)
{
	for (volatile u32 i = 0; i < 10; i += ctx->ingress_ifindex & 0)
		;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
