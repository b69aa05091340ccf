/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Answers of a virtual address itself: echo, and path MTU errors. */
#pragma once

#include "lbsend.h"

/* How much of the packet an error quotes. RFC 1812 asks for as much as fits in
 * 576 bytes, RFC 4443 for as much as fits in 1280; a multiple of 4 that the
 * checksum helper takes at once (512) keeps within both. */
#define LB_QUOTE4 512
#define LB_QUOTE6 512

/* Turns an echo request around in place. Nothing but the type and, with IPv4, the
 * order of addresses changes, so the sums change by the type alone. */
static __always_inline int lb_echo(void *data, void *end, const struct packet *p)
{
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end || p->l3 > 22 || p->l4 > 256)
		return XDP_PASS;
	struct icmp *icmp = data + p->l4;
	if ((void *)(icmp + 1) > end)
		return XDP_PASS;
	if (p->family == 4) {
		struct ipv4 *ip = data + p->l3;
		if ((void *)(ip + 1) > end)
			return XDP_PASS;
		be32 a = ip->source;
		ip->source = ip->destination;
		ip->destination = a;
		icmp->type = ICMP_ECHO_REPLY;
		icmp->checksum =
		    checksum_update(icmp->checksum, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY);
	} else {
		struct ipv6 *ip = data + p->l3;
		if ((void *)(ip + 1) > end)
			return XDP_PASS;
		u8 a[16];
		memcpy(a, ip->source, 16);
		memcpy(ip->source, ip->destination, 16);
		memcpy(ip->destination, a, 16);
		icmp->type = ICMPV6_ECHO_REPLY;
		icmp->checksum =
		    checksum_update(icmp->checksum, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY);
	}
	mac_swap(eth);
	return XDP_TX;
}

/* ICMP "fragmentation needed" in front of the first bytes of the packet. */
static __always_inline int lb_too_big4(struct xdp_md *ctx, u32 l3, u16 mtu)
{
	const int room = sizeof(struct ipv4) + sizeof(struct icmp);
	void *data, *end;
	s64 sum;
	if (bpf_xdp_adjust_head(ctx, -room))
		return XDP_DROP;
	data = ctx_pointer(ctx->data);
	end = ctx_pointer(ctx->data_end);
	if (!lb_move_l2(data, end, room, l3, NET16(ETH_P_IP)))
		return XDP_DROP;
	barrier_var(end);
	if (data + l3 + room + LB_QUOTE4 > end)
		return XDP_DROP;
	struct ipv4 *ip = data + l3;
	struct icmp *icmp = (void *)(ip + 1);
	struct ipv4 *inner = (void *)(icmp + 1);
	memset(icmp, 0, sizeof(*icmp));
	icmp->type = ICMP_UNREACHABLE;
	icmp->code = ICMP_FRAG_NEEDED;
	icmp->sequence = net16(mtu);
	sum = bpf_csum_diff(NULL, 0, (be32 *)icmp, sizeof(*icmp), 0);
	sum = bpf_csum_diff(NULL, 0, (be32 *)inner, LB_QUOTE4, sum);
	icmp->checksum = ~checksum_fold(sum & 0xffffffff);
	ip->version_ihl = 0x45;
	ip->tos = 0;
	ip->length = net16(room + LB_QUOTE4);
	ip->id = 0;
	ip->fragment = 0;
	ip->ttl = LB_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->checksum = 0;
	ip->source = inner->destination;
	ip->destination = inner->source;
	ip->checksum = checksum_ipv4(ip);
	mac_swap(data);
	int surplus = (int)bpf_xdp_get_buff_len(ctx) - (int)(l3 + room + LB_QUOTE4);
	return bpf_xdp_adjust_tail(ctx, -surplus) ? XDP_DROP : XDP_TX;
}

static __always_inline int lb_too_big6(struct xdp_md *ctx, u32 l3, u16 mtu)
{
	const int room = sizeof(struct ipv6) + sizeof(struct icmp);
	void *data, *end;
	s64 sum;
	if (bpf_xdp_adjust_head(ctx, -room))
		return XDP_DROP;
	data = ctx_pointer(ctx->data);
	end = ctx_pointer(ctx->data_end);
	if (!lb_move_l2(data, end, room, l3, NET16(ETH_P_IPV6)))
		return XDP_DROP;
	barrier_var(end);
	if (data + l3 + room + LB_QUOTE6 > end)
		return XDP_DROP;
	struct ipv6 *ip = data + l3;
	struct icmp *icmp = (void *)(ip + 1);
	struct ipv6 *inner = (void *)(icmp + 1);
	const u32 payload = sizeof(*icmp) + LB_QUOTE6;
	ip->version_class_flow = NET16(0x6000);
	ip->payload_length = net16(payload);
	ip->next_header = IPPROTO_ICMPV6;
	ip->hop_limit = LB_TTL;
	memcpy(ip->source, inner->destination, 16);
	memcpy(ip->destination, inner->source, 16);
	memset(icmp, 0, sizeof(*icmp));
	icmp->type = ICMPV6_TOO_BIG;
	icmp->sequence = net16(mtu);
	sum = bpf_csum_diff(NULL, 0, (be32 *)icmp, sizeof(*icmp), 0);
	sum = bpf_csum_diff(NULL, 0, (be32 *)ip->source, 32, sum);
	sum = bpf_csum_diff(NULL, 0, (be32 *)inner, LB_QUOTE6, sum);
	icmp->checksum =
	    ~checksum_fold((sum & 0xffffffff) + net16(payload) + NET16(IPPROTO_ICMPV6));
	mac_swap(data);
	int surplus = (int)bpf_xdp_get_buff_len(ctx) - (int)(l3 + room + LB_QUOTE6);
	return bpf_xdp_adjust_tail(ctx, -surplus) ? XDP_DROP : XDP_TX;
}

/* Tells the client that its packet does not fit with another header around it. */
__noinline int lb_too_big(struct xdp_md *ctx, const struct lb_flow *f, u32 mtu)
{
	if (!f)
		return XDP_ABORTED;
	u32 l3 = f->l3;
	lb_count_reason(LB_REASON_TOO_BIG);
	if (l3 != 14 && l3 != 18 && l3 != 22)
		return XDP_DROP;
	barrier_var(l3);
	l3 &= 31; /* a bound that the verifier sees */
	return f->family == 4 ? lb_too_big4(ctx, l3, mtu) : lb_too_big6(ctx, l3, mtu);
}
