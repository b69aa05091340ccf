// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Much flow of control: a parser of nested headers with options, as a graph's
 * layout finds them in the wild. */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;

#define SEC(name) __attribute__((section(name), used))

static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*bpf_get_prandom_u32)(void) = (void *)7;

struct __sk_buff {
	__u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto,
	    priority;
	__u32 ingress_ifindex, ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

__u64 counters[64];

static __attribute__((always_inline)) void count(__u32 what)
{
	if (what < 64)
		counters[what]++;
}

static __attribute__((always_inline)) int options(const __u8 *at, const __u8 *end, __u32 length)
{
	__u32 seen = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < 40 && i < length;) {
		if (at + i + 2 > end)
			return -1;
		switch (at[i]) {
		case 0:
			return seen;
		case 1:
			i++;
			continue;
		case 2:
			count(at[i + 1] == 4 ? 40 : 41);
			seen |= 1;
			break;
		case 3:
			count(42);
			seen |= 2;
			break;
		case 4:
		case 5:
			if (seen & 4)
				return -1;
			seen |= 4;
			count(43);
			break;
		case 8:
			if (at[i + 1] != 10)
				return -1;
			seen |= 8;
			count(44);
			break;
		default:
			count(45);
		}
		if (at[i + 1] < 2)
			return -1;
		i += at[i + 1];
	}
	return seen;
}

static __attribute__((always_inline)) int transport(const __u8 *at, const __u8 *end, __u8 protocol)
{
	switch (protocol) {
	case 1:
		if (at + 8 > end)
			return -1;
		count(at[0] == 8 ? 10 : at[0] == 0 ? 11 : 12);
		return 0;
	case 6:
		if (at + 20 > end)
			return -1;
		if ((at[13] & 3) == 3) {
			count(13);
			return -1;
		}
		if (at[13] & 2)
			count(at[13] & 16 ? 14 : 15);
		else if (at[13] & 1)
			count(16);
		else if (at[13] & 4)
			count(17);
		if (at[12] >> 4 > 5) {
			int seen = options(at + 20, end, ((at[12] >> 4) - 5) * 4);

			if (seen < 0)
				return -1;
			if (seen & 4)
				count(18);
		}
		return 0;
	case 17:
		if (at + 8 > end)
			return -1;
		if (at[2] == 0 && at[3] == 53)
			count(19);
		else if (at[2] == 0x12 && at[3] == 0xb5)
			count(20);
		return 0;
	case 132:
		count(21);
		return 0;
	}
	count(22);
	return 0;
}

SEC("tc")
int maze(struct __sk_buff *skb)
{
	const __u8 *at = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u16 type;
	__u8 next;
	int depth, result = 0;

	if (at + 14 > end)
		return 2;
	type = at[12] << 8 | at[13];
	at += 14;
#pragma clang loop unroll(disable)
	for (depth = 0; depth < 3; depth++) {
		if (type != 0x8100 && type != 0x88a8)
			break;
		if (at + 4 > end)
			return 2;
		count(type == 0x8100 ? 1 : 2);
		type = at[2] << 8 | at[3];
		at += 4;
	}
	switch (type) {
	case 0x0800:
		if (at + 20 > end || at[0] >> 4 != 4)
			return 2;
		if ((at[6] & 0x3f) | at[7]) {
			count(3);
			if (bpf_get_prandom_u32() & 1)
				return 2;
		}
		if ((at[0] & 15) < 5)
			return 2;
		result = transport(at + (at[0] & 15) * 4, end, at[9]);
		break;
	case 0x86dd:
		if (at + 40 > end)
			return 2;
		next = at[6];
		at += 40;
#pragma clang loop unroll(disable)
		for (depth = 0; depth < 6; depth++) {
			if (next != 0 && next != 43 && next != 60 && next != 44)
				break;
			if (at + 8 > end)
				return 2;
			if (next == 44 && ((at[2] | at[3]) & 0xf8)) {
				count(4);
				return 0;
			}
			next = at[0];
			at += next == 44 ? 8 : (at[1] + 1) * 8;
		}
		if (next == 59) {
			count(5);
			return 0;
		}
		result = transport(at, end, next);
		break;
	case 0x0806:
		count(6);
		break;
	default:
		count(7);
	}
	if (result < 0) {
		count(8);
		if (skb->mark == 1)
			return 0;
		skb->mark = bpf_ktime_get_ns() & 0xff;
		return 2;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
