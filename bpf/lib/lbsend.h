/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Getting a packet to its backend from XDP: tunnels, next hops. */
#pragma once

#include "checksum.h"
#include "lbpick.h"

#define AF_INET  2
#define AF_INET6 10

#define BPF_FIB_LKUP_RET_SUCCESS  0
#define BPF_FIB_LKUP_RET_NO_NEIGH 7

#define LB_UDP    8
#define LB_GENEVE 16 /* UDP and a Geneve header without options */

#define LB_TTL 64

struct geneve {
	u8 options;
	u8 flags;
	be16 protocol;
	be32 vni;
};

static __always_inline bool mac_set(const u8 *mac)
{
	return (*(const u32 *)mac | *(const u16 *)(mac + 4)) != 0;
}

static __always_inline void mac_copy(u8 *to, const u8 *from)
{
	*(u16 *)to = *(const u16 *)from;
	*(u16 *)(to + 2) = *(const u16 *)(from + 2);
	*(u16 *)(to + 4) = *(const u16 *)(from + 4);
}

static __always_inline void mac_swap(struct ethernet *eth)
{
	u8 mac[6];
	mac_copy(mac, eth->destination);
	mac_copy(eth->destination, eth->source);
	mac_copy(eth->source, mac);
}

/* Addresses whose next hop is not resolved; user space sends something there and
 * takes them out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, union address);
	__type(value, u32);
} lb_unresolved SEC(".maps");

/*
 * Asks the routing table for the way to an address. Where the neighbour is not
 * resolved the packet is left to the host's stack, which resolves it as it routes
 * the packet; but it routes none that has one of its own addresses as source, as
 * tunnels and NAT give it, so that user space is told too.
 */
__noinline int lb_route(struct xdp_md *ctx, const union address *to, u32 family)
{
	struct bpf_fib_lookup q = {};
	void *data, *end;
	struct ethernet *eth;
	if (!to)
		return XDP_ABORTED;
	q.ifindex = ctx->ingress_ifindex;
	if (family == 4) {
		q.family = AF_INET;
		q.ipv4_dst = to->words[3];
	} else {
		q.family = AF_INET6;
		memcpy(q.ipv6_dst, to, 16);
	}
	long answer = bpf_fib_lookup(ctx, &q, sizeof(q), 0);
	if (answer == BPF_FIB_LKUP_RET_NO_NEIGH) {
		u32 now = lb_now();
		union address key = *to; /* Linux 6.1 takes no argument's memory as a key */
		bpf_map_update_elem(&lb_unresolved, &key, &now, BPF_ANY);
		return XDP_PASS;
	}
	data = ctx_pointer(ctx->data);
	end = ctx_pointer(ctx->data_end);
	eth = data;
	if (answer != BPF_FIB_LKUP_RET_SUCCESS || (void *)(eth + 1) > end) {
		lb_count_reason(LB_REASON_ROUTE);
		return XDP_DROP;
	}
	mac_copy(eth->destination, q.dmac);
	mac_copy(eth->source, q.smac);
	if (q.ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(q.ifindex, 0);
}

/* Sends a finished packet to the backend's next hop. */
static __always_inline int lb_out(struct xdp_md *ctx, struct ethernet *eth,
				  const struct lb_backend *be, const struct lb_config *c)
{
	if (mac_set(be->mac)) {
		if (be->ifindex) {
			mac_copy(eth->source, be->source_mac);
			mac_copy(eth->destination, be->mac);
			return bpf_redirect(be->ifindex, 0);
		}
		mac_copy(eth->source, eth->destination);
		mac_copy(eth->destination, be->mac);
		return XDP_TX;
	}
	if (mac_set(c->gateway)) {
		mac_copy(eth->source, eth->destination);
		mac_copy(eth->destination, c->gateway);
		return XDP_TX;
	}
	union address to = be->address;
	return lb_route(ctx, &to, be->family);
}

/* Moves the Ethernet header, with l2 - 14 bytes of tags, over the room made in
 * front of the packet, and gives it the outer protocol. */
static __always_inline bool lb_move_l2(void *data, void *end, u32 room, u32 l2, be16 protocol)
{
	/* The verifier wants to see bounds that clang derives from others. */
	if (!__builtin_constant_p(l2))
		barrier_var(end);
	if (l2 == sizeof(struct ethernet)) {
		struct ethernet *to = data, *from = data + room;
		if ((void *)(from + 1) > end)
			return false;
		mac_copy(to->destination, from->destination);
		mac_copy(to->source, from->source);
		to->protocol = protocol;
		return true;
	}
	/* An IP header follows the tags, so this much is there. */
	u16 *to = data, *from = data + room;
	if (data + room + 22 > end)
		return false;
#pragma unroll
	for (u32 i = 0; i < 11; i++) {
		if (i * 2 < l2)
			to[i] = i * 2 + 2 == l2 ? protocol : from[i];
	}
	return true;
}

static __always_inline void lb_outer4(struct ipv4 *ip, const struct lb_backend *be,
				      const struct lb_config *c, u32 length, u8 protocol, u8 tos)
{
	be32 source = c->source4, destination = be->address.words[3];
	ip->version_ihl = 0x45;
	ip->tos = tos;
	ip->length = net16(length);
	ip->id = 0;
	ip->fragment = NET16(0x4000);
	ip->ttl = LB_TTL;
	ip->protocol = protocol;
	ip->source = source;
	ip->destination = destination;
	ip->checksum =
	    ~checksum_fold((u64)source + destination + (0x45 | (u32)tos << 8) + net16(length) +
			   NET16(0x4000) + (LB_TTL | (u32)protocol << 8));
}

static __always_inline void lb_outer6(struct ipv6 *ip, const struct lb_backend *be,
				      const struct lb_config *c, u32 payload, u8 protocol, u8 tos)
{
	ip->version_class_flow = net32(6U << 28 | (u32)tos << 20);
	ip->payload_length = net16(payload);
	ip->next_header = protocol;
	ip->hop_limit = LB_TTL;
	memcpy(ip->source, &c->source6, 16);
	memcpy(ip->destination, &be->address, 16);
}

/*
 * UDP for GUE (variant 1: the IP packet follows directly) and Geneve (protocol
 * type IP). Over IPv6 the checksum is zero, as RFC 6935 allows tunnels.
 */
static __always_inline void lb_outer_udp(struct udp *udp, const struct lb_flow *f,
					 const struct lb_config *c, u32 extra)
{
	udp->source = net16(host16(c->tunnel_source_port) + (f->client_hash & 0x3fff));
	udp->destination = extra == LB_UDP ? c->gue_port : c->geneve_port;
	udp->length = net16(f->length + extra);
	udp->checksum = 0;
	if (extra == LB_GENEVE) {
		struct geneve *g = (void *)(udp + 1);
		g->options = 0;
		g->flags = 0;
		g->protocol = f->family == 4 ? NET16(ETH_P_IP) : NET16(ETH_P_IPV6);
		g->vni = 0;
	}
}

/* Wraps the packet: extra bytes (0, LB_UDP or LB_GENEVE) stand between the outer
 * IP header and the inner one. */
static __always_inline int lb_wrap(struct xdp_md *ctx, const struct lb_flow *f,
				   const struct lb_backend *be, const struct lb_config *c, u32 l2,
				   u32 outer, u32 extra)
{
	u32 header = outer == 4 ? sizeof(struct ipv4) : sizeof(struct ipv6);
	u32 room = header + extra;
	if (bpf_xdp_adjust_head(ctx, -(int)room)) {
		lb_count_reason(LB_REASON_HEADROOM);
		return XDP_DROP;
	}
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	if (!lb_move_l2(data, end, room, l2, outer == 4 ? NET16(ETH_P_IP) : NET16(ETH_P_IPV6)))
		return XDP_DROP;
	void *at = data + l2;
	if (!__builtin_constant_p(l2)) {
		barrier_var(end);
		barrier_var(at);
	}
	if (at + room > end)
		return XDP_DROP;
	u8 protocol = extra ? IPPROTO_UDP : f->family == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
	if (outer == 4)
		lb_outer4(at, be, c, f->length + room, protocol, f->tos);
	else
		lb_outer6(at, be, c, f->length + extra, protocol, f->tos);
	if (extra)
		lb_outer_udp(at + header, f, c, extra);
	return lb_out(ctx, data, be, c);
}

/*
 * The rarer ways. They are global functions, as all that is not on the way of
 * plain packets: the verifier looks at each once. It knows nothing then of its
 * pointers, so NULL must be ruled out.
 */
__noinline int lb_wrap_udp(struct xdp_md *ctx, const struct lb_flow *f, const struct lb_backend *be,
			   const struct lb_config *c)
{
	if (!f || !be || !c)
		return XDP_ABORTED;
	bool geneve = be->forward == LB_FORWARD_GENEVE;
	u32 l2 = f->l3;
	if (l2 != 14 && l2 != 18 && l2 != 22)
		return XDP_DROP;
	barrier_var(l2);
	l2 &= 31; /* a bound that the verifier sees */
	if (be->family == 4)
		return geneve ? lb_wrap(ctx, f, be, c, l2, 4, LB_GENEVE)
			      : lb_wrap(ctx, f, be, c, l2, 4, LB_UDP);
	return geneve ? lb_wrap(ctx, f, be, c, l2, 6, LB_GENEVE)
		      : lb_wrap(ctx, f, be, c, l2, 6, LB_UDP);
}

__noinline int lb_wrap_tagged(struct xdp_md *ctx, const struct lb_flow *f,
			      const struct lb_backend *be, const struct lb_config *c)
{
	if (!f || !be || !c)
		return XDP_ABORTED;
	u32 l2 = f->l3;
	if (l2 != 18 && l2 != 22)
		return XDP_DROP;
	barrier_var(l2);
	l2 &= 31;
	return be->family == 4 ? lb_wrap(ctx, f, be, c, l2, 4, 0)
			       : lb_wrap(ctx, f, be, c, l2, 6, 0);
}

/* How many bytes a way of forwarding adds. */
static __always_inline u32 lb_overhead(const struct lb_backend *be, const struct lb_flow *f)
{
	u32 header = be->family == 4 ? sizeof(struct ipv4) : sizeof(struct ipv6);
	switch (be->forward) {
	case LB_FORWARD_IPIP:
		return header;
	case LB_FORWARD_GUE:
		return header + LB_UDP;
	case LB_FORWARD_GENEVE:
		return header + LB_GENEVE;
	case LB_FORWARD_NAT:
		if (f->family == 4 && be->family == 6)
			return sizeof(struct ipv6) - sizeof(struct ipv4);
	}
	return 0;
}
