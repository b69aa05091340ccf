// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs with maps, and two that resemble what people run: an L4 load
 * balancer that answers directly, and a flow meter. Each leaves its packet such
 * that the next run does the same again. */
#include "bpf/lib/helpers.h"
#include "bpf/lib/net.h"

#define MAP(name, kind, n, k, v, f)     \
	struct {                        \
		__uint(type, kind);     \
		__uint(max_entries, n); \
		__uint(map_flags, f);   \
		__type(key, k);         \
		__type(value, v);       \
	} name SEC(".maps")

struct prefix {
	u32 length;
	be32 address;
};

MAP(counts, BPF_MAP_TYPE_ARRAY, 256, u32, u64, 0);
MAP(totals, BPF_MAP_TYPE_PERCPU_ARRAY, 8, u32, u64, 0);
MAP(hash, BPF_MAP_TYPE_HASH, 10000, u32, u64, 0);
MAP(lru, BPF_MAP_TYPE_LRU_HASH, 10000, u32, u64, 0);
MAP(routes, BPF_MAP_TYPE_LPM_TRIE, 1000, struct prefix, u32, 1);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} chain SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 26);
} events SEC(".maps");

SEC("xdp")
int parse_count(struct xdp_md *ctx)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end || eth->protocol != NET16(ETH_P_IP))
		return XDP_PASS;
	struct ipv4 *ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	u32 key = ip->protocol;
	u64 *n = bpf_map_lookup_elem(&counts, &key);
	if (n)
		*n += 1;
	return XDP_PASS;
}

SEC("xdp")
int percpu_count(struct xdp_md *ctx)
{
	u32 key = 3;
	u64 *n = bpf_map_lookup_elem(&totals, &key);
	if (n)
		*n += 1;
	return XDP_PASS;
}

SEC("xdp")
int hash_lookup(struct xdp_md *ctx)
{
	u32 key = 77;
	u64 *n = bpf_map_lookup_elem(&hash, &key);
	return n ? *n & 0xff : 0;
}

SEC("xdp")
int hash_update(struct xdp_md *ctx)
{
	u32 key = 77;
	u64 *n = bpf_map_lookup_elem(&hash, &key), value = n ? *n : 1;
	return bpf_map_update_elem(&hash, &key, &value, BPF_ANY) ? 0 : XDP_PASS;
}

SEC("xdp")
int lru_lookup(struct xdp_md *ctx)
{
	u32 key = 77;
	u64 *n = bpf_map_lookup_elem(&lru, &key);
	return n ? *n & 0xff : 0;
}

SEC("xdp")
int lpm_lookup(struct xdp_md *ctx)
{
	struct prefix key = {32, 0x0100000a};
	u32 *n = bpf_map_lookup_elem(&routes, &key);
	return n ? *n & 0xff : 0;
}

SEC("xdp")
int tail_calls(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &chain, 0);
	return XDP_PASS;
}

SEC("xdp")
int ring_output(struct xdp_md *ctx)
{
	u64 *r = bpf_ringbuf_reserve(&events, 48, 0);
	if (!r)
		return XDP_DROP;
	r[0] = 1;
	r[5] = 2;
	bpf_ringbuf_discard(r, 1 /* BPF_RB_NO_WAKEUP */);
	return XDP_PASS;
}

struct flow {
	be32 source, destination;
	be16 source_port, destination_port;
	u32 protocol;
};

struct vip {
	be32 address;
	be16 port;
	u16 protocol;
};

struct backends {
	u32 first, count;
};

struct backend {
	u8 mac[6];
	u16 up;
	u64 packets;
};

MAP(vips, BPF_MAP_TYPE_HASH, 256, struct vip, struct backends, 0);
MAP(connections, BPF_MAP_TYPE_LRU_HASH, 65536, struct flow, u32, 0);
MAP(backends_of, BPF_MAP_TYPE_ARRAY, 1024, u32, struct backend, 0);

static __always_inline bool parse_flow(struct xdp_md *ctx, struct flow *f, u32 *size)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end || eth->protocol != NET16(ETH_P_IP))
		return false;
	struct ipv4 *ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end || (ip->version_ihl & 0xf) != 5)
		return false;
	if (ip->fragment & NET16(0x3fff))
		return false;
	if (ip->protocol != 6 && ip->protocol != 17)
		return false;
	be16 *ports = (void *)(ip + 1);
	if ((void *)(ports + 2) > end)
		return false;
	f->source = ip->source;
	f->destination = ip->destination;
	f->source_port = ports[0];
	f->destination_port = ports[1];
	f->protocol = ip->protocol;
	*size = host16(ip->length);
	return true;
}

static __always_inline u32 hash_of(const struct flow *f)
{
	u32 h = f->source ^ f->destination * 0x85ebca6b;
	h ^= ((u32)f->source_port << 16 | f->destination_port) * 0xc2b2ae35;
	h ^= h >> 15;
	h *= 0x2c1b3c6d;
	return h ^ h >> 12;
}

SEC("xdp")
int balancer(struct xdp_md *ctx)
{
	struct flow f = {};
	u32 size;
	if (!parse_flow(ctx, &f, &size))
		return XDP_PASS;
	struct vip v = {f.destination, f.destination_port, f.protocol};
	struct backends *set = bpf_map_lookup_elem(&vips, &v);
	if (!set || !set->count)
		return XDP_PASS;
	u32 choice;
	u32 *known = bpf_map_lookup_elem(&connections, &f);
	if (known) {
		choice = *known;
	} else {
		choice = set->first + hash_of(&f) % set->count;
		bpf_map_update_elem(&connections, &f, &choice, BPF_ANY);
	}
	struct backend *b = bpf_map_lookup_elem(&backends_of, &choice);
	if (!b || !b->up)
		return XDP_DROP;
	__sync_fetch_and_add(&b->packets, 1);
	struct ethernet *eth = ctx_pointer(ctx->data);
	if ((void *)(eth + 1) > ctx_pointer(ctx->data_end))
		return XDP_ABORTED;
	memcpy(eth->source, eth->destination, 6);
	memcpy(eth->destination, b->mac, 6);
	return XDP_TX;
}

struct meter {
	u64 packets, bytes, first, last;
};

MAP(flows, BPF_MAP_TYPE_LRU_HASH, 65536, struct flow, struct meter, 0);
MAP(sizes, BPF_MAP_TYPE_PERCPU_ARRAY, 32, u32, u64, 0);

SEC("xdp")
int meter(struct xdp_md *ctx)
{
	struct flow f = {};
	u32 size;
	if (!parse_flow(ctx, &f, &size))
		return XDP_PASS;
	u64 now = bpf_ktime_get_ns();
	struct meter *m = bpf_map_lookup_elem(&flows, &f);
	if (m) {
		__sync_fetch_and_add(&m->packets, 1);
		__sync_fetch_and_add(&m->bytes, size);
		m->last = now;
	} else {
		struct meter fresh = {1, size, now, now};
		bpf_map_update_elem(&flows, &f, &fresh, BPF_NOEXIST);
	}
	u32 slot = size >> 6 & 31;
	u64 *n = bpf_map_lookup_elem(&sizes, &slot);
	if (n)
		*n += 1;
	return XDP_PASS;
}
