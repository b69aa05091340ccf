// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Socket filters and cgroup packet filters: they see no Ethernet header. */
#include "bpf/lib/helpers.h"
#include "bpf/lib/net.h"

s64 out[8];

/* The loads of classic BPF: network byte order; outside the packet they end
 * the program with 0. */
u64 load_byte(void *skb, u64 at) __asm__("llvm.bpf.load.byte");
u64 load_half(void *skb, u64 at) __asm__("llvm.bpf.load.half");
u64 load_word(void *skb, u64 at) __asm__("llvm.bpf.load.word");

SEC("socket")
int absolute(struct __sk_buff *skb)
{
	out[0] = load_byte(skb, 0);
	out[1] = load_half(skb, 2);
	out[2] = load_word(skb, 4);
	u64 x = 1 + (out[0] >> 8);
	out[3] = load_half(skb, x);
	return 0xffff;
}

SEC("socket")
int beyond(struct __sk_buff *skb)
{
	out[0] = 1;
	out[1] = load_word(skb, 2000);
	out[0] = 2;
	return 1;
}

/* SKF_NET_OFF and SKF_LL_OFF: offsets from the network and the link header. */
SEC("socket")
int negative(struct __sk_buff *skb)
{
	out[0] = load_byte(skb, -0x100000);
	out[1] = load_half(skb, -0x200000 + 12);
	return 1;
}

SEC("socket")
int helper(struct __sk_buff *skb)
{
	be16 type = 0;
	out[0] = bpf_skb_load_bytes(skb, 0, &type, 2);
	out[1] = type;
	out[2] = bpf_skb_load_bytes_relative(skb, 12, &type, 2, 0);
	out[3] = host16(type);
	out[4] = skb->len;
	out[5] = host16(skb->protocol);
	out[6] = skb->cb[0];
	skb->cb[0] = 5;
	return skb->len;
}

u32 address; /* of the peer, host byte order */

SEC("cgroup_skb/egress")
int allow(struct __sk_buff *skb)
{
	struct ipv4 copy, *ip = ctx_pointer(skb->data);
	out[0] = skb->len;
	out[1] = skb->family;
	/* Test runs of Linux 6.1 do not say where the data ends. */
	if ((void *)(ip + 1) > ctx_pointer(skb->data_end)) {
		if (bpf_skb_load_bytes(skb, 0, &copy, sizeof(copy)))
			return 0;
	} else {
		copy = *ip;
	}
	out[2] = copy.version_ihl;
	return host32(copy.destination) != address;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
