// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Programs that Linux refuses, for `skep verify` to explain.
 */
#include "bpf/lib/helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} seen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u8[64]);
} table SEC(".maps");

/* The element may not be there. */
SEC("xdp")
int no_null_check(struct xdp_md *ctx)
{
	u32 key = ctx->ingress_ifindex;
	u64 *count = bpf_map_lookup_elem(&seen, &key);

	*count += 1;
	return XDP_PASS;
}

/* The comparison covers the Ethernet header, not what comes behind it. */
SEC("xdp")
int short_check(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 > end)
		return XDP_PASS;
	return data[23] == 6 ? XDP_DROP : XDP_PASS;
}

/* The helper may move the packet. */
SEC("xdp")
int stale_pointer(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 > end)
		return XDP_PASS;
	if (bpf_xdp_adjust_head(ctx, 4))
		return XDP_ABORTED;
	return data[0] ? XDP_DROP : XDP_PASS;
}

/* The index comes from outside and is not bounded. */
SEC("xdp")
int wild_index(struct xdp_md *ctx)
{
	u32 zero = 0;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	if (!bytes)
		return XDP_PASS;
	return bytes[ctx->rx_queue_index] ? XDP_DROP : XDP_PASS;
}

/* Fine. */
SEC("xdp")
int good(struct xdp_md *ctx)
{
	u32 key = ctx->ingress_ifindex;
	u64 *count = bpf_map_lookup_elem(&seen, &key);

	if (count)
		*count += 1;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
