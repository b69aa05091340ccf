// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Common mistakes with packets and contexts, each with its mended twin
 * (…_mended).
 */
#include "bpf/lib/helpers.h"

struct ports {
	be16 source, destination;
};

/* Nothing says how long the packet is. */
SEC("xdp")
int no_check(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);

	return data[12] == 8 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int no_check_mended(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 13 > end)
		return XDP_PASS;
	return data[12] == 8 ? XDP_PASS : XDP_DROP;
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

SEC("xdp")
int short_check_mended(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 + 20 > end)
		return XDP_PASS;
	return data[23] == 6 ? XDP_DROP : XDP_PASS;
}

/* The comparison is the wrong way round. */
SEC("xdp")
int inverted_check(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 <= end)
		return XDP_PASS;
	return data[0] ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int inverted_check_mended(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 > end)
		return XDP_PASS;
	return data[0] ? XDP_DROP : XDP_PASS;
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

SEC("xdp")
int stale_pointer_mended(struct xdp_md *ctx)
{
	if (bpf_xdp_adjust_head(ctx, 4))
		return XDP_ABORTED;
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 > end)
		return XDP_PASS;
	return data[0] ? XDP_DROP : XDP_PASS;
}

/* The header's length comes from the packet and is added after the check. */
SEC("xdp")
int variable_header(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 + 20 + 4 > end)
		return XDP_PASS;
	u64 length = (data[14] & 15) * 4;
	struct ports *ports = (void *)(data + 14 + length);
	return ports->destination == 0x5000 ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int variable_header_mended(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);

	if (data + 14 + 20 > end)
		return XDP_PASS;
	u64 length = (data[14] & 15) * 4;
	struct ports *ports = (void *)(data + 14 + length);
	if ((void *)(ports + 1) > (void *)end)
		return XDP_PASS;
	return ports->destination == 0x5000 ? XDP_DROP : XDP_PASS;
}

/* A length of 32 bits is too much to add to a pointer into the packet. */
SEC("xdp")
int wide_offset(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);
	u32 offset = ctx->rx_queue_index;

	data += offset;
	if (data + 1 > end)
		return XDP_PASS;
	return data[0] ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int wide_offset_mended(struct xdp_md *ctx)
{
	u8 *data = ctx_pointer(ctx->data);
	u8 *end = ctx_pointer(ctx->data_end);
	u32 offset = ctx->rx_queue_index;

	if (offset > 1500)
		return XDP_PASS;
	data += offset;
	if (data + 1 > end)
		return XDP_PASS;
	return data[0] ? XDP_DROP : XDP_PASS;
}

/* Programs of this type get no packet data. */
SEC("cgroup_skb/egress")
int context_field(struct __sk_buff *skb)
{
	return skb->wire_len > 100 && skb->tc_classid;
}

SEC("cgroup_skb/egress")
int context_field_mended(struct __sk_buff *skb)
{
	return skb->len > 100;
}

/* Fields of the context that may only be read. */
SEC("xdp")
int context_write(struct xdp_md *ctx)
{
	ctx->rx_queue_index = 0;
	return XDP_PASS;
}

SEC("xdp")
int context_write_mended(struct xdp_md *ctx)
{
	u32 queue = ctx->rx_queue_index;

	return queue ? XDP_PASS : XDP_DROP;
}

/* The offset of a field of the context is no constant. */
SEC("socket")
int context_index(struct __sk_buff *skb)
{
	u32 i = skb->hash & 3;

	return ((volatile struct __sk_buff *)skb)->cb[i];
}

SEC("socket")
int context_index_mended(struct __sk_buff *skb)
{
	volatile struct __sk_buff *v = skb;
	u32 i = skb->hash & 3, zero = v->cb[0], one = v->cb[1];

	return i ? one : zero;
}

/* Compilers merge such accesses into one, of a changed pointer. */
SEC("socket")
int context_merged(struct __sk_buff *skb)
{
	switch (skb->hash & 3) {
	case 0:
		return skb->cb[0];
	case 1:
		return skb->cb[1];
	}
	return skb->cb[2];
}

SEC("socket")
int context_merged_mended(struct __sk_buff *skb)
{
	volatile struct __sk_buff *v = skb;
	u32 zero = v->cb[0], one = v->cb[1], two = v->cb[2];

	switch (skb->hash & 3) {
	case 0:
		return zero;
	case 1:
		return one;
	}
	return two;
}

/* Sockets see packets, but do not change them. */
SEC("cgroup_skb/ingress")
int packet_write(struct __sk_buff *skb)
{
	u8 *data = ctx_pointer(skb->data);
	u8 *end = ctx_pointer(skb->data_end);

	if (data + 1 > end)
		return 1;
	data[0] = 0;
	return 1;
}

SEC("tc")
int packet_write_mended(struct __sk_buff *skb)
{
	u8 *data = ctx_pointer(skb->data);
	u8 *end = ctx_pointer(skb->data_end);

	if (data + 1 > end)
		return 1;
	data[0] = 0;
	return 1;
}

/* The verdict is none that the hook knows. */
SEC("cgroup_skb/ingress")
int return_value(struct __sk_buff *skb)
{
	return skb->len;
}

SEC("cgroup_skb/ingress")
int return_value_mended(struct __sk_buff *skb)
{
	return skb->len > 100;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
