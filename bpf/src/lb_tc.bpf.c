// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The load balancer on tc, for what a host receives from its own endpoints or
 * from outside: requests are translated and sent to a backend, answers are
 * translated back. Checksums go through the kernel's helpers, so that packets
 * whose checksum a device is still to fill in come out right too.
 *
 * Plain packets only: options, extension headers and fragments are left to the
 * host, as is all that is no service's.
 */
#include "bpf/lib/lbport.h"

#define AF_INET  2
#define AF_INET6 10

#define BPF_F_PSEUDO_HDR     16
#define BPF_F_MARK_MANGLED_0 32

#define BPF_FIB_LOOKUP_SKIP_NEIGH 4

#define IPV4_ENDS 26 /* where the addresses stand in the frame */
#define IPV6_ENDS 22

/* One packet with both its ends. */
struct lb_tc {
	struct lb_flow flow;
	struct lb_ends ends;
};

/* Changes a packet's ends, checksums included, and takes one from its TTL. */
static __always_inline bool lb_tc_rewrite(struct __sk_buff *skb, const struct lb_tc *p,
					  const struct lb_ends *to)
{
	u32 l4 = p->flow.l4;
	u32 checksum = l4 + (p->flow.protocol == IPPROTO_TCP ? 16 : 6);
	u64 flags = p->flow.protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	be16 ports[2] = {to->source_port, to->destination_port};
	u8 hops;
	u32 hops_at = p->flow.family == 4 ? 22 : 21;
	long err = bpf_skb_load_bytes(skb, hops_at, &hops, 1);
	if (err || hops <= 1)
		return false;
	if (p->flow.family == 4) {
		be32 from[2] = {p->ends.source.words[3], p->ends.destination.words[3]};
		be32 now[2] = {to->source.words[3], to->destination.words[3]};
		err |= bpf_l4_csum_replace(skb, checksum, from[0], now[0],
					   flags | BPF_F_PSEUDO_HDR | 4);
		err |= bpf_l4_csum_replace(skb, checksum, from[1], now[1],
					   flags | BPF_F_PSEUDO_HDR | 4);
		err |= bpf_l3_csum_replace(skb, 24, from[0], now[0], 4);
		err |= bpf_l3_csum_replace(skb, 24, from[1], now[1], 4);
		err |= bpf_l3_csum_replace(skb, 24, hops, hops - 1, 2);
		err |= bpf_skb_store_bytes(skb, IPV4_ENDS, now, sizeof(now), 0);
	} else {
		union address from[2] = {p->ends.source, p->ends.destination};
		union address now[2] = {to->source, to->destination};
		s64 diff = bpf_csum_diff((be32 *)from, sizeof(from), (be32 *)now, sizeof(now), 0);
		err |= bpf_l4_csum_replace(skb, checksum, 0, diff, flags | BPF_F_PSEUDO_HDR);
		err |= bpf_skb_store_bytes(skb, IPV6_ENDS, now, sizeof(now), 0);
	}
	hops--;
	err |= bpf_skb_store_bytes(skb, hops_at, &hops, 1, 0);
	err |= bpf_l4_csum_replace(skb, checksum, p->ends.source_port, to->source_port, flags | 2);
	err |= bpf_l4_csum_replace(skb, checksum, p->ends.destination_port, to->destination_port,
				   flags | 2);
	err |= bpf_skb_store_bytes(skb, l4, ports, sizeof(ports), 0);
	return !err;
}

/* Reads a plain packet; false for any other. */
static __always_inline bool lb_tc_parse(struct __sk_buff *skb, struct lb_tc *p)
{
	u32 want = skb->len < 74 ? skb->len : 74;
	if (skb->data_end - skb->data < want && bpf_skb_pull_data(skb, want))
		return false;
	void *data = ctx_pointer(skb->data), *end = ctx_pointer(skb->data_end);
	struct ethernet *eth = data;
	struct tcp *l4;
	if ((void *)(eth + 1) > end)
		return false;
	p->flow.l3 = sizeof(*eth);
	if (eth->protocol == NET16(ETH_P_IP)) {
		struct ipv4 *ip = (void *)(eth + 1);
		l4 = (void *)(ip + 1);
		if ((void *)l4 + sizeof(struct udp) > end || ip->version_ihl != 0x45 ||
		    (ip->fragment & NET16(0x3fff)))
			return false;
		p->flow.family = 4;
		p->flow.protocol = ip->protocol;
		p->flow.length = host16(ip->length);
		p->ends.source.words[2] = p->ends.destination.words[2] = net32(0xffff);
		p->ends.source.words[3] = ip->source;
		p->ends.destination.words[3] = ip->destination;
		p->flow.l4 = 34;
	} else if (eth->protocol == NET16(ETH_P_IPV6)) {
		struct ipv6 *ip = (void *)(eth + 1);
		l4 = (void *)(ip + 1);
		if ((void *)l4 + sizeof(struct udp) > end)
			return false;
		p->flow.family = 6;
		p->flow.protocol = ip->next_header;
		p->flow.length = host16(ip->payload_length) + sizeof(*ip);
		memcpy(&p->ends.source, ip->source, 16);
		memcpy(&p->ends.destination, ip->destination, 16);
		p->flow.l4 = 54;
	} else {
		return false;
	}
	if (p->flow.protocol == IPPROTO_TCP) {
		if ((void *)(l4 + 1) > end)
			return false;
		p->flow.tcp_flags = l4->flags;
	} else if (p->flow.protocol != IPPROTO_UDP) {
		return false;
	}
	p->ends.source_port = l4->source;
	p->ends.destination_port = l4->destination;
	p->flow.client = p->ends.source;
	p->flow.client_port = p->ends.source_port;
	p->flow.service_port = p->ends.destination_port;
	return true;
}

/* Sends a translated packet on. The host's own stack would not: our address as
 * its source looks forged to it. */
static __noinline int lb_tc_send(struct __sk_buff *skb, const union address *to, u32 family)
{
	struct bpf_fib_lookup q = {};
	q.ifindex = skb->ifindex;
	if (family == 4) {
		q.family = AF_INET;
		q.ipv4_dst = to->words[3];
	} else {
		q.family = AF_INET6;
		memcpy(q.ipv6_dst, to, 16);
	}
	if (bpf_fib_lookup(skb, &q, sizeof(q), BPF_FIB_LOOKUP_SKIP_NEIGH)) {
		lb_count_reason(LB_REASON_ROUTE);
		return TC_ACT_SHOT;
	}
	return bpf_redirect_neigh(q.ifindex, NULL, 0, 0);
}

static __always_inline bool lb_tc_ours(const struct lb_tc *p, const struct lb_config *c)
{
	u16 port = host16(p->ends.destination_port);
	if (port < c->nat_low || port > c->nat_high)
		return false;
	if (p->flow.family == 4)
		return p->ends.destination.words[3] == c->source4;
	return p->ends.destination.halves[0] == c->source6.halves[0] &&
	       p->ends.destination.halves[1] == c->source6.halves[1];
}

static __noinline int lb_tc_answer(struct __sk_buff *skb, struct lb_tc *p)
{
	struct lb_ends to;
	struct lb_nat_in_key key = {.backend = p->ends.source,
				    .backend_port = p->ends.source_port,
				    .port = p->ends.destination_port,
				    .protocol = p->flow.protocol,
				    .family = p->flow.family};
	struct lb_nat_in *in = bpf_map_lookup_elem(&lb_nat_in, &key);
	if (!in) {
		lb_count_reason(LB_REASON_NAT_UNKNOWN);
		return TC_ACT_UNSPEC;
	}
	to.source = in->service;
	to.destination = in->client;
	to.source_port = in->service_port;
	to.destination_port = in->client_port;
	if (!lb_tc_rewrite(skb, p, &to))
		return TC_ACT_SHOT;
	return lb_tc_send(skb, &to.destination, p->flow.family);
}

static __always_inline u32 lb_tc_pick(struct lb_tc *p, const struct lb_config *c, u32 *id,
				      bool *fresh)
{
	struct lb_frontend *fe;
	if (p->flow.family == 4) {
		struct lb_frontend4_key key = {.address = p->ends.destination.words[3],
					       .port = p->ends.destination_port,
					       .protocol = p->flow.protocol};
		fe = bpf_map_lookup_elem(&lb_frontend4, &key);
	} else {
		struct lb_frontend6_key key = {.address = p->ends.destination,
					       .port = p->ends.destination_port,
					       .protocol = p->flow.protocol};
		fe = bpf_map_lookup_elem(&lb_frontend6, &key);
	}
	if (!fe)
		return TC_ACT_UNSPEC;
	if ((fe->flags & LB_SOURCES) && !lb_source_allowed(fe, &p->flow.client)) {
		lb_count_reason(LB_REASON_SOURCE);
		return TC_ACT_SHOT;
	}
	if (p->flow.family == 4) {
		p->flow.tag = lb_tag4(p->flow.client.words[3], p->flow.client_port, fe->id);
		p->flow.client_hash = lb_client_hash4(p->flow.client.words[3], p->flow.client_port);
	} else {
		p->flow.tag = lb_tag6(&p->flow.client, p->flow.client_port, fe->id, c->seed);
		p->flow.client_hash = lb_client_hash6(&p->flow.client, p->flow.client_port);
	}
	*id = lb_pick(fe, &p->flow, c, fresh);
	if (*fresh && fe->algorithm == LB_LEAST_CONNECTIONS) {
		struct lb_backend *be = lb_backend_at(*id);
		if (be)
			__sync_fetch_and_add(&be->active, 1);
	}
	return TC_ACT_OK;
}

static __noinline int lb_tc_request(struct __sk_buff *skb, struct lb_tc *p)
{
	u32 zero = 0, id = 0;
	bool fresh = false;
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	struct lb_nat_scratch *s = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	if (!c || !s)
		return TC_ACT_UNSPEC;
	u32 verdict = lb_tc_pick(p, c, &id, &fresh);
	if (verdict != TC_ACT_OK)
		return verdict;
	struct lb_backend *be = lb_backend_at(id);
	if (!id || !be) {
		lb_count_reason(LB_REASON_NO_BACKEND);
		return TC_ACT_SHOT;
	}
	struct lb_counters *n = bpf_map_lookup_elem(&lb_counters, &id);
	if (n) {
		n->packets++;
		n->bytes += p->flow.length;
		n->connections += fresh;
	}
	memset(s, 0, sizeof(*s));
	s->way.service = p->ends.destination;
	s->way.client = p->flow.client;
	s->way.client_port = p->flow.client_port;
	s->way.service_port = p->flow.service_port;
	s->out.client = p->flow.client;
	s->out.frontend = p->flow.tag & 0xffff;
	s->out.client_port = p->flow.client_port;
	s->out.protocol = p->flow.protocol;
	s->in.backend = be->address;
	s->in.backend_port = be->port;
	s->in.protocol = p->flow.protocol;
	s->in.family = p->flow.family;
	s->to.source_port = lb_nat_port_of(s, &p->flow, c);
	if (!s->to.source_port) {
		lb_count_reason(LB_REASON_NAT_PORTS);
		return TC_ACT_SHOT;
	}
	if (p->flow.family == 4)
		s->to.source.words[3] = c->source4;
	else
		s->to.source = c->source6;
	s->to.destination = be->address;
	s->to.destination_port = be->port;
	if (be->family != p->flow.family || !lb_tc_rewrite(skb, p, &s->to)) {
		lb_count_reason(LB_REASON_UNSUPPORTED);
		return TC_ACT_SHOT;
	}
	union address to = be->address;
	return lb_tc_send(skb, &to, p->flow.family);
}

SEC("tc")
int lb_tc(struct __sk_buff *skb)
{
	u32 zero = 0;
	struct lb_tc p = {};
	struct lb_config *c = bpf_map_lookup_elem(&lb_config, &zero);
	if (!c || !lb_tc_parse(skb, &p))
		return TC_ACT_UNSPEC;
	return lb_tc_ours(&p, c) ? lb_tc_answer(skb, &p) : lb_tc_request(skb, &p);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
