/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP errors about translated packets (RFC 5508, section 4): the packet that an
 * error quotes is translated as the packet itself was, the other way round, and
 * the error sent to whom it is for. Plain headers only.
 */
#pragma once

#include "lbnat.h"

/* An error on its way, and both ends of what it quotes. */
struct lb_error {
	struct lb_ends quoted;
	union address source;
	union address destination;
};

static __always_inline u64 lb_sum6(const union address *a)
{
	return (u64)a->words[0] + a->words[1] + a->words[2] + a->words[3];
}

/* A checksum after a sum of words that it covers changed. */
static __always_inline u16 lb_mended(u16 checksum, u64 before, u64 after)
{
	return ~checksum_fold((u64)(u16)~checksum + (u16)~checksum_fold(before) + after);
}

/*
 * Gives the quoted transport header other ports and, if the quote reaches so far,
 * the checksum that goes with them and with the addresses, whose sums are given.
 * What changed is added to both sums.
 */
static __always_inline void lb_turn_l4(be16 *l4, void *end, u8 protocol, const struct lb_ends *to,
				       u64 *before, u64 *after)
{
	u64 was = *before + l4[0] + l4[1];
	u64 now = *after + to->source_port + to->destination_port;
	l4[0] = to->source_port;
	l4[1] = to->destination_port;
	*before = was;
	*after = now;
	if (protocol == IPPROTO_UDP) {
		u16 sum = l4[3];
		if (!sum)
			return;
		*before += sum;
		sum = lb_mended(sum, was, now);
		if (!sum)
			sum = 0xffff;
		l4[3] = sum;
		*after += sum;
	} else if ((void *)(l4 + 9) <= end) {
		u16 sum = l4[8];
		*before += sum;
		sum = lb_mended(sum, was, now);
		l4[8] = sum;
		*after += sum;
	}
}

static __always_inline bool lb_turn_error4(struct xdp_md *ctx, const struct lb_error *e)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ipv4 *ip = data + 14;
	struct icmp *icmp = (void *)(ip + 1);
	struct ipv4 *in = (void *)(icmp + 1);
	be16 *l4 = (void *)(in + 1);
	if ((void *)(l4 + 4) > end || ip->version_ihl != 0x45 || in->version_ihl != 0x45 ||
	    ip->ttl <= 1)
		return false;
	u64 before = (u64)in->source + in->destination;
	u64 after = (u64)e->quoted.source.words[3] + e->quoted.destination.words[3];
	u16 sum = in->checksum, mended = lb_mended(sum, before, after);
	in->source = e->quoted.source.words[3];
	in->destination = e->quoted.destination.words[3];
	in->checksum = mended;
	lb_turn_l4(l4, end, in->protocol, &e->quoted, &before, &after);
	icmp->checksum = lb_mended(icmp->checksum, before + sum, after + mended);
	before = (u64)ip->source + ip->destination + 1; /* one from the TTL */
	after = (u64)e->source.words[3] + e->destination.words[3];
	ip->source = e->source.words[3];
	ip->destination = e->destination.words[3];
	ip->ttl--;
	ip->checksum = lb_mended(ip->checksum, before, after);
	return true;
}

static __always_inline bool lb_turn_error6(struct xdp_md *ctx, const struct lb_error *e)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ipv6 *ip = data + 14;
	struct icmp *icmp = (void *)(ip + 1);
	struct ipv6 *in = (void *)(icmp + 1);
	be16 *l4 = (void *)(in + 1);
	union address a, b;
	if ((void *)(l4 + 4) > end || ip->hop_limit <= 1)
		return false;
	memcpy(&a, in->source, 16);
	memcpy(&b, in->destination, 16);
	u64 before = lb_sum6(&a) + lb_sum6(&b);
	u64 after = lb_sum6(&e->quoted.source) + lb_sum6(&e->quoted.destination);
	memcpy(in->source, &e->quoted.source, 16);
	memcpy(in->destination, &e->quoted.destination, 16);
	lb_turn_l4(l4, end, in->next_header, &e->quoted, &before, &after);
	memcpy(&a, ip->source, 16);
	memcpy(&b, ip->destination, 16);
	before += lb_sum6(&a) + lb_sum6(&b);
	after += lb_sum6(&e->source) + lb_sum6(&e->destination);
	icmp->checksum = lb_mended(icmp->checksum, before, after);
	memcpy(ip->source, &e->source, 16);
	memcpy(ip->destination, &e->destination, 16);
	ip->hop_limit--;
	return true;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lb_error);
} lb_error_scratch SEC(".maps");

static __always_inline bool lb_turn_error(struct xdp_md *ctx, const struct packet *p,
					  const struct packet *quoted, const struct lb_error *e)
{
	bool plain4 = p->family == 4 && p->l4 == 34 && quoted->l4 == 62;
	bool plain6 = p->family == 6 && p->l4 == 54 && quoted->l4 == 102;
	if (p->l3 != 14 || quoted->family != p->family ||
	    (quoted->protocol != IPPROTO_TCP && quoted->protocol != IPPROTO_UDP))
		return false;
	return plain4 ? lb_turn_error4(ctx, e) : plain6 && lb_turn_error6(ctx, e);
}

/* Somebody on the way to a backend, or itself, about a translated request:
 * LB_NAT_DONE if the error is ready to be sent to the client, else a verdict; -1
 * if it is not about one. */
__noinline int lb_nat_error_back(struct xdp_md *ctx, const struct packet *p,
				 const struct packet *quoted)
{
	u32 zero = 0;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	struct lb_error *e = bpf_map_lookup_elem(&lb_error_scratch, &zero);
	if (!c || !s || !e || !p || !quoted)
		return -1;
	if (quoted->source_port < c->nat_low || quoted->source_port > c->nat_high)
		return -1;
	if (p->family == 4 ? quoted->source.words[3] != c->source4
			   : quoted->source.halves[0] != c->source6.halves[0] ||
				 quoted->source.halves[1] != c->source6.halves[1])
		return -1;
	memset(s, 0, sizeof(*s));
	s->in.backend = quoted->destination;
	s->in.backend_port = net16(quoted->destination_port);
	s->in.port = net16(quoted->source_port);
	s->in.protocol = quoted->protocol;
	s->in.family = quoted->family;
	struct lb_nat_in *in = bpf_map_lookup_elem(&lb_nat_in, &s->in);
	if (!in)
		return -1; /* the host's own */
	e->quoted.source = e->destination = in->client;
	e->quoted.destination = in->service;
	e->quoted.source_port = in->client_port;
	e->quoted.destination_port = in->service_port;
	/* The client knows routers, but not the backend. */
	bool own = p->source.halves[0] == quoted->destination.halves[0] &&
		   p->source.halves[1] == quoted->destination.halves[1];
	e->source = own ? in->service : p->source;
	if (!lb_turn_error(ctx, p, quoted, e)) {
		lb_count_reason(LB_REASON_UNSUPPORTED);
		return XDP_DROP;
	}
	return LB_NAT_DONE;
}

/* Sends it on. The caller does so, as the stack would not hold one below the
 * other. */
static __always_inline int lb_nat_error_route(struct xdp_md *ctx, u32 family)
{
	u32 zero = 0;
	struct lb_error *e = bpf_map_lookup_elem(&lb_error_scratch, &zero);
	return e ? lb_route(ctx, &e->destination, family) : XDP_DROP;
}

/* A client, or somebody on the way to it, about a translated answer:
 * LB_NAT_DONE if the error is ready to be sent to the backend, else a verdict. */
__noinline int lb_nat_error_there(struct xdp_md *ctx, const struct packet *p,
				  const struct packet *quoted, const struct lb_flow *f,
				  const struct lb_backend *be)
{
	u32 zero = 0;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	struct lb_error *e = bpf_map_lookup_elem(&lb_error_scratch, &zero);
	if (!c || !s || !e || !p || !quoted || !f || !be)
		return XDP_PASS;
	memset(s, 0, sizeof(*s));
	s->out.client = f->client;
	s->out.frontend = f->tag & 0xffff;
	s->out.client_port = f->client_port;
	s->out.protocol = f->protocol;
	u32 *port = bpf_map_lookup_elem(&lb_nat_out, &s->out);
	if (!port) {
		lb_count_reason(LB_REASON_NAT_UNKNOWN);
		return XDP_PASS;
	}
	e->quoted.source = e->destination = be->address;
	e->quoted.source_port = be->port;
	e->quoted.destination_port = *port;
	if (p->family == 4) {
		e->source.halves[0] = 0;
		e->source.words[2] = net32(0xffff);
		e->source.words[3] = c->source4;
	} else {
		e->source = c->source6;
	}
	e->quoted.destination = e->source;
	if (be->family != p->family || !lb_turn_error(ctx, p, quoted, e)) {
		lb_count_reason(LB_REASON_UNSUPPORTED);
		return XDP_DROP;
	}
	return LB_NAT_DONE;
}
