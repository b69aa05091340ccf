/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Translation of any packet that can be: of either family into either (RFC 7915),
 * with IPv4 options, IPv6 extension headers, tags, as a fragment, over TCP, UDP
 * or SCTP. Plain TCP and UDP that stay in their family have a shorter way of their
 * own on XDP (lbnat.h).
 */
#pragma once

#include "lbaccess.h"
#include "lbcrc.h"
#include "lbport.h"

/* Not verdicts: the packet is translated and ready to be sent, or will be by what
 * lb_xlate_scratch or lb_error_scratch says. */
#define LB_NAT_DONE 16
#define LB_NAT_LONG 18

#define LB_XLATE_CHUNK 256
#define LB_XLATE_SUM   36 /* chunks of a datagram whose checksum is made: 9216 bytes */

/* What a packet's later fragments need of its first. */
struct lb_fragment {
	union address source; /* what they are translated to, if family is not 0 */
	union address destination;
	u32 backend; /* 0: an answer, sent where the routing table says */
	be32 id;     /* theirs collide: several senders become one */
	u8 family;
	u8 reserved[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct lb_fragment_key);
	__type(value, struct lb_fragment);
} lb_fragment SEC(".maps");

struct lb_xlate {
	struct lb_ends to;
	u32 l3; /* offsets from the start of the frame */
	u32 l4;
	u32 length;      /* of the IP packet, without what follows it in the frame */
	be32 id;         /* for fragments; of IPv4 the low half */
	u16 fragment_at; /* IPv6: offset of the fragment header from l3; 0: there is none */
	u16 offset;      /* in 8 bytes */
	u8 more;
	u8 from; /* families */
	u8 family;
	u8 protocol;
	be16 ports[4];
	struct lb_fragment_key key;
	struct lb_fragment way;
	union {
		struct ipv4 v4;
		struct ipv6 v6;
	} in;
	union {
		struct ipv4 v4;
		struct {
			struct ipv6 v6;
			struct ipv6_fragment fragment;
		};
	} out;
	u8 l2[24];
	u8 chunk[LB_XLATE_CHUNK];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lb_xlate);
} lb_xlate_scratch SEC(".maps");

static __always_inline struct lb_xlate *lb_xlate_of(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&lb_xlate_scratch, &zero);
}

static __always_inline u64 lb_sum6(const union address *a)
{
	return (u64)a->words[0] + a->words[1] + a->words[2] + a->words[3];
}

/* A checksum after a sum of words that it covers changed. */
static __always_inline u16 lb_mended(u16 checksum, u64 before, u64 after)
{
	return ~checksum_fold((u64)(u16)~checksum + (u16)~checksum_fold(before) + after);
}

static __always_inline bool lb_mapped(const union address *a)
{
	return !a->halves[0] && a->words[2] == net32(0xffff);
}

static __always_inline void lb_map4(union address *a, be32 v4)
{
	a->halves[0] = 0;
	a->words[2] = net32(0xffff);
	a->words[3] = v4;
}

/* RFC 6052, section 2.2: an IPv4 address inside the configured prefix. Bits 64
 * to 71 stay zero. */
static __always_inline void lb_embed(union address *to, const struct lb_config *c, be32 v4)
{
	const u8 *a = (const u8 *)&v4;
	*to = c->prefix6;
	switch (c->prefix6_bits) {
	case 32:
		to->words[1] = v4;
		break;
	case 40:
		to->bytes[5] = a[0], to->bytes[6] = a[1], to->bytes[7] = a[2], to->bytes[9] = a[3];
		break;
	case 48:
		to->bytes[6] = a[0], to->bytes[7] = a[1], to->bytes[9] = a[2], to->bytes[10] = a[3];
		break;
	case 56:
		to->bytes[7] = a[0], to->bytes[9] = a[1], to->bytes[10] = a[2],
		to->bytes[11] = a[3];
		break;
	case 64:
		to->bytes[9] = a[0], to->bytes[10] = a[1], to->bytes[11] = a[2],
		to->bytes[12] = a[3];
		break;
	default:
		to->words[3] = v4;
	}
}

static __always_inline bool lb_in_prefix(const union address *a, const struct lb_config *c)
{
	return c->prefix6_bits &&
	       (a->halves[0] & c->prefix6_mask.halves[0]) == c->prefix6.halves[0] &&
	       (a->halves[1] & c->prefix6_mask.halves[1]) == c->prefix6.halves[1];
}

/* Whether an answer to a translated request would come to this address. */
static __always_inline bool lb_is_ours(const union address *a, u8 family, const struct lb_config *c)
{
	if (family == 4)
		return c->source4 && a->words[3] == c->source4;
	return (a->halves[0] == c->source6.halves[0] && a->halves[1] == c->source6.halves[1]) ||
	       lb_in_prefix(a, c);
}

/* Our address in the client's place, towards a backend of a family; false if
 * there is none. */
static __always_inline bool lb_stand_in(union address *a, u8 family, const union address *client,
					const struct lb_config *c)
{
	if (family == 4) {
		lb_map4(a, c->source4);
		return c->source4 != 0;
	}
	if (c->prefix6_bits && lb_mapped(client)) {
		lb_embed(a, c, client->words[3]);
		return true;
	}
	*a = c->source6;
	return (a->halves[0] | a->halves[1]) != 0;
}

/* The checksum of a datagram that has none, over all that it covers but the
 * addresses, whose sum is given: IPv6 does not do without (RFC 7915, 4.5). */
__noinline int lb_xlate_full_sum(LB_CTX *ctx, u32 sum)
{
	struct lb_xlate *x = lb_xlate_of();
	if (!x)
		return -1;
	u32 at = x->l4, size = x->l3 + x->length - x->l4;
	u64 total = (u64)sum + net16(size) + NET16(IPPROTO_UDP);
	for (int i = 0; i < LB_XLATE_SUM && size; i++) {
		u32 n = size < LB_XLATE_CHUNK ? size : LB_XLATE_CHUNK;
		/* 1 to LB_XLATE_CHUNK, in a way that Linux 6.1 sees. */
		n--;
		barrier_var(n);
		n = (n & (LB_XLATE_CHUNK - 1)) + 1;
		memset(x->chunk, 0, LB_XLATE_CHUNK);
		if (lb_load(ctx, at, x->chunk, n))
			return -1;
		total += (u32)bpf_csum_diff(NULL, 0, (be32 *)x->chunk, LB_XLATE_CHUNK, 0);
		at += n;
		size -= n;
	}
	return size ? -1 : checksum_fold(total);
}

#ifdef LB_ON_TC
#define BPF_F_PSEUDO_HDR     16
#define BPF_F_MARK_MANGLED_0 32

/* The checksum may be one that a device is still to fill in, of which only the
 * addresses' part is there yet: the helper knows. */
static __always_inline bool lb_xlate_sum(LB_CTX *ctx, struct lb_xlate *x, u32 at, u64 before,
					 u64 after, u64 flags)
{
	u32 diff = (u32)(u16)~checksum_fold(before) + checksum_fold(after);
	be16 was[2] = {x->ports[0], x->ports[1]};
	return !bpf_l4_csum_replace(ctx, at, 0, diff, flags | BPF_F_PSEUDO_HDR) &&
	       !bpf_l4_csum_replace(ctx, at, was[0], x->to.source_port, flags | 2) &&
	       !bpf_l4_csum_replace(ctx, at, was[1], x->to.destination_port, flags | 2);
}
#else
#define BPF_F_MARK_MANGLED_0 32

static __always_inline bool lb_xlate_sum(LB_CTX *ctx, struct lb_xlate *x, u32 at, u64 before,
					 u64 after, u64 flags)
{
	u16 sum;
	if (lb_load(ctx, at, &sum, 2))
		return false;
	if (!sum && flags)
		return true; /* a datagram without one (RFC 768) */
	sum = lb_mended(sum, before + x->ports[0] + x->ports[1],
			after + x->to.source_port + x->to.destination_port);
	if (!sum && flags)
		sum = 0xffff;
	return !lb_put(ctx, at, &sum, 2);
}
#endif

/* Ports and checksum; before and after are sums of the addresses. */
static __always_inline bool lb_xlate_l4(LB_CTX *ctx, struct lb_xlate *x, u64 before, u64 after)
{
	u32 l4 = x->l4;
	if (l4 > PACKET_HEADERS || lb_load(ctx, l4, x->ports, 8))
		return false;
	if (x->protocol == IPPROTO_TCP) {
		if (!lb_xlate_sum(ctx, x, l4 + 16, before, after, 0))
			return false;
	} else if (x->protocol == IPPROTO_UDP) {
		if (!x->ports[3] && x->from == 4 && x->family == 6) {
			/* A fragment does not show all that it would be over. */
			if (x->more)
				return false;
			int sum = lb_xlate_full_sum(
			    ctx, checksum_fold(after + (u16)~x->ports[0] + (u16)~x->ports[1] +
					       x->to.source_port + x->to.destination_port));
			if (sum < 0)
				return false;
			u16 made = ~sum;
			if (!made)
				made = 0xffff;
			if (lb_put(ctx, l4 + 6, &made, 2))
				return false;
		} else if (!lb_xlate_sum(ctx, x, l4 + 6, before, after, BPF_F_MARK_MANGLED_0)) {
			return false;
		}
	} else if (x->protocol == IPPROTO_SCTP) {
		/* It covers the whole packet, whose size a first fragment does not
		 * tell, and no addresses. Zero: a device is still to fill it in. */
		u32 crc;
		if (x->more || lb_load(ctx, l4 + 8, &crc, 4))
			return false;
		u32 was = x->ports[0] | (u32)x->ports[1] << 16;
		u32 now = x->to.source_port | (u32)x->to.destination_port << 16;
		if (crc) {
			crc ^= crc32c_change(was ^ now, x->l3 + x->length - l4);
			if (lb_put(ctx, l4 + 8, &crc, 4))
				return false;
		}
	} else {
		return false;
	}
	be16 ports[2] = {x->to.source_port, x->to.destination_port};
	return !lb_put(ctx, l4, ports, sizeof(ports));
}

/* Room for a header that is longer by so much, with the tags moved in front of
 * it and the frame said to be of x->family. */
#ifdef LB_ON_TC
#define BPF_ADJ_ROOM_NET             0
#define BPF_F_ADJ_ROOM_NO_CSUM_RESET 32

static __always_inline bool lb_xlate_room(LB_CTX *ctx, struct lb_xlate *x, int room)
{
	int rest = room - (x->family == 6 ? 20 : -20);
	if (x->l3 != 14 || rest > 64 || rest < -128)
		return false;
	if (rest < 0 &&
	    bpf_skb_adjust_room(ctx, rest, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return false;
	if (bpf_skb_change_proto(ctx, x->family == 6 ? NET16(ETH_P_IPV6) : NET16(ETH_P_IP), 0))
		return false;
	if (rest > 0 &&
	    bpf_skb_adjust_room(ctx, rest, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_NO_CSUM_RESET))
		return false;
	be16 protocol = x->family == 6 ? NET16(ETH_P_IPV6) : NET16(ETH_P_IP);
	return !lb_put(ctx, 12, &protocol, 2);
}
#else
static __always_inline bool lb_xlate_room(LB_CTX *ctx, struct lb_xlate *x, int room)
{
	u32 l3 = x->l3;
	be16 protocol = x->family == 6 ? NET16(ETH_P_IPV6) : NET16(ETH_P_IP);
	if (lb_load(ctx, 0, x->l2, 22) || bpf_xdp_adjust_head(ctx, -room))
		return false;
	switch (l3) {
	case 14:
		return !lb_put(ctx, 0, x->l2, 12) && !lb_put(ctx, 12, &protocol, 2);
	case 18:
		return !lb_put(ctx, 0, x->l2, 16) && !lb_put(ctx, 16, &protocol, 2);
	case 22:
		return !lb_put(ctx, 0, x->l2, 20) && !lb_put(ctx, 20, &protocol, 2);
	}
	return false;
}
#endif

static __always_inline bool lb_xlate_4to4(LB_CTX *ctx, struct lb_xlate *x, u64 before, u64 after)
{
	struct ipv4 *ip = &x->in.v4;
	be16 id = x->more || x->offset ? (be16)x->id : ip->id;
	ip->checksum = lb_mended(ip->checksum, before + ip->id + 1, after + id);
	ip->source = x->to.source.words[3];
	ip->destination = x->to.destination.words[3];
	ip->id = id;
	ip->ttl--;
	return !lb_put(ctx, x->l3, ip, sizeof(*ip));
}

static __always_inline bool lb_xlate_6to6(LB_CTX *ctx, struct lb_xlate *x)
{
	struct ipv6 *ip = &x->in.v6;
	memcpy(ip->source, &x->to.source, 16);
	memcpy(ip->destination, &x->to.destination, 16);
	ip->hop_limit--;
	if (lb_put(ctx, x->l3, ip, sizeof(*ip)))
		return false;
	if (!x->fragment_at || !(x->more || x->offset))
		return true;
	return !lb_put(ctx, x->l3 + x->fragment_at + 4, &x->id, 4);
}

/* RFC 7915, section 4.1; options are not carried over. */
static __always_inline bool lb_xlate_4to6(LB_CTX *ctx, struct lb_xlate *x)
{
	const struct ipv4 *was = &x->in.v4;
	u32 header = x->l4 - x->l3, extra = x->more || x->offset ? sizeof(struct ipv6_fragment) : 0;
	struct ipv6 *ip = &x->out.v6;
	ip->version_class_flow = net32(6U << 28 | (u32)was->tos << 20);
	ip->payload_length = net16(x->length - header + extra);
	ip->next_header = extra ? IPPROTO_FRAGMENT : x->protocol;
	ip->hop_limit = was->ttl - 1;
	memcpy(ip->source, &x->to.source, 16);
	memcpy(ip->destination, &x->to.destination, 16);
	x->out.fragment.next_header = x->protocol;
	x->out.fragment.reserved = 0;
	x->out.fragment.offset = net16(x->offset << 3 | x->more);
	x->out.fragment.id = x->id;
	if (!lb_xlate_room(ctx, x, (int)(sizeof(*ip) + extra) - (int)header))
		return false;
	return extra ? !lb_put(ctx, x->l3, &x->out, sizeof(*ip) + sizeof(struct ipv6_fragment))
		     : !lb_put(ctx, x->l3, &x->out, sizeof(*ip));
}

/* RFC 7915, section 5.1; extension headers are not carried over. */
static __always_inline bool lb_xlate_6to4(LB_CTX *ctx, struct lb_xlate *x)
{
	const struct ipv6 *was = &x->in.v6;
	u32 header = x->l4 - x->l3, length = x->length - header + sizeof(struct ipv4);
	struct ipv4 *ip = &x->out.v4;
	ip->version_ihl = 0x45;
	ip->tos = host32(was->version_class_flow) >> 20;
	ip->length = net16(length);
	ip->id = 0;
	ip->fragment = 0;
	if (x->more || x->offset) {
		ip->id = x->id;
		ip->fragment = net16(x->offset | (u32)x->more << 13);
	} else if (length > 1260) {
		ip->fragment = NET16(0x4000);
	} else {
		ip->id = bpf_get_prandom_u32();
	}
	ip->ttl = was->hop_limit - 1;
	ip->protocol = x->protocol;
	ip->checksum = 0;
	ip->source = x->to.source.words[3];
	ip->destination = x->to.destination.words[3];
	ip->checksum = checksum_ipv4(ip);
	return lb_xlate_room(ctx, x, (int)sizeof(*ip) - (int)header) &&
	       !lb_put(ctx, x->l3, ip, sizeof(*ip));
}

/* Does what the scratch says; 0 if it cannot be done, and the packet, which may
 * be changed in part, is to be dropped. */
__noinline int lb_xlate(LB_CTX *ctx)
{
	struct lb_xlate *x = lb_xlate_of();
	u64 before, after;
	u8 hops;
	if (!x || x->l3 > 22 || x->l4 > PACKET_HEADERS || x->l4 < x->l3 + sizeof(struct ipv4))
		return 0;
	if (x->from == 4) {
		if (lb_load(ctx, x->l3, &x->in.v4, sizeof(struct ipv4)))
			return 0;
		hops = x->in.v4.ttl;
		before = (u64)x->in.v4.source + x->in.v4.destination;
	} else {
		union address a, b;
		if (lb_load(ctx, x->l3, &x->in.v6, sizeof(struct ipv6)))
			return 0;
		hops = x->in.v6.hop_limit;
		memcpy(&a, x->in.v6.source, 16);
		memcpy(&b, x->in.v6.destination, 16);
		before = lb_sum6(&a) + lb_sum6(&b);
	}
	if (hops <= 1)
		return 0;
	after = x->family == 4 ? (u64)x->to.source.words[3] + x->to.destination.words[3]
			       : lb_sum6(&x->to.source) + lb_sum6(&x->to.destination);
	if (!x->offset && !lb_xlate_l4(ctx, x, before, after))
		return 0;
	if (x->from == x->family)
		return x->from == 4 ? lb_xlate_4to4(ctx, x, before, after) : lb_xlate_6to6(ctx, x);
	return x->from == 4 ? lb_xlate_4to6(ctx, x) : lb_xlate_6to4(ctx, x);
}

/* Sets the scratch from a flow; the ends are the caller's. */
static __always_inline void lb_xlate_flow(struct lb_xlate *x, const struct lb_flow *f, u8 family,
					  u32 backend)
{
	x->l3 = f->l3;
	x->l4 = f->l4;
	x->length = f->length;
	x->fragment_at = f->fragment_at;
	x->offset = f->fragment_offset;
	x->more = f->more_fragments;
	x->from = f->family;
	x->family = family;
	x->protocol = f->protocol;
	if (x->more && !x->offset) {
		x->id = bpf_get_prandom_u32() | 1;
		memset(&x->way, 0, sizeof(x->way));
		x->way.backend = backend;
	}
}

/* Does what the scratch says, and remembers a first fragment's translation for
 * those that follow: LB_NAT_DONE or a verdict. */
static __always_inline int lb_xlate_finish(LB_CTX *ctx)
{
	struct lb_xlate *x = lb_xlate_of();
	if (!x)
		return LB_DROP;
	if (!lb_xlate(ctx)) {
		lb_count_reason(LB_REASON_UNSUPPORTED);
		return LB_DROP;
	}
	if (x->more && !x->offset) {
		x->way.source = x->to.source;
		x->way.destination = x->to.destination;
		x->way.id = x->id;
		x->way.family = x->family;
		bpf_map_update_elem(&lb_fragment, &x->key, &x->way, BPF_ANY);
	}
	return LB_NAT_DONE;
}
