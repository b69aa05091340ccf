/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP errors about translated packets (RFC 5508, section 4; RFC 7915, sections
 * 4.2 to 4.5 and 5.2 to 5.5 between families): the packet that an error quotes is
 * translated as the packet itself was, the other way round, and the error sent to
 * whom it is for. Headers without options, extensions and tags only.
 */
#pragma once

#include "lbnat.h"
#ifndef LB_ON_TC
#include "lbsend.h"
#endif

/* The headers of an error and of what it quotes. */
struct lb_error4 {
	struct ipv4 ip;
	struct icmp icmp;
	struct ipv4 quoted;
};

struct lb_error6 {
	struct ipv6 ip;
	struct icmp icmp;
	struct ipv6 quoted;
};

/* An error on its way, and both ends of what it quotes. */
struct lb_error {
	struct lb_ends quoted;
	union address source;
	union address destination;
	u8 from;
	u8 family;
	u8 protocol; /* of what is quoted */
	u8 reserved;
	be16 l4[10]; /* the start of the quoted transport header */
	union {
		struct lb_error4 v4;
		struct lb_error6 v6;
	} in, out;
	u8 l2[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lb_error);
} lb_error_scratch SEC(".maps");

static __always_inline struct lb_error *lb_error_of(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&lb_error_scratch, &zero);
}

static __always_inline u64 lb_sum_words(const void *at, u32 size)
{
	const u32 *w = at;
	u64 sum = 0;
#pragma unroll
	for (u32 i = 0; i < size / 4; i++)
		sum += w[i];
	return sum;
}

/* The part of an ICMPv6 checksum that ICMP does not have. */
static __always_inline u64 lb_sum_pseudo(const struct ipv6 *ip)
{
	return lb_sum_words(ip->source, 32) + ip->payload_length + NET16(IPPROTO_ICMPV6);
}

/*
 * Gives the quoted transport header other ports and, if the quote reaches so far,
 * the checksum that goes with them and with the addresses, whose sums are given.
 * What changed is added to both sums.
 */
static __always_inline bool lb_turn_l4(LB_CTX *ctx, struct lb_error *e, u32 at, u64 *before,
				       u64 *after)
{
	u64 was = *before, now = *after;
	be16 *l4 = e->l4;
	if (lb_load(ctx, at, l4, 8))
		return false;
	was += l4[0] + l4[1];
	now += e->quoted.source_port + e->quoted.destination_port;
	*before = l4[0] + l4[1];
	*after = e->quoted.source_port + e->quoted.destination_port;
	l4[0] = e->quoted.source_port;
	l4[1] = e->quoted.destination_port;
	if (e->protocol == IPPROTO_UDP && l4[3]) {
		u16 sum = lb_mended(l4[3], was, now);
		if (!sum)
			sum = 0xffff;
		*before += l4[3];
		*after += sum;
		l4[3] = sum;
	} else if (e->protocol == IPPROTO_TCP && !lb_load(ctx, at + 16, l4 + 8, 2)) {
		u16 sum = lb_mended(l4[8], was, now);
		*before += l4[8];
		*after += sum;
		if (lb_put(ctx, at + 16, &sum, 2))
			return false;
	}
	return !lb_put(ctx, at, l4, 8);
}

#define LB_ICMP_MIN_MTU6 1280

/* From ICMP to ICMPv6, the third word in host byte order; false if there is no
 * such error. */
static __always_inline bool lb_error_4to6(struct icmp *i)
{
	u8 code = i->code;
	u32 mtu = host16(i->sequence), pointer = i->id & 0xff;
	u32 word = 0;
	switch (i->type) {
	case ICMP_UNREACHABLE:
		i->type = ICMPV6_UNREACHABLE;
		if (code == 3) {
			i->code = 4;
		} else if (code == 9 || code == 10 || code == 13 || code == 15) {
			i->code = 1;
		} else if (code == ICMP_FRAG_NEEDED) {
			i->type = ICMPV6_TOO_BIG;
			i->code = 0;
			word = mtu + 20 < LB_ICMP_MIN_MTU6 ? LB_ICMP_MIN_MTU6 : mtu + 20;
		} else if (code == 2) {
			i->type = ICMPV6_PARAMETER;
			i->code = 1;
			word = 6;
		} else if (code == 14 || code > 15) {
			return false;
		} else {
			i->code = 0;
		}
		break;
	case ICMP_TIME_EXCEEDED:
		i->type = ICMPV6_TIME_EXCEEDED;
		break;
	case ICMP_PARAMETER:
		if (code != 0 && code != 2)
			return false;
		i->type = ICMPV6_PARAMETER;
		i->code = 0;
		if (pointer <= 1)
			word = pointer;
		else if (pointer <= 3)
			word = 4;
		else if (pointer == 8)
			word = 7;
		else if (pointer == 9)
			word = 6;
		else if (pointer >= 12 && pointer <= 15)
			word = 8;
		else if (pointer >= 16 && pointer <= 19)
			word = 24;
		else
			return false;
		break;
	default:
		return false;
	}
	i->id = net16(word >> 16);
	i->sequence = net16(word);
	return true;
}

static __always_inline bool lb_error_6to4(struct icmp *i)
{
	u8 code = i->code;
	u32 word = (u32)host16(i->id) << 16 | host16(i->sequence);
	i->id = i->sequence = 0;
	switch (i->type) {
	case ICMPV6_UNREACHABLE:
		i->type = ICMP_UNREACHABLE;
		if (code > 4)
			return false;
		i->code = code == 4 ? 3 : code == 1 ? 10 : 1;
		break;
	case ICMPV6_TOO_BIG:
		i->type = ICMP_UNREACHABLE;
		i->code = ICMP_FRAG_NEEDED;
		if (word < LB_ICMP_MIN_MTU6)
			word = LB_ICMP_MIN_MTU6;
		i->sequence = net16(word - 20 > 65535 ? 65535 : word - 20);
		break;
	case ICMPV6_TIME_EXCEEDED:
		i->type = ICMP_TIME_EXCEEDED;
		break;
	case ICMPV6_PARAMETER:
		if (code == 1) {
			i->type = ICMP_UNREACHABLE;
			i->code = 2;
			break;
		}
		if (code != 0)
			return false;
		i->type = ICMP_PARAMETER;
		if (word <= 1)
			i->id = word;
		else if (word == 4 || word == 5)
			i->id = 2;
		else if (word == 6)
			i->id = 9;
		else if (word == 7)
			i->id = 8;
		else if (word >= 8 && word <= 23)
			i->id = 12;
		else if (word >= 24 && word <= 39)
			i->id = 16;
		else
			return false;
		break;
	default:
		return false;
	}
	return true;
}

/* The headers as they are to be, but for checksums: from those of e->in. */
static __always_inline bool lb_error_as4(struct lb_error *e)
{
	struct lb_error4 *o = &e->out.v4;
	if (e->from == 4) {
		*o = e->in.v4;
		o->ip.ttl--;
	} else {
		const struct lb_error6 *i = &e->in.v6;
		o->icmp = i->icmp;
		if (!lb_error_6to4(&o->icmp))
			return false;
		o->ip.version_ihl = o->quoted.version_ihl = 0x45;
		o->ip.tos = host32(i->ip.version_class_flow) >> 20;
		o->quoted.tos = host32(i->quoted.version_class_flow) >> 20;
		/* The outer header and the quoted one both lose 20 bytes. */
		o->ip.length = i->ip.payload_length;
		o->quoted.length = net16(host16(i->quoted.payload_length) + sizeof(struct ipv4));
		o->ip.id = o->quoted.id = 0;
		o->ip.fragment = o->quoted.fragment = NET16(0x4000);
		o->ip.ttl = i->ip.hop_limit - 1;
		o->quoted.ttl = i->quoted.hop_limit;
		o->ip.protocol = IPPROTO_ICMP;
		o->quoted.protocol = e->protocol;
		o->quoted.source = o->quoted.destination = 0;
		o->quoted.checksum = 0;
		o->quoted.checksum = checksum_ipv4(&o->quoted);
	}
	u64 before = (u64)o->quoted.source + o->quoted.destination;
	o->quoted.source = e->quoted.source.words[3];
	o->quoted.destination = e->quoted.destination.words[3];
	o->quoted.checksum =
	    lb_mended(o->quoted.checksum, before, (u64)o->quoted.source + o->quoted.destination);
	o->ip.source = e->source.words[3];
	o->ip.destination = e->destination.words[3];
	o->ip.checksum = 0;
	o->ip.checksum = checksum_ipv4(&o->ip);
	return true;
}

static __always_inline bool lb_error_as6(struct lb_error *e)
{
	struct lb_error6 *o = &e->out.v6;
	if (e->from == 6) {
		*o = e->in.v6;
		o->ip.hop_limit--;
	} else {
		const struct lb_error4 *i = &e->in.v4;
		o->icmp = i->icmp;
		if (!lb_error_4to6(&o->icmp))
			return false;
		o->ip.version_class_flow = net32(6U << 28 | (u32)i->ip.tos << 20);
		o->quoted.version_class_flow = net32(6U << 28 | (u32)i->quoted.tos << 20);
		o->ip.payload_length = i->ip.length;
		o->quoted.payload_length = net16(host16(i->quoted.length) - sizeof(struct ipv4));
		o->ip.next_header = IPPROTO_ICMPV6;
		o->quoted.next_header = e->protocol;
		o->ip.hop_limit = i->ip.ttl - 1;
		o->quoted.hop_limit = i->quoted.ttl;
	}
	memcpy(o->quoted.source, &e->quoted.source, 16);
	memcpy(o->quoted.destination, &e->quoted.destination, 16);
	memcpy(o->ip.source, &e->source, 16);
	memcpy(o->ip.destination, &e->destination, 16);
	return true;
}

/* Room for headers of the other family. */
static __always_inline bool lb_error_room(LB_CTX *ctx, struct lb_error *e)
{
	be16 protocol = e->family == 6 ? NET16(ETH_P_IPV6) : NET16(ETH_P_IP);
#ifdef LB_ON_TC
	int room = e->family == 6 ? 20 : -20;
	if (bpf_skb_adjust_room(ctx, room, BPF_ADJ_ROOM_NET, BPF_F_ADJ_ROOM_NO_CSUM_RESET) ||
	    bpf_skb_change_proto(ctx, protocol, 0))
		return false;
#else
	if (lb_load(ctx, 0, e->l2, 12) || bpf_xdp_adjust_head(ctx, e->family == 6 ? -40 : 40) ||
	    lb_put(ctx, 0, e->l2, 12))
		return false;
#endif
	return !lb_put(ctx, 12, &protocol, 2);
}

/* Turns the error round as the scratch says; false if that cannot be, and the
 * packet is to be dropped. */
__noinline int lb_turn_error(LB_CTX *ctx)
{
	struct lb_error *e = lb_error_of();
	u64 before = 0, after = 0, words_before, words_after;
	u16 checksum;
	u8 hops;
	if (!e)
		return 0;
	if (e->from == 4) {
		struct lb_error4 *i = &e->in.v4;
		if (lb_load(ctx, 14, i, sizeof(*i)) || i->ip.version_ihl != 0x45 ||
		    i->quoted.version_ihl != 0x45)
			return 0;
		hops = i->ip.ttl;
		checksum = i->icmp.checksum;
		i->icmp.checksum = 0;
		before = (u64)i->quoted.source + i->quoted.destination;
		words_before = lb_sum_words(&i->icmp, sizeof(i->icmp) + sizeof(i->quoted));
	} else {
		struct lb_error6 *i = &e->in.v6;
		if (lb_load(ctx, 14, i, sizeof(*i)))
			return 0;
		hops = i->ip.hop_limit;
		checksum = i->icmp.checksum;
		i->icmp.checksum = 0;
		before = lb_sum_words(i->quoted.source, 32);
		words_before = lb_sum_words(&i->icmp, sizeof(i->icmp) + sizeof(i->quoted)) +
			       lb_sum_pseudo(&i->ip);
	}
	if (hops <= 1)
		return 0;
	if (e->family == 4) {
		if (!lb_error_as4(e))
			return 0;
		after = (u64)e->quoted.source.words[3] + e->quoted.destination.words[3];
		words_after =
		    lb_sum_words(&e->out.v4.icmp, sizeof(struct icmp) + sizeof(struct ipv4));
	} else {
		if (!lb_error_as6(e))
			return 0;
		after = lb_sum6(&e->quoted.source) + lb_sum6(&e->quoted.destination);
		words_after =
		    lb_sum_words(&e->out.v6.icmp, sizeof(struct icmp) + sizeof(struct ipv6)) +
		    lb_sum_pseudo(&e->out.v6.ip);
	}
	if (!lb_turn_l4(ctx, e, 14 + (e->from == 4 ? sizeof(e->in.v4) : sizeof(e->in.v6)), &before,
			&after))
		return 0;
	if (e->from != e->family && !lb_error_room(ctx, e))
		return 0;
	checksum = lb_mended(checksum, words_before + before, words_after + after);
	if (e->family == 4) {
		e->out.v4.icmp.checksum = checksum;
		return !lb_put(ctx, 14, &e->out.v4, sizeof(e->out.v4));
	}
	e->out.v6.icmp.checksum = checksum;
	return !lb_put(ctx, 14, &e->out.v6, sizeof(e->out.v6));
}

/* The verdict on an error whose scratch has its ends. */
static __always_inline int lb_nat_error(const struct packet *p, const struct packet *quoted,
					struct lb_error *e, u8 family)
{
	e->from = p->family;
	e->family = family;
	e->protocol = quoted->protocol;
	bool plain =
	    p->l3 == 14 && quoted->family == p->family &&
	    (p->family == 4 ? p->l4 == 34 && quoted->l4 == 62 : p->l4 == 54 && quoted->l4 == 102);
	return plain ? LB_NAT_LONG : lb_nat_refuse(LB_REASON_UNSUPPORTED);
}

/* Somebody on the way to a backend, or itself, about a translated request:
 * LB_NAT_LONG if lb_turn_error makes it one for the client, else a verdict; -2
 * if it is not about one. */
__noinline int lb_nat_error_back(const struct packet *p, const struct packet *quoted)
{
	u32 zero = 0;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	struct lb_error *e = lb_error_of();
	if (!c || !s || !e || !p || !quoted)
		return -2;
	if (quoted->source_port < c->nat_low || quoted->source_port > c->nat_high ||
	    !lb_is_ours(&quoted->source, quoted->family, c))
		return -2;
	memset(s, 0, sizeof(*s));
	s->in.backend = quoted->destination;
	s->in.backend_port = net16(quoted->destination_port);
	s->in.port = net16(quoted->source_port);
	s->in.protocol = quoted->protocol;
	s->in.family = quoted->family;
	struct lb_nat_in *in = bpf_map_lookup_elem(&lb_nat_in, &s->in);
	if (!in)
		return -2; /* the host's own */
	e->quoted.source = e->destination = in->client;
	e->quoted.destination = in->service;
	e->quoted.source_port = in->client_port;
	e->quoted.destination_port = in->service_port;
	u8 family = lb_mapped(&in->client) ? 4 : 6;
	/* The client knows routers, but not the backend, and of another family's
	 * only those that have an address in its own. */
	bool own = p->source.halves[0] == quoted->destination.halves[0] &&
		   p->source.halves[1] == quoted->destination.halves[1];
	e->source = own || p->family != family ? in->service : p->source;
	return lb_nat_error(p, quoted, e, family);
}

#ifndef LB_ON_TC
/* Sends it on. The caller does so, as the stack would not hold one below the
 * other. */
static __always_inline int lb_nat_error_route(LB_CTX *ctx)
{
	struct lb_error *e = lb_error_of();
	return e ? lb_route(ctx, &e->destination, e->family) : XDP_DROP;
}
#endif

/* A client, or somebody on the way to it, about a translated answer:
 * LB_NAT_LONG if lb_turn_error makes it one for the backend, else a verdict. */
__noinline int lb_nat_error_there(const struct packet *p, const struct packet *quoted,
				  const struct lb_flow *f, const struct lb_backend *be)
{
	u32 zero = 0;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	struct lb_error *e = lb_error_of();
	if (!c || !s || !e || !p || !quoted || !f || !be)
		return LB_PASS;
	memset(s, 0, sizeof(*s));
	s->out.client = f->client;
	s->out.frontend = f->tag & 0xffff;
	s->out.client_port = f->client_port;
	s->out.protocol = f->protocol;
	u32 *port = bpf_map_lookup_elem(&lb_nat_out, &s->out);
	if (!port) {
		lb_count_reason(LB_REASON_NAT_UNKNOWN);
		return LB_PASS;
	}
	e->quoted.source = e->destination = be->address;
	e->quoted.source_port = be->port;
	e->quoted.destination_port = *port;
	if (!lb_stand_in(&e->source, be->family, &f->client, c))
		return lb_nat_refuse(LB_REASON_UNSUPPORTED);
	e->quoted.destination = e->source;
	return lb_nat_error(p, quoted, e, be->family);
}
