// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* XDP programs: counting, globals, and packets that grow and shrink. */
#include "bpf/lib/helpers.h"
#include "bpf/lib/net.h"

struct counter {
	u64 packets;
	u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, struct counter);
} by_type SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} total SEC(".maps");

const volatile u32 verdict = XDP_PASS; /* .rodata */
u32 threshold = 60;                    /* .data */
u64 seen;                              /* .bss */
u32 fields[6];

/* Counts by EtherType; the packet goes the way verdict says. */
SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	u32 type = host16(eth->protocol), zero = 0;
	struct counter *c = bpf_map_lookup_elem(&by_type, &type);
	if (c) {
		__sync_fetch_and_add(&c->packets, 1);
		__sync_fetch_and_add(&c->bytes, end - data);
	} else {
		struct counter first = {1, end - data};
		if (bpf_map_update_elem(&by_type, &type, &first, BPF_NOEXIST))
			return XDP_ABORTED;
	}
	u64 *t = bpf_map_lookup_elem(&total, &zero);
	if (t)
		*t += 1;
	return verdict;
}

/* Drops what is longer than threshold. */
SEC("xdp")
int longer(struct xdp_md *ctx)
{
	seen++;
	return ctx->data_end - ctx->data > threshold ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int context(struct xdp_md *ctx)
{
	fields[0] = ctx->data_end - ctx->data;
	fields[1] = ctx->data - ctx->data_meta;
	fields[2] = ctx->ingress_ifindex;
	fields[3] = ctx->rx_queue_index;
	return XDP_PASS;
}

/* Puts an IPv4 header of its own before the packet's (RFC 2003). */
SEC("xdp")
int encapsulate(struct xdp_md *ctx)
{
	struct ethernet old;
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	if (data + sizeof(old) > end)
		return XDP_ABORTED;
	memcpy(&old, data, sizeof(old));
	u16 inner = end - data - sizeof(old);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct ipv4)))
		return XDP_ABORTED;
	data = ctx_pointer(ctx->data);
	end = ctx_pointer(ctx->data_end);
	struct ipv4 *ip = data + sizeof(old);
	if ((void *)(ip + 1) > end)
		return XDP_ABORTED;
	memcpy(data, &old, sizeof(old));
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->length = net16(inner + sizeof(*ip));
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->source = net32(0xac100001);
	ip->destination = net32(0xac100002);
	u32 sum = 0;
	for (u32 i = 0; i < sizeof(*ip) / 2; i++)
		sum += ((u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->checksum = ~(sum + (sum >> 16));
	return XDP_TX;
}

/* Takes the outer IPv4 header off. */
SEC("xdp")
int decapsulate(struct xdp_md *ctx)
{
	struct ethernet old;
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	if (data + sizeof(old) > end)
		return XDP_ABORTED;
	memcpy(&old, data, sizeof(old));
	if (bpf_xdp_adjust_head(ctx, sizeof(struct ipv4)))
		return XDP_ABORTED;
	data = ctx_pointer(ctx->data);
	end = ctx_pointer(ctx->data_end);
	if (data + sizeof(old) > end)
		return XDP_ABORTED;
	memcpy(data, &old, sizeof(old));
	return XDP_PASS;
}

s32 delta; /* for the next three */
s64 error;

SEC("xdp")
int head(struct xdp_md *ctx)
{
	error = bpf_xdp_adjust_head(ctx, delta);
	return XDP_PASS;
}

SEC("xdp")
int tail(struct xdp_md *ctx)
{
	error = bpf_xdp_adjust_tail(ctx, delta);
	return XDP_PASS;
}

SEC("xdp")
int meta(struct xdp_md *ctx)
{
	error = bpf_xdp_adjust_meta(ctx, delta);
	if (error)
		return XDP_PASS;
	u32 *m = ctx_pointer(ctx->data_meta);
	void *data = ctx_pointer(ctx->data);
	if ((void *)(m + 1) <= data)
		*m = 0x12345678;
	fields[1] = ctx->data - ctx->data_meta;
	return XDP_PASS;
}

/* Puts a VLAN tag in by hand and takes it out again. */
SEC("xdp")
int tag(struct xdp_md *ctx)
{
	struct {
		u8 macs[12];
		struct vlan_tag tag;
	} h;
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	if (data + sizeof(struct ethernet) > end)
		return XDP_ABORTED;
	memcpy(h.macs, data, 12);
	if (((struct ethernet *)data)->protocol == NET16(ETH_P_8021Q)) {
		if (bpf_xdp_adjust_head(ctx, sizeof(h.tag)))
			return XDP_ABORTED;
		data = ctx_pointer(ctx->data);
		end = ctx_pointer(ctx->data_end);
		if (data + 12 > end)
			return XDP_ABORTED;
		memcpy(data, h.macs, 12);
		return XDP_TX;
	}
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(h.tag)))
		return XDP_ABORTED;
	data = ctx_pointer(ctx->data);
	end = ctx_pointer(ctx->data_end);
	if (data + sizeof(h) > end)
		return XDP_ABORTED;
	h.tag.tci = net16(42);
	h.tag.protocol = NET16(ETH_P_8021Q);
	/* The tag's place is after the addresses, its protocol before its tci:
	 * what is the packet's type stays where it is. */
	memcpy(data, h.macs, 12);
	*(be16 *)(data + 12) = h.tag.protocol;
	*(be16 *)(data + 14) = h.tag.tci;
	return XDP_TX;
}

u32 where;
u8 copied[8];

SEC("xdp")
int copy_bytes(struct xdp_md *ctx)
{
	error = bpf_xdp_load_bytes(ctx, where, copied, sizeof(copied));
	if (!error)
		error = bpf_xdp_store_bytes(ctx, where + 1, copied, sizeof(copied));
	seen = bpf_xdp_get_buff_len(ctx);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
