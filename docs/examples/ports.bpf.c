// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Counts packets by protocol and destination port, drops those to one port and
 * those from blocked networks, and tells of each drop.
 */
#include "bpf/lib/helpers.h"
#include "bpf/lib/parse.h"

enum reason {
	REASON_PORT = 1,
	REASON_NETWORK,
};

enum protocol {
	ICMP = 1,
	TCP = 6,
	UDP = 17,
	ICMPV6 = 58,
};

struct service {
	enum protocol protocol;
	be16 port;
	u16 pad;
};

struct traffic {
	u64 packets;
	u64 bytes;
};

struct network {
	u32 bits;
	be32 address;
};

struct drop {
	be32 source;
	be16 port;
	u16 length;
	enum reason reason;
};

/* Set before loading: skep run --set blocked_port=23. */
const volatile be16 blocked_port = 0;
/* The longest frame seen. */
u32 longest;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service);
	__type(value, struct traffic);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct traffic);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 64);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network);
	__type(value, enum reason);
} blocked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} drops SEC(".maps");

static __always_inline void count(const struct packet *p)
{
	u32 zero = 0;
	struct traffic *total = bpf_map_lookup_elem(&totals, &zero);
	if (total) {
		total->packets++;
		total->bytes += p->length;
	}
	if (p->length > longest)
		longest = p->length;

	struct service key = {p->protocol, net16(p->destination_port), 0};
	struct traffic *seen = bpf_map_lookup_elem(&services, &key);
	if (seen) {
		__sync_fetch_and_add(&seen->packets, 1);
		__sync_fetch_and_add(&seen->bytes, p->length);
		return;
	}
	struct traffic first = {1, p->length};
	bpf_map_update_elem(&services, &key, &first, BPF_NOEXIST);
}

static __always_inline enum reason judge(const struct packet *p)
{
	if (blocked_port && p->destination_port == net16(blocked_port))
		return REASON_PORT;
	if (p->family != 4)
		return 0;
	struct network from = {32, p->source.words[3]};
	enum reason *why = bpf_map_lookup_elem(&blocked, &from);
	return why ? *why : 0;
}

static __always_inline bool drop(void *data, void *end)
{
	struct packet p = {};
	p.length = end - data;
	parse_packet(data, end, &p);
	if (!(p.flags & PACKET_L3))
		return false;
	count(&p);
	enum reason why = judge(&p);
	if (!why)
		return false;
	struct drop d = {p.source.words[3], net16(p.destination_port), p.length, why};
	bpf_ringbuf_output(&drops, &d, sizeof(d), 0);
	static const char format[] = "dropped %d bytes to port %d\n";
	bpf_trace_printk(format, sizeof(format), p.length, p.destination_port);
	return true;
}

SEC("xdp")
int ports_xdp(struct xdp_md *ctx)
{
	return drop(ctx_pointer(ctx->data), ctx_pointer(ctx->data_end)) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int ports_tc(struct __sk_buff *skb)
{
	return drop(ctx_pointer(skb->data), ctx_pointer(skb->data_end)) ? TC_ACT_SHOT : TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
