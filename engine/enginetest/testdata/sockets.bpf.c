// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps of sockets: what a program does while none is stored. */
#include "bpf/lib/helpers.h"

s64 out[8];

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__uint(max_entries, 4);
} xsks_map SEC(".maps");

/* The low bits of the flags are the verdict where there is no socket. */
SEC("xdp")
int to_socket(struct xdp_md *ctx)
{
	u32 queue = ctx->rx_queue_index, past = 4;
	out[0] = bpf_redirect_map(&xsks_map, queue, XDP_PASS);
	out[1] = bpf_redirect_map(&xsks_map, past, XDP_DROP);
	out[2] = bpf_redirect_map(&xsks_map, queue, 4);
	out[3] = bpf_redirect_map(&xsks_map, queue, XDP_TX | 8);
	out[4] = bpf_map_lookup_elem(&xsks_map, &queue) != 0;
	out[5] = bpf_map_lookup_elem(&xsks_map, &past) != 0;
	return bpf_redirect_map(&xsks_map, queue, XDP_TX);
}

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 4);
} by_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(key_size, 8);
	__uint(value_size, 8);
	__uint(max_entries, 4);
} by_key SEC(".maps");

SEC("tc")
int find(struct __sk_buff *skb)
{
	u32 index = 1, past = 4;
	u64 key = 1;
	void *found = bpf_map_lookup_elem(&by_index, &index);
	if (found)
		return bpf_sk_release(found), TC_ACT_SHOT;
	found = bpf_map_lookup_elem(&by_index, &past);
	if (found)
		return bpf_sk_release(found), TC_ACT_SHOT;
	found = bpf_map_lookup_elem(&by_key, &key);
	if (found)
		return bpf_sk_release(found), TC_ACT_SHOT;
	/* Linux before 6.4 gives these errors as 32 bits: what counts is the int. */
	out[0] = (int)bpf_map_delete_elem(&by_index, &index);
	out[1] = (int)bpf_map_delete_elem(&by_index, &past);
	out[2] = (int)bpf_map_delete_elem(&by_key, &key);
	return skb->len ? TC_ACT_OK : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
