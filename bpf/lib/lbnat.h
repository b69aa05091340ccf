/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Forwarding by translation: the client's address becomes ours with a port that
 * nobody else has towards that backend, and the service's address becomes the
 * backend's. The answer is turned back by what was written down for it.
 */
#pragma once

#include "lbxlate.h"

#ifndef LB_ON_TC
/* The short way of plain TCP and UDP: IPv4 without options, IPv6 without
 * extensions, no tag, no fragment, the same family on both sides. */
static __always_inline bool lb_rewrite(LB_CTX *ctx, u8 family, u8 protocol,
				       const struct lb_ends *to)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	u64 before = 0, after = 0;
	be16 *ports;
	if (family == 4) {
		struct ipv4 *ip = data + 14;
		if ((void *)(ip + 1) > end || ip->version_ihl != 0x45)
			return false;
		before = (u64)ip->source + ip->destination;
		after = (u64)to->source.words[3] + to->destination.words[3];
		ip->source = to->source.words[3];
		ip->destination = to->destination.words[3];
		u16 sum = (u16)~ip->checksum;
		u64 ttl = ip->ttl;
		if (ttl <= 1)
			return false;
		ip->ttl = ttl - 1;
		ip->checksum =
		    ~checksum_fold((u64)sum + (u16)~checksum_fold(before) + after + (u16)~1);
		ports = (void *)(ip + 1);
	} else {
		struct ipv6 *ip = data + 14;
		if ((void *)(ip + 1) > end || ip->hop_limit <= 1)
			return false;
		union address was;
		memcpy(&was, ip->source, 16);
		before += lb_sum6(&was);
		memcpy(&was, ip->destination, 16);
		before += lb_sum6(&was);
		after += lb_sum6(&to->source) + lb_sum6(&to->destination);
		memcpy(ip->source, &to->source, 16);
		memcpy(ip->destination, &to->destination, 16);
		ip->hop_limit--;
		ports = (void *)(ip + 1);
	}
	if ((void *)(ports + 4) > end)
		return false;
	before += (u64)ports[0] + ports[1];
	after += (u64)to->source_port + to->destination_port;
	ports[0] = to->source_port;
	ports[1] = to->destination_port;
	be16 *checksum;
	if (protocol == IPPROTO_TCP) {
		struct tcp *tcp = (void *)ports;
		if ((void *)(tcp + 1) > end)
			return false;
		checksum = &tcp->checksum;
	} else {
		checksum = ports + 3;
		if (!*checksum)
			return true; /* a datagram without one (RFC 768) */
	}
	u16 sum = lb_mended(*checksum, before, after);
	if (protocol == IPPROTO_UDP && !sum)
		sum = 0xffff;
	*checksum = sum;
	return true;
}

static __always_inline bool lb_plain(const struct lb_flow *f)
{
	return f->l3 == 14 && f->l4 == (f->family == 4 ? 34 : 54) && !f->more_fragments &&
	       f->protocol != IPPROTO_SCTP;
}
#endif

static __always_inline int lb_nat_refuse(u32 reason)
{
	lb_count_reason(reason);
	return LB_DROP;
}

/*
 * Translates to s->to, in one way or the other: LB_NAT_DONE, a verdict, or
 * LB_NAT_LONG, and the caller calls lb_xlate_finish, as the stack would not hold
 * that below the functions that decide.
 */
static __always_inline int lb_nat_apply(LB_CTX *ctx, const struct lb_flow *f,
					const struct lb_nat_scratch *s, u8 family, u32 backend)
{
#ifndef LB_ON_TC
	if (lb_plain(f) && f->family == family)
		return lb_rewrite(ctx, family, f->protocol, &s->to)
			   ? LB_NAT_DONE
			   : lb_nat_refuse(LB_REASON_UNSUPPORTED);
#endif
	struct lb_xlate *x = lb_xlate_of();
	if (!x)
		return LB_DROP;
	lb_xlate_flow(x, f, family, backend);
	x->to = s->to;
	return LB_NAT_LONG;
}

/* Translates a request: as lb_nat_apply. */
__noinline int lb_nat_request(LB_CTX *ctx, const struct lb_flow *f, const union address *service,
			      u32 backend, const struct lb_config *c)
{
	u32 zero = 0;
	if (!f || !service || !c)
		return LB_DROP;
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	struct lb_backend *be = lb_backend_at(backend);
	if (!s || !be)
		return LB_DROP;
	memset(s, 0, sizeof(*s));
	if (!lb_stand_in(&s->to.source, be->family, &f->client, c))
		return lb_nat_refuse(LB_REASON_UNSUPPORTED);
	s->way.service = *service;
	s->way.client = f->client;
	s->way.client_port = f->client_port;
	s->way.service_port = f->service_port;
	s->out.client = f->client;
	s->out.frontend = f->tag & 0xffff;
	s->out.client_port = f->client_port;
	s->out.protocol = f->protocol;
	s->in.backend = be->address;
	s->in.backend_port = be->port;
	s->in.protocol = f->protocol;
	s->in.family = be->family;
	s->to.source_port = lb_nat_port_of(s, f, c);
	if (!s->to.source_port)
		return lb_nat_refuse(LB_REASON_NAT_PORTS);
	s->to.destination = be->address;
	s->to.destination_port = be->port;
	return lb_nat_apply(ctx, f, s, be->family, backend);
}

/* The answer of a backend to a translated request, f as parsed, to an address
 * that is ours, to be sent to lb_nat_scratch.to: as lb_nat_apply; -2 for any other
 * packet. */
__noinline int lb_nat_answer(LB_CTX *ctx, const struct lb_flow *f)
{
	u32 zero = 0;
	if (!f)
		return LB_DROP;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	u16 port = host16(f->service_port);
	if (!c || !s || port < c->nat_low || port > c->nat_high)
		return -2;
	memset(s, 0, sizeof(*s));
	s->in.backend = f->client;
	s->in.backend_port = f->client_port;
	s->in.port = f->service_port;
	s->in.protocol = f->protocol;
	s->in.family = f->family;
	struct lb_nat_in *in = bpf_map_lookup_elem(&lb_nat_in, &s->in);
	if (!in) {
		lb_count_reason(LB_REASON_NAT_UNKNOWN);
		return LB_PASS;
	}
	s->to.source = in->service;
	s->to.destination = in->client;
	s->to.source_port = in->service_port;
	s->to.destination_port = in->client_port;
	return lb_nat_apply(ctx, f, s, lb_mapped(&in->client) ? 4 : 6, 0);
}

/* A later fragment whose first was translated, as lb_xlate.key finds: LB_NAT_LONG,
 * and lb_xlate.way says where to; else a verdict, -2 if its first was not. */
__noinline int lb_nat_fragment(const struct lb_flow *f)
{
	struct lb_xlate *x = lb_xlate_of();
	if (!x || !f)
		return LB_DROP;
	struct lb_fragment *way = bpf_map_lookup_elem(&lb_fragment, &x->key);
	if (!way || !way->family)
		return -2;
	x->way = *way;
	lb_xlate_flow(x, f, 0, 0);
	x->family = x->way.family;
	x->id = x->way.id;
	x->to.source = x->way.source;
	x->to.destination = x->way.destination;
	return LB_NAT_LONG;
}
