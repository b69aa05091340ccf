// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Storage of cgroups, and walks that change what they walk over. */
#include "bpf/lib/helpers.h"

HELPER(void *, bpf_get_local_storage, 81, void *map, u64 flags);

struct cgroup_storage_key {
	u64 inode;
	u32 attach_type;
};

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct cgroup_storage_key);
	__type(value, u64);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, struct cgroup_storage_key);
	__type(value, u64);
} each SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u32);
} table SEC(".maps");

u64 out[4];
u64 calls;

SEC("cgroup_skb/egress")
int tally(struct __sk_buff *skb)
{
	u64 *a = bpf_get_local_storage(&shared, 0), *b = bpf_get_local_storage(&each, 0);
	*a += 1;
	*b += 10;
	out[0] = *a;
	out[1] = *b;
	return 1;
}

/* Each element takes its partner with it, whichever comes first. */
static long take_pair(void *map, const u32 *key, u32 *value, void *unused)
{
	u32 me = *key, partner = me ^ 1;
	calls++;
	bpf_map_delete_elem(&table, &partner);
	bpf_map_delete_elem(&table, &me);
	return 0;
}

SEC("tc")
int pairs(struct __sk_buff *skb)
{
	for (int i = 0; i < 40; i++) {
		u32 key = i;
		bpf_map_update_elem(&table, &key, &key, BPF_ANY);
	}
	/* The kernel counts calls; who came too late is not called. */
	out[0] = (u64)bpf_for_each_map_elem(&table, take_pair, 0, 0) == calls;
	out[1] = calls >= 20 && calls <= 40;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
