// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What users without rights may not do, each with its mended twin (…_mended).
 */
#include "bpf/lib/helpers.h"

struct record {
	u64 time;
	u32 mark;
	u8 kind; /* three bytes of padding follow */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} place SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct record);
	__type(value, u64);
} records SEC(".maps");

/* An address of the kernel ends up in a map. */
SEC("socket")
int leak(struct __sk_buff *skb)
{
	u32 zero = 0;
	u64 *value = bpf_map_lookup_elem(&place, &zero);

	if (value)
		*value = (u64)skb;
	return 0;
}

SEC("socket")
int leak_mended(struct __sk_buff *skb)
{
	u32 zero = 0;
	u64 *value = bpf_map_lookup_elem(&place, &zero);

	if (value)
		*value = skb->len;
	return 0;
}

/* The padding would show what the stack held before. */
SEC("socket")
int uninitialized(struct __sk_buff *skb)
{
	struct record key;
	u64 one = 1;

	key.mark = skb->len;
	key.kind = 1;
	bpf_map_update_elem(&records, &key, &one, BPF_ANY);
	return 0;
}

SEC("socket")
int uninitialized_mended(struct __sk_buff *skb)
{
	struct record key = {};
	u64 one = 1;

	key.mark = skb->len;
	key.kind = 1;
	bpf_map_update_elem(&records, &key, &one, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
