// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Timers in values of maps. */
#include "bpf/lib/helpers.h"

#define CLOCK_MONOTONIC 1

struct bpf_timer {
	u64 opaque[2];
} __attribute__((aligned(8)));

HELPER(long, bpf_timer_init, 169, struct bpf_timer *t, void *map, u64 clock);
HELPER(long, bpf_timer_set_callback, 170, struct bpf_timer *t, void *callback);
HELPER(long, bpf_timer_start, 171, struct bpf_timer *t, u64 nanos, u64 flags);
HELPER(long, bpf_timer_cancel, 172, struct bpf_timer *t);

struct alarm {
	u64 count;
	struct bpf_timer timer;
	u64 limit;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, struct alarm);
} alarms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, u64);
	__type(value, struct alarm);
} named SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

s64 out[12];
u32 slot;
u64 delay = 1000000;

static int ring(void *map, u32 *key, struct alarm *a)
{
	u64 e[2] = {*key, ++a->count};
	bpf_ringbuf_output(&events, e, sizeof(e), 0);
	if (a->count < a->limit)
		bpf_timer_start(&a->timer, delay, 0);
	return 0;
}

static int ring_named(void *map, u64 *key, struct alarm *a)
{
	u64 e[2] = {*key, ++a->count};
	bpf_ringbuf_output(&events, e, sizeof(e), 0);
	return 0;
}

SEC("xdp")
int set(struct xdp_md *ctx)
{
	u32 key = slot;
	struct alarm *a = bpf_map_lookup_elem(&alarms, &key);
	if (!a)
		return XDP_DROP;
	a->limit = 3;
	out[0] = bpf_timer_start(&a->timer, 1, 0);
	out[1] = bpf_timer_init(&a->timer, &alarms, CLOCK_MONOTONIC);
	out[2] = bpf_timer_init(&a->timer, &alarms, CLOCK_MONOTONIC);
	out[3] = bpf_timer_start(&a->timer, 1, 0);
	out[4] = bpf_timer_set_callback(&a->timer, ring);
	out[5] = bpf_timer_start(&a->timer, 1, 4);
	out[6] = bpf_timer_start(&a->timer, delay, 0);
	return XDP_PASS;
}

/* Far away, and called off before; by name. */
SEC("xdp")
int call_off(struct xdp_md *ctx)
{
	u64 key = 77;
	struct alarm empty = {};
	struct alarm *a;
	bpf_map_update_elem(&named, &key, &empty, BPF_ANY);
	a = bpf_map_lookup_elem(&named, &key);
	if (!a)
		return XDP_DROP;
	out[0] = bpf_timer_cancel(&a->timer);
	out[1] = bpf_timer_init(&a->timer, &named, CLOCK_MONOTONIC);
	out[2] = bpf_timer_set_callback(&a->timer, ring_named);
	out[3] = bpf_timer_start(&a->timer, 3600000000000, 0);
	out[4] = bpf_timer_cancel(&a->timer);
	out[5] = bpf_timer_cancel(&a->timer);
	/* It has no callback any more. */
	out[6] = bpf_timer_start(&a->timer, 0, 0);
	bpf_timer_set_callback(&a->timer, ring_named);
	out[7] = bpf_timer_start(&a->timer, 0, 0);
	return XDP_PASS;
}

/* A timer ends with its element. */
SEC("xdp")
int forget(struct xdp_md *ctx)
{
	u64 key = 78;
	struct alarm empty = {};
	struct alarm *a;
	bpf_map_update_elem(&named, &key, &empty, BPF_ANY);
	a = bpf_map_lookup_elem(&named, &key);
	if (!a)
		return XDP_DROP;
	bpf_timer_init(&a->timer, &named, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&a->timer, ring_named);
	bpf_timer_start(&a->timer, 30000000, 0);
	out[0] = bpf_map_delete_elem(&named, &key);
	bpf_map_update_elem(&named, &key, &empty, BPF_ANY);
	a = bpf_map_lookup_elem(&named, &key);
	if (!a)
		return XDP_DROP;
	out[1] = bpf_timer_cancel(&a->timer);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
