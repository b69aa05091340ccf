// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* tc programs: the fields of __sk_buff, and packets that change shape. */
#include "bpf/lib/helpers.h"
#include "bpf/lib/net.h"

s64 out[16];
s64 error;
s32 amount;
u32 where;
u32 mode;
u64 flags;
u8 bytes[8];

SEC("tc")
int fields(struct __sk_buff *skb)
{
	out[0] = skb->len;
	out[1] = skb->protocol;
	out[2] = skb->vlan_present;
	out[3] = skb->vlan_tci;
	out[4] = skb->vlan_proto;
	out[5] = skb->mark;
	out[6] = skb->priority;
	out[7] = skb->pkt_type;
	out[8] = skb->data_end - skb->data;
	out[9] = skb->data - skb->data_meta;
	out[10] = skb->tc_index;
	out[11] = skb->gso_segs;
	out[12] = skb->gso_size;
	out[13] = skb->wire_len;
	out[14] = skb->tc_classid;
	out[15] = skb->queue_mapping;
	return TC_ACT_OK;
}

/* What may be written, and that it is read back. */
SEC("tc")
int write_fields(struct __sk_buff *skb)
{
	skb->mark = skb->mark + 1;
	skb->priority = 0x10002;
	for (int i = 0; i < 5; i++)
		skb->cb[i] = skb->cb[i] * 2 + i;
	skb->tc_index = 9;
	skb->queue_mapping = 3;
	skb->tc_classid = 0x20003;
	out[0] = skb->mark;
	out[1] = skb->priority;
	out[2] = skb->cb[0] + skb->cb[4];
	out[3] = skb->tc_index;
	out[4] = skb->queue_mapping;
	out[5] = skb->tc_classid;
	return TC_ACT_OK;
}

/* Parts of a field: a byte of mark, half of cb. */
SEC("tc")
int narrow(struct __sk_buff *skb)
{
	out[0] = ((volatile u8 *)&skb->mark)[1];
	out[1] = *(volatile u16 *)&skb->len;
	((volatile u16 *)&skb->cb[1])[1] = 0xabcd;
	out[2] = skb->cb[1];
	return TC_ACT_OK;
}

SEC("tc")
int vlan_push(struct __sk_buff *skb)
{
	error = bpf_skb_vlan_push(skb, NET16(ETH_P_8021Q), 100);
	out[0] = skb->vlan_present;
	out[1] = skb->vlan_tci;
	out[2] = skb->len;
	out[3] = host16(skb->protocol);
	return TC_ACT_OK;
}

SEC("tc")
int vlan_push_twice(struct __sk_buff *skb)
{
	error = bpf_skb_vlan_push(skb, NET16(ETH_P_8021Q), 100);
	error |= bpf_skb_vlan_push(skb, NET16(ETH_P_8021AD), 200);
	out[0] = skb->vlan_tci;
	out[1] = host16(skb->vlan_proto);
	out[2] = skb->len;
	return TC_ACT_OK;
}

SEC("tc")
int vlan_pop(struct __sk_buff *skb)
{
	error = bpf_skb_vlan_pop(skb);
	out[0] = skb->vlan_present;
	out[1] = skb->len;
	out[2] = host16(skb->protocol);
	return TC_ACT_OK;
}

/* Network address translation of an IPv4/UDP or TCP packet's destination. */
SEC("tc")
int translate(struct __sk_buff *skb)
{
	be32 from, to = net32(0x0a090807);
	be16 port_from, port_to = net16(8053);
	struct ipv4 ip;
	if (bpf_skb_load_bytes(skb, sizeof(struct ethernet), &ip, sizeof(ip)))
		return TC_ACT_SHOT;
	u32 l3 = sizeof(struct ethernet), l4 = l3 + sizeof(ip);
	u32 sum = l4 + (ip.protocol == IPPROTO_TCP ? 16 : 6);
	u64 udp = ip.protocol == IPPROTO_UDP ? 0x20 : 0; /* BPF_F_MARK_MANGLED_0 */
	from = ip.destination;
	if (bpf_skb_load_bytes(skb, l4 + 2, &port_from, 2))
		return TC_ACT_SHOT;
	error = bpf_l4_csum_replace(skb, sum, from, to, 0x10 | 4 | udp);
	error |= bpf_l4_csum_replace(skb, sum, port_from, port_to, 2 | udp);
	error |= bpf_l3_csum_replace(skb, l3 + 10, from, to, 4);
	error |= bpf_skb_store_bytes(skb, l3 + 16, &to, 4, 0);
	error |= bpf_skb_store_bytes(skb, l4 + 2, &port_to, 2, 0);
	return TC_ACT_OK;
}

/* The same checksum through bpf_csum_diff. */
SEC("tc")
int sums(struct __sk_buff *skb)
{
	(void)skb;
	be32 old[2] = {net32(0x01020304), net32(0xfffefdfc)};
	be32 new[2] = {net32(0x0a0b0c0d), net32(0x00010203)};
	s64 d = bpf_csum_diff(old, 8, new, 8, 0x1234);
	/* Folded: kernels differ in the unfolded value, not in what it means. */
	d = (d & 0xffff) + ((d >> 16) & 0xffff);
	d = (d & 0xffff) + (d >> 16);
	out[0] = d;
	d = bpf_csum_diff(NULL, 0, new, 8, 0);
	d = (d & 0xffff) + ((d >> 16) & 0xffff);
	out[1] = (d & 0xffff) + (d >> 16);
	return TC_ACT_OK;
}

SEC("tc")
int change_head(struct __sk_buff *skb)
{
	error = bpf_skb_change_head(skb, amount, 0);
	out[0] = skb->len;
	return TC_ACT_OK;
}

SEC("tc")
int change_tail(struct __sk_buff *skb)
{
	error = bpf_skb_change_tail(skb, amount, 0);
	out[0] = skb->len;
	return TC_ACT_OK;
}

SEC("tc")
int adjust_room(struct __sk_buff *skb)
{
	error = bpf_skb_adjust_room(skb, amount, mode, flags);
	out[0] = skb->len;
	return TC_ACT_OK;
}

SEC("tc")
int load(struct __sk_buff *skb)
{
	error = bpf_skb_load_bytes(skb, where, bytes, sizeof(bytes));
	return TC_ACT_OK;
}

SEC("tc")
int load_relative(struct __sk_buff *skb)
{
	error = bpf_skb_load_bytes_relative(skb, where, bytes, sizeof(bytes), mode);
	return TC_ACT_OK;
}

SEC("tc")
int store(struct __sk_buff *skb)
{
	error = bpf_skb_store_bytes(skb, where, bytes, sizeof(bytes), flags);
	out[0] = skb->len;
	return TC_ACT_OK;
}

/* Direct writes, after pulling; the pointers are fresh afterwards. */
SEC("tc")
int direct(struct __sk_buff *skb)
{
	error = bpf_skb_pull_data(skb, 0);
	u8 *data = ctx_pointer(skb->data);
	if ((void *)(data + 14) > ctx_pointer(skb->data_end))
		return TC_ACT_SHOT;
	for (int i = 0; i < 6; i++) {
		u8 t = data[i];
		data[i] = data[i + 6];
		data[i + 6] = t;
	}
	return TC_ACT_OK;
}

SEC("tc")
int hashes(struct __sk_buff *skb)
{
	bpf_set_hash(skb, 0x1234567);
	out[0] = skb->hash;
	out[1] = bpf_get_hash_recalc(skb) == 0x1234567;
	bpf_set_hash_invalid(skb);
	out[2] = skb->hash;
	return TC_ACT_OK;
}

SEC("tc")
int change_type(struct __sk_buff *skb)
{
	skb->tstamp = 0;
	error = bpf_skb_change_type(skb, 1);
	out[0] = skb->pkt_type;
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
