// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Map types as programs see them. */
#include "bpf/lib/helpers.h"

/* Casts to s32: the map operations of Linux before 6.4 return an int, of which the
 * upper half may be anything. */
s64 out[12];

#define MAP(name, kind, entries, key_type, value_type) \
	struct {                                       \
		__uint(type, kind);                    \
		__uint(max_entries, entries);          \
		__type(key, key_type);                 \
		__type(value, value_type);             \
	} name SEC(".maps")

MAP(hash, BPF_MAP_TYPE_HASH, 3, u32, u64);
MAP(array, BPF_MAP_TYPE_ARRAY, 4, u32, u64);
MAP(lru, BPF_MAP_TYPE_LRU_HASH, 64, u32, u64);
MAP(percpu_hash, BPF_MAP_TYPE_PERCPU_HASH, 4, u32, u64);

struct prefix {
	u32 bits;
	u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, u32);
} routes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 3);
	__uint(key_size, 0);
	__uint(value_size, 4);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 3);
	__uint(key_size, 0);
	__uint(value_size, 4);
} stack SEC(".maps");

/* Every kind of update and delete, and the errors they give. */
SEC("xdp")
int updates(struct xdp_md *ctx)
{
	(void)ctx;
	u32 k = 1;
	u64 v = 10;
	out[0] = (s32)bpf_map_update_elem(&hash, &k, &v, BPF_EXIST);
	out[1] = (s32)bpf_map_update_elem(&hash, &k, &v, BPF_NOEXIST);
	out[2] = (s32)bpf_map_update_elem(&hash, &k, &v, BPF_NOEXIST);
	k = 2;
	bpf_map_update_elem(&hash, &k, &v, BPF_ANY);
	k = 3;
	bpf_map_update_elem(&hash, &k, &v, BPF_ANY);
	k = 4;
	out[3] = (s32)bpf_map_update_elem(&hash, &k, &v, BPF_ANY);
	k = 2;
	out[4] = (s32)bpf_map_delete_elem(&hash, &k);
	out[5] = (s32)bpf_map_delete_elem(&hash, &k);
	out[6] = !bpf_map_lookup_elem(&hash, &k);
	k = 9;
	out[7] = (s32)bpf_map_update_elem(&array, &k, &v, BPF_ANY);
	k = 3;
	out[8] = (s32)bpf_map_update_elem(&array, &k, &v, BPF_NOEXIST);
	out[9] = (s32)bpf_map_update_elem(&array, &k, &v, BPF_ANY);
	out[10] = (s32)bpf_map_delete_elem(&array, &k);
	return XDP_PASS;
}

/* A value may be changed in place, and a second lookup sees it. */
SEC("xdp")
int in_place(struct xdp_md *ctx)
{
	(void)ctx;
	u32 k = 7;
	u64 v = 1;
	bpf_map_update_elem(&hash, &k, &v, BPF_ANY);
	u64 *p = bpf_map_lookup_elem(&hash, &k);
	if (!p)
		return XDP_ABORTED;
	*p = 5;
	__sync_fetch_and_add(p, 6);
	u64 *q = bpf_map_lookup_elem(&hash, &k);
	out[0] = q ? *q : 0;
	out[1] = p == q;
	return XDP_PASS;
}

/* Many more keys than there is room for: the newest is always found. */
SEC("xdp")
int evict(struct xdp_md *ctx)
{
	(void)ctx;
	s64 failed = 0, found = 0;
	for (u32 i = 0; i < 512; i++) {
		u32 k = i;
		u64 v = i;
		failed += bpf_map_update_elem(&lru, &k, &v, BPF_ANY) != 0;
		u64 *p = bpf_map_lookup_elem(&lru, &k);
		found += p && *p == i;
	}
	out[0] = failed;
	out[1] = found;
	return XDP_PASS;
}

SEC("xdp")
int longest_prefix(struct xdp_md *ctx)
{
	struct prefix p = {32, {}};
	void *data = ctx_pointer(ctx->data);
	if (data + 34 > ctx_pointer(ctx->data_end))
		return XDP_ABORTED;
	memcpy(p.address, data + 30, 4); /* the IPv4 destination */
	u32 *hop = bpf_map_lookup_elem(&routes, &p);
	out[0] = hop ? *hop : -1;
	return XDP_PASS;
}

SEC("xdp")
int push_and_pop(struct xdp_md *ctx)
{
	(void)ctx;
	u32 v = 0;
	for (u32 i = 1; i <= 4; i++) {
		u32 n = i;
		out[0] = (s32)bpf_map_push_elem(&queue, &n, 0);
		out[1] = (s32)bpf_map_push_elem(&stack, &n, 0);
	}
	u32 five = 5;
	out[2] = (s32)bpf_map_push_elem(&queue, &five, BPF_EXIST); /* makes room */
	bpf_map_peek_elem(&queue, &v);
	out[3] = v;
	bpf_map_pop_elem(&queue, &v);
	out[4] = v;
	bpf_map_pop_elem(&stack, &v);
	out[5] = v;
	bpf_map_pop_elem(&stack, &v);
	bpf_map_pop_elem(&stack, &v);
	out[6] = v;
	out[7] = (s32)bpf_map_pop_elem(&stack, &v);
	out[8] = v;
	return XDP_PASS;
}

SEC("xdp")
int per_cpu(struct xdp_md *ctx)
{
	(void)ctx;
	u32 k = 1, me = bpf_get_smp_processor_id();
	u64 v = 3;
	out[0] = (s32)bpf_map_update_elem(&percpu_hash, &k, &v, BPF_ANY);
	u64 *p = bpf_map_lookup_elem(&percpu_hash, &k);
	u64 *q = bpf_map_lookup_percpu_elem(&percpu_hash, &k, me);
	if (!p || !q)
		return XDP_ABORTED;
	*p += 4;
	out[1] = *q;
	out[2] = !bpf_map_lookup_percpu_elem(&percpu_hash, &k, 1 << 20);
	return XDP_PASS;
}

/* Maps of maps, with the inner maps that the object names. */
struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 3);
	__type(key, u32);
	__array(values, struct inner);
} outer SEC(".maps") = {
    .values = {[0] = &inner_a, [2] = &inner_b},
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer_hash SEC(".maps") = {
    .values = {[3] = &inner_b},
};

static __always_inline s64 bump(void *map, u64 by)
{
	u32 k = 1;
	if (!map)
		return -1;
	u64 *v = bpf_map_lookup_elem(map, &k);
	if (!v)
		return -2;
	*v += by;
	return *v;
}

SEC("xdp")
int nested(struct xdp_md *ctx)
{
	(void)ctx;
	u32 k = 0;
	out[0] = bump(bpf_map_lookup_elem(&outer, &k), 1);
	k = 1;
	out[1] = bump(bpf_map_lookup_elem(&outer, &k), 2);
	k = 2;
	out[2] = bump(bpf_map_lookup_elem(&outer, &k), 3);
	k = 3;
	out[3] = bump(bpf_map_lookup_elem(&outer_hash, &k), 10);
	k = 4;
	out[4] = bump(bpf_map_lookup_elem(&outer_hash, &k), 10);
	return XDP_PASS;
}

struct guarded {
	struct bpf_spin_lock lock;
	u32 times;
	u64 sum;
};
MAP(guards, BPF_MAP_TYPE_ARRAY, 1, u32, struct guarded);

SEC("tc")
int locked(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct guarded *g = bpf_map_lookup_elem(&guards, &zero);
	if (!g)
		return TC_ACT_SHOT;
	u32 len = skb->len;
	bpf_spin_lock(&g->lock);
	g->times++;
	g->sum += len;
	bpf_spin_unlock(&g->lock);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
