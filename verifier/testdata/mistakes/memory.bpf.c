// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Common mistakes with memory, each with its mended twin (…_mended).
 */
#include "bpf/lib/helpers.h"

#define SIZE 64

struct record {
	u64 time;
	u32 pid;
	u8 kind; /* three bytes of padding follow */
};

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
	__type(value, u8[SIZE]);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

const volatile u32 limit = 10;
u32 number;

/* The element may not be there. */
SEC("xdp")
int null_check(struct xdp_md *ctx)
{
	u32 key = ctx->ingress_ifindex;
	u64 *count = bpf_map_lookup_elem(&seen, &key);

	*count += 1;
	return XDP_PASS;
}

SEC("xdp")
int null_check_mended(struct xdp_md *ctx)
{
	u32 key = ctx->ingress_ifindex;
	u64 *count = bpf_map_lookup_elem(&seen, &key);

	if (count)
		*count += 1;
	return XDP_PASS;
}

/* The index comes from outside. */
SEC("xdp")
int unbounded_index(struct xdp_md *ctx)
{
	u32 zero = 0, index = ctx->rx_queue_index;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	if (!bytes)
		return XDP_PASS;
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int unbounded_index_mended(struct xdp_md *ctx)
{
	u32 zero = 0, index = ctx->rx_queue_index;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	if (!bytes || index >= SIZE)
		return XDP_PASS;
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

#define SPILL_ALL() asm volatile("" ::: "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9")

/* The same, of variables that wait on the stack. */
SEC("xdp")
int spilled_index(struct xdp_md *ctx)
{
	u32 zero = 0;
	u64 index = ctx->rx_queue_index;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	SPILL_ALL();
	if (!bytes || index > SIZE)
		return XDP_PASS;
	SPILL_ALL();
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int spilled_index_mended(struct xdp_md *ctx)
{
	u32 zero = 0;
	u64 index = ctx->rx_queue_index;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	SPILL_ALL();
	if (!bytes || index >= SIZE)
		return XDP_PASS;
	SPILL_ALL();
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

/* A signed index has a lower bound too. */
SEC("xdp")
int signed_index(struct xdp_md *ctx)
{
	u32 zero = 0;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);
	s64 index = (s32)ctx->rx_queue_index;

	if (!bytes || index >= SIZE)
		return XDP_PASS;
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int signed_index_mended(struct xdp_md *ctx)
{
	u32 zero = 0;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);
	s64 index = (s32)ctx->rx_queue_index;

	if (!bytes || index < 0 || index >= SIZE)
		return XDP_PASS;
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

/* The bound was checked before the number changed. */
SEC("xdp")
int changed_after_check(struct xdp_md *ctx)
{
	u32 zero = 0;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);
	u64 index = ctx->rx_queue_index;

	if (!bytes || index >= SIZE)
		return XDP_PASS;
	index += ctx->ingress_ifindex;
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int changed_after_check_mended(struct xdp_md *ctx)
{
	u32 zero = 0;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);
	u64 index = ctx->rx_queue_index;

	index += ctx->ingress_ifindex;
	if (!bytes || index >= SIZE)
		return XDP_PASS;
	return bytes[index] ? XDP_DROP : XDP_PASS;
}

/* One too many: index <= SIZE. */
SEC("xdp")
int off_by_one(struct xdp_md *ctx)
{
	u32 zero = 0, index = ctx->rx_queue_index;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	if (!bytes || index > SIZE)
		return XDP_PASS;
	bytes[index] = 1;
	return XDP_PASS;
}

SEC("xdp")
int off_by_one_mended(struct xdp_md *ctx)
{
	u32 zero = 0, index = ctx->rx_queue_index;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	if (!bytes || index >= SIZE)
		return XDP_PASS;
	bytes[index] = 1;
	return XDP_PASS;
}

/* The value is smaller than the type it is taken for. */
SEC("xdp")
int wrong_type(struct xdp_md *ctx)
{
	u32 key = 1;
	struct record *r = bpf_map_lookup_elem(&seen, &key);

	if (r)
		r->pid = 1;
	return XDP_PASS;
}

SEC("xdp")
int wrong_type_mended(struct xdp_md *ctx)
{
	u32 key = 1;
	u64 *r = bpf_map_lookup_elem(&seen, &key);

	if (r)
		*r = 1;
	return XDP_PASS;
}

/* A constant of the program is written to. */
SEC("xdp")
int write_const(struct xdp_md *ctx)
{
	*(volatile u32 *)&limit = ctx->rx_queue_index;
	return XDP_PASS;
}

SEC("xdp")
int write_const_mended(struct xdp_md *ctx)
{
	number = ctx->rx_queue_index;
	return XDP_PASS;
}

/* The index leaves an array on the stack. */
SEC("xdp")
int stack_index(struct xdp_md *ctx)
{
	volatile u8 buffer[8] = {};
	u32 index = ctx->rx_queue_index & 15;

	buffer[index] = 1;
	return XDP_PASS;
}

SEC("xdp")
int stack_index_mended(struct xdp_md *ctx)
{
	volatile u8 buffer[8] = {};
	u32 index = ctx->rx_queue_index & 15;

	if (index < sizeof(buffer))
		buffer[index] = 1;
	return XDP_PASS;
}

/* The size comes from outside. */
SEC("xdp")
int unbounded_size(struct xdp_md *ctx)
{
	u8 buffer[32] = {};
	u64 size = ctx->rx_queue_index;

	bpf_ringbuf_output(&events, buffer, size, 0);
	return XDP_PASS;
}

SEC("xdp")
int unbounded_size_mended(struct xdp_md *ctx)
{
	u8 buffer[32] = {};
	u64 size = ctx->rx_queue_index;

	if (size > 0 && size <= sizeof(buffer))
		bpf_ringbuf_output(&events, buffer, size, 0);
	return XDP_PASS;
}

/* The map's value may change between the two reads. */
SEC("xdp")
int read_twice(struct xdp_md *ctx)
{
	u32 key = 0;
	u8 buffer[32] = {};
	volatile u64 *size = bpf_map_lookup_elem(&seen, &key);

	if (!size || *size == 0 || *size > sizeof(buffer))
		return XDP_PASS;
	bpf_ringbuf_output(&events, buffer, *size, 0);
	return XDP_PASS;
}

SEC("xdp")
int read_twice_mended(struct xdp_md *ctx)
{
	u32 key = 0;
	u8 buffer[32] = {};
	volatile u64 *shared = bpf_map_lookup_elem(&seen, &key);
	u64 size;

	if (!shared)
		return XDP_PASS;
	size = *shared;
	if (size == 0 || size > sizeof(buffer))
		return XDP_PASS;
	bpf_ringbuf_output(&events, buffer, size, 0);
	return XDP_PASS;
}

/* An address is not a number to give away. */
SEC("xdp")
int pointer_math(struct xdp_md *ctx)
{
	u32 zero = 0;
	u64 *bytes = bpf_map_lookup_elem(&table, &zero);
	u64 address;

	if (!bytes)
		return XDP_PASS;
	address = (u64)bytes & ~63ULL;
	return *(volatile u8 *)address ? XDP_DROP : XDP_PASS;
}

SEC("xdp")
int pointer_math_mended(struct xdp_md *ctx)
{
	u32 zero = 0;
	u8 *bytes = bpf_map_lookup_elem(&table, &zero);

	if (!bytes)
		return XDP_PASS;
	return *(volatile u8 *)bytes ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
