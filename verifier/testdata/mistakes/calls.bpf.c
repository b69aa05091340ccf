// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Common mistakes with helpers, references, locks and loops, each with its
 * mended twin (…_mended).
 */
#include "bpf/lib/helpers.h"

struct event {
	u64 time;
	u32 kind;
};

struct guarded {
	struct bpf_spin_lock lock;
	u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct guarded);
} guard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

/* Room was reserved and is given back on one path only. */
SEC("xdp")
int reference_kept(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return XDP_PASS;
	e->time = bpf_ktime_get_ns();
	e->kind = ctx->rx_queue_index;
	if (e->kind == 7)
		return XDP_DROP;
	bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

SEC("xdp")
int reference_kept_mended(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return XDP_PASS;
	e->time = bpf_ktime_get_ns();
	e->kind = ctx->rx_queue_index;
	if (e->kind == 7) {
		bpf_ringbuf_discard(e, 0);
		return XDP_DROP;
	}
	bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

/* The record is the reader's as soon as it is submitted. */
SEC("xdp")
int used_after_release(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return XDP_PASS;
	e->time = bpf_ktime_get_ns();
	bpf_ringbuf_submit(e, 0);
	e->kind = 1;
	return XDP_PASS;
}

SEC("xdp")
int used_after_release_mended(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return XDP_PASS;
	e->time = bpf_ktime_get_ns();
	e->kind = 1;
	bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

/* Given back twice. */
SEC("xdp")
int released_twice(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return XDP_PASS;
	if (ctx->rx_queue_index)
		bpf_ringbuf_discard(e, 0);
	bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

SEC("xdp")
int released_twice_mended(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (!e)
		return XDP_PASS;
	if (ctx->rx_queue_index)
		bpf_ringbuf_discard(e, 0);
	else
		bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

/* What was reserved may not have been. */
SEC("xdp")
int null_argument(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

SEC("xdp")
int null_argument_mended(struct xdp_md *ctx)
{
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);

	if (e)
		bpf_ringbuf_submit(e, 0);
	return XDP_PASS;
}

/* Programs of this type may not call it. */
SEC("xdp")
int wrong_helper(struct xdp_md *ctx)
{
	u8 bytes[4];

	return bpf_skb_load_bytes(ctx, 0, bytes, sizeof(bytes)) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int wrong_helper_mended(struct xdp_md *ctx)
{
	u8 bytes[4];

	return bpf_xdp_load_bytes(ctx, 0, bytes, sizeof(bytes)) ? XDP_DROP : XDP_PASS;
}

/* The map is given where the key should be. */
SEC("xdp")
int swapped_arguments(struct xdp_md *ctx)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&key, &counts) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int swapped_arguments_mended(struct xdp_md *ctx)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&counts, &key) ? XDP_DROP : XDP_PASS;
}

/* Ring buffers have no elements to look up. */
SEC("xdp")
int wrong_map(struct xdp_md *ctx)
{
	u32 key = 0;

	return bpf_map_lookup_elem(&events, &key) ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int wrong_map_mended(struct xdp_md *ctx)
{
	struct event e = {};

	return bpf_ringbuf_output(&events, &e, sizeof(e), 0) ? XDP_DROP : XDP_PASS;
}

/* The lock is still held on one way out. */
SEC("tc")
int lock_kept(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct guarded *g = bpf_map_lookup_elem(&guard, &zero);

	if (!g)
		return TC_ACT_OK;
	bpf_spin_lock(&g->lock);
	if (g->count++ > 10)
		return TC_ACT_SHOT;
	bpf_spin_unlock(&g->lock);
	return TC_ACT_OK;
}

SEC("tc")
int lock_kept_mended(struct __sk_buff *skb)
{
	u32 zero = 0, count;
	struct guarded *g = bpf_map_lookup_elem(&guard, &zero);

	if (!g)
		return TC_ACT_OK;
	bpf_spin_lock(&g->lock);
	count = g->count++;
	bpf_spin_unlock(&g->lock);
	return count > 10 ? TC_ACT_SHOT : TC_ACT_OK;
}

/* Nothing may be called while a lock is held. */
SEC("tc")
int call_under_lock(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct guarded *g = bpf_map_lookup_elem(&guard, &zero);

	if (!g)
		return TC_ACT_OK;
	bpf_spin_lock(&g->lock);
	g->count = bpf_get_prandom_u32();
	bpf_spin_unlock(&g->lock);
	return TC_ACT_OK;
}

SEC("tc")
int call_under_lock_mended(struct __sk_buff *skb)
{
	u32 zero = 0, random;
	struct guarded *g = bpf_map_lookup_elem(&guard, &zero);

	if (!g)
		return TC_ACT_OK;
	random = bpf_get_prandom_u32();
	bpf_spin_lock(&g->lock);
	g->count = random;
	bpf_spin_unlock(&g->lock);
	return TC_ACT_OK;
}

/* A lock is no number. */
SEC("tc")
int lock_as_data(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct guarded *g = bpf_map_lookup_elem(&guard, &zero);

	if (g)
		*(volatile u64 *)g = 0;
	return TC_ACT_OK;
}

SEC("tc")
int lock_as_data_mended(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct guarded *g = bpf_map_lookup_elem(&guard, &zero);

	if (g)
		*(volatile u32 *)&g->count = 0;
	return TC_ACT_OK;
}

/* The condition never changes. */
SEC("socket")
int endless_loop(struct __sk_buff *skb)
{
	u32 mark = skb->mark;

	while (mark)
		asm volatile("" ::: "memory");
	return 0;
}

SEC("socket")
int endless_loop_mended(struct __sk_buff *skb)
{
	u32 mark = skb->mark & 255;

	while (mark) {
		asm volatile("" : "+r"(mark));
		mark--;
		if (mark > 255)
			break;
	}
	return 0;
}

/* So long a loop that the verifier gives up. */
SEC("socket")
int long_loop(struct __sk_buff *skb)
{
	u32 sum = 0;

	for (u32 i = 0; i < 10 * 1000 * 1000; i++)
		asm volatile("%0 += %1" : "+r"(sum) : "r"(i));
	return sum;
}

static long add(u32 i, u32 *sum)
{
	*sum += i;
	return 0;
}

SEC("socket")
int long_loop_mended(struct __sk_buff *skb)
{
	u32 sum = 0;

	bpf_loop(1000 * 1000, add, &sum, 0);
	return sum;
}

static __noinline u32 factorial(u32 n)
{
	volatile u32 less = n - 1;

	return n <= 1 ? 1 : n * factorial(less) + less;
}

/* Functions may not call themselves. */
SEC("socket")
int recursion(struct __sk_buff *skb)
{
	return factorial(skb->len & 7);
}

SEC("socket")
int recursion_mended(struct __sk_buff *skb)
{
	u32 product = 1;

	for (u32 i = 2; i <= (skb->len & 7); i++)
		product *= i;
	return product;
}

static __noinline u32 inner(u32 n)
{
	volatile u8 buffer[300];

	buffer[n & 255] = n;
	return buffer[0];
}

/* Frames add up: 300 and 300 bytes. */
SEC("socket")
int deep_stack(struct __sk_buff *skb)
{
	volatile u8 buffer[300];

	buffer[skb->len & 255] = 1;
	return inner(skb->len) + buffer[0];
}

SEC("socket")
int deep_stack_mended(struct __sk_buff *skb)
{
	return inner(skb->len);
}

/* The assembly reads n, and says that it only writes it. */
SEC("socket")
int no_value(struct __sk_buff *skb)
{
	u32 n;

	asm volatile("%0 += 1" : "=r"(n));
	return n;
}

SEC("socket")
int no_value_mended(struct __sk_buff *skb)
{
	u32 n = skb->len;

	asm volatile("%0 += 1" : "+r"(n));
	return n;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
