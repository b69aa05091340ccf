/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Forwarding by translation: the client's address becomes ours with a port that
 * nobody else has towards that backend, and the service's address becomes the
 * backend's. The answer is turned back by what was written down for it.
 */
#pragma once

#include "lbport.h"
#include "lbsend.h"

/*
 * Gives the packet other ends and mends its checksums. Only plain headers are
 * translated: IPv4 without options, IPv6 without extensions.
 */
static __always_inline bool lb_rewrite(struct xdp_md *ctx, u32 l3, u8 family, u8 protocol,
				       const struct lb_ends *to)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	u64 before = 0, after = 0;
	be16 *ports;
	if (l3 != 14)
		return false;
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
		for (int i = 0; i < 4; i++)
			before += was.words[i];
		memcpy(&was, ip->destination, 16);
		for (int i = 0; i < 4; i++)
			before += was.words[i];
		for (int i = 0; i < 4; i++)
			after += (u64)to->source.words[i] + to->destination.words[i];
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
	u16 sum = ~checksum_fold((u64)(u16) ~*checksum + (u16)~checksum_fold(before) + after);
	if (protocol == IPPROTO_UDP && !sum)
		sum = 0xffff;
	*checksum = sum;
	return true;
}

/* Translates a request: LB_NAT_DONE if it is ready to be sent, else a verdict. */
#define LB_NAT_DONE 16

__noinline int lb_nat_request(struct xdp_md *ctx, const struct lb_flow *f,
			      const struct lb_backend *be, const struct lb_config *c)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	u32 zero = 0;
	if (!f || !be || !c)
		return XDP_ABORTED;
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	if (!s)
		return XDP_ABORTED;
	if (f->l3 != 14 || f->more_fragments || be->family != f->family ||
	    (f->protocol != IPPROTO_TCP && f->protocol != IPPROTO_UDP) ||
	    f->l4 != (f->family == 4 ? 34 : 54)) {
		lb_count_reason(LB_REASON_UNSUPPORTED);
		return XDP_DROP;
	}
	memset(s, 0, sizeof(*s));
	if (f->family == 4) {
		struct ipv4 *ip = data + 14;
		if ((void *)(ip + 1) > end)
			return XDP_DROP;
		s->way.service.words[2] = net32(0xffff);
		s->way.service.words[3] = ip->destination;
		s->to.source.words[3] = c->source4;
	} else {
		struct ipv6 *ip = data + 14;
		if ((void *)(ip + 1) > end)
			return XDP_DROP;
		memcpy(&s->way.service, ip->destination, 16);
		s->to.source = c->source6;
	}
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
	s->in.family = f->family;
	s->to.source_port = lb_nat_port_of(s, f, c);
	if (!s->to.source_port) {
		lb_count_reason(LB_REASON_NAT_PORTS);
		return XDP_DROP;
	}
	s->to.destination = be->address;
	s->to.destination_port = be->port;
	if (lb_rewrite(ctx, 14, f->family, f->protocol, &s->to))
		return LB_NAT_DONE;
	lb_count_reason(LB_REASON_UNSUPPORTED);
	return XDP_DROP;
}

/* A verdict for the answer of a backend to a translated request; -1 for any
 * other packet. */
__noinline int lb_nat_answer(struct xdp_md *ctx, const struct packet *p)
{
	if (!p)
		return XDP_ABORTED;
	u32 zero = 0;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	if (!c || !s || (p->flags & PACKET_FRAGMENT) ||
	    (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP))
		return -1;
	if (p->family == 4 ? p->destination.words[3] != c->source4
			   : p->destination.halves[0] != c->source6.halves[0] ||
				 p->destination.halves[1] != c->source6.halves[1])
		return -1;
	if (p->destination_port < c->nat_low || p->destination_port > c->nat_high)
		return -1;
	memset(s, 0, sizeof(*s));
	s->in.backend = p->source;
	s->in.backend_port = net16(p->source_port);
	s->in.port = net16(p->destination_port);
	s->in.protocol = p->protocol;
	s->in.family = p->family;
	struct lb_nat_in *in = bpf_map_lookup_elem(&lb_nat_in, &s->in);
	if (!in) {
		lb_count_reason(LB_REASON_NAT_UNKNOWN);
		return XDP_PASS;
	}
	s->to.source = in->service;
	s->to.destination = in->client;
	s->to.source_port = in->service_port;
	s->to.destination_port = in->client_port;
	if (p->l4 != (p->family == 4 ? 34 : 54) ||
	    !lb_rewrite(ctx, p->l3, p->family, p->protocol, &s->to)) {
		lb_count_reason(LB_REASON_UNSUPPORTED);
		return XDP_DROP;
	}
	return lb_route(ctx, &s->to.destination, p->family);
}
