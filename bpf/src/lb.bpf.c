// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The load balancer on XDP: packets for a service are sent on to one of its
 * backends, all others pass.
 *
 * Plain packets (no tag, no options, no fragment; TCP or UDP) are handled
 * by lb_xdp itself with nothing in between; everything else takes lb_slow,
 * which parses fully first.
 */
#include "bpf/lib/lbicmp.h"
#include "bpf/lib/lbnaterror.h"

static __always_inline struct lb_config *lb_settings(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&lb_config, &zero);
}

static __always_inline struct lb_frontend *lb_frontend4_of(be32 address, be16 port, u8 protocol)
{
	struct lb_frontend4_key key = {.address = address, .port = port, .protocol = protocol};
	return bpf_map_lookup_elem(&lb_frontend4, &key);
}

static __always_inline struct lb_frontend *lb_frontend6_of(const u8 *address, be16 port,
							   u8 protocol)
{
	struct lb_frontend6_key key = {.port = port, .protocol = protocol};
	memcpy(&key.address, address, 16);
	return bpf_map_lookup_elem(&lb_frontend6, &key);
}

static __always_inline void lb_count(u32 id, u32 bytes, bool fresh)
{
	struct lb_counters *n = bpf_map_lookup_elem(&lb_counters, &id);
	if (!n)
		return;
	n->packets++;
	n->bytes += bytes;
	if (fresh)
		n->connections++;
}

static __always_inline int lb_drop(u32 reason)
{
	lb_count_reason(reason);
	return XDP_DROP;
}

/* Sends the packet of a flow to a backend; l3 is f->l3, as a constant where it
 * is one. */
static __always_inline int lb_forward(struct xdp_md *ctx, struct lb_flow *f, struct lb_backend *be,
				      u32 id, const union address *service,
				      const struct lb_config *c, u32 l3)
{
	u32 overhead = lb_overhead(be, f);
	if (c->mtu && f->length + overhead > c->mtu)
		return lb_too_big(ctx, f, c->mtu - overhead);
	switch (be->forward) {
	case LB_FORWARD_IPIP:
		if (l3 != sizeof(struct ethernet))
			return lb_wrap_tagged(ctx, f, be, c);
		return be->family == 4 ? lb_wrap(ctx, f, be, c, sizeof(struct ethernet), 4, 0)
				       : lb_wrap(ctx, f, be, c, sizeof(struct ethernet), 6, 0);
	case LB_FORWARD_GUE:
	case LB_FORWARD_GENEVE:
		return lb_wrap_udp(ctx, f, be, c);
	case LB_FORWARD_NAT: {
		int verdict = lb_nat_request(ctx, f, service, id, c);
		if (verdict == LB_NAT_LONG)
			verdict = lb_xlate_finish(ctx);
		if (verdict != LB_NAT_DONE)
			return verdict;
		break;
	}
	case LB_FORWARD_DSR:
		break;
	default:
		return lb_drop(LB_REASON_UNSUPPORTED);
	}
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	return lb_out(ctx, eth, be, c);
}

static __always_inline int lb_to_backend(struct xdp_md *ctx, struct lb_flow *f, u32 id, bool fresh,
					 u8 algorithm, const union address *service,
					 const struct lb_config *c, u32 l3)
{
	struct lb_backend *be = lb_backend_at(id);
	if (!id || !be)
		return lb_drop(LB_REASON_NO_BACKEND);
	lb_count(id, f->length, fresh);
	if (unlikely(fresh && algorithm == LB_LEAST_CONNECTIONS))
		__sync_fetch_and_add(&be->active, 1);
	return lb_forward(ctx, f, be, id, service, c, l3);
}

/* How many bytes are there. A number that a packet gave is compared with it, not
 * added to a pointer: Linux 6.1 forgets the bounds of a number whose bytes were
 * swapped. */
static __always_inline u64 lb_left(void *at, void *end)
{
	u64 left = end - at;
	barrier_var(left);
	return left;
}

/* Plain IPv4 with TCP or UDP. */
static __always_inline int lb_fast4(struct xdp_md *ctx, void *at, void *end, bool *done)
{
	struct ipv4 *ip = at;
	struct tcp *l4 = (void *)(ip + 1);
	if ((void *)l4 + sizeof(struct udp) > end || ip->version_ihl != 0x45 ||
	    (ip->fragment & NET16(0x3fff)) ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return 0;
	struct lb_config *c = lb_settings();
	if (!c)
		return 0;
	if (ip->destination == c->source4 && c->source4)
		return 0; /* an answer to NAT, or to the host itself */
	struct lb_frontend *fe = lb_frontend4_of(ip->destination, l4->destination, ip->protocol);
	if (!fe) {
		*done = true;
		return XDP_PASS;
	}
	struct lb_flow f = {.family = 4, .l3 = 14, .l4 = 34};
	if (ip->protocol == IPPROTO_TCP) {
		if ((void *)(l4 + 1) > end)
			return 0;
		f.tcp_flags = l4->flags;
	} else if (fe->flags & LB_QUIC) {
		return 0;
	}
	f.protocol = ip->protocol;
	f.tos = ip->tos;
	f.length = host16(ip->length);
	f.client_port = l4->source;
	f.service_port = l4->destination;
	f.client.words[2] = net32(0xffff);
	f.client.words[3] = ip->source;
	f.tag = lb_tag4(ip->source, l4->source, fe->id);
	f.client_hash = lb_client_hash4(ip->source, l4->source);
	*done = true;
	if (f.length < sizeof(*ip) + sizeof(struct udp) || f.length > lb_left(at, end))
		return XDP_DROP;
	if ((fe->flags & LB_SOURCES) && !lb_source_allowed(fe, &f.client))
		return lb_drop(LB_REASON_SOURCE);
	bool fresh = false;
	union address service;
	lb_map4(&service, ip->destination);
	u32 id = lb_pick(fe, &f, c, &fresh);
	return lb_to_backend(ctx, &f, id, fresh, fe->algorithm, &service, c, 14);
}

/* Plain IPv6 with TCP or UDP. */
static __always_inline int lb_fast6(struct xdp_md *ctx, void *at, void *end, bool *done)
{
	struct ipv6 *ip = at;
	struct tcp *l4 = (void *)(ip + 1);
	if ((void *)l4 + sizeof(struct udp) > end ||
	    (ip->next_header != IPPROTO_TCP && ip->next_header != IPPROTO_UDP))
		return 0;
	struct lb_config *c = lb_settings();
	if (!c)
		return 0;
	struct lb_frontend *fe = lb_frontend6_of(ip->destination, l4->destination, ip->next_header);
	if (!fe) {
		union address to;
		memcpy(&to, ip->destination, 16);
		if (lb_is_ours(&to, 6, c))
			return 0;
		*done = true;
		return XDP_PASS;
	}
	struct lb_flow f = {.family = 6, .l3 = 14, .l4 = 54};
	if (ip->next_header == IPPROTO_TCP) {
		if ((void *)(l4 + 1) > end)
			return 0;
		f.tcp_flags = l4->flags;
	} else if (fe->flags & LB_QUIC) {
		return 0;
	}
	f.protocol = ip->next_header;
	f.tos = host32(ip->version_class_flow) >> 20;
	f.length = host16(ip->payload_length) + sizeof(*ip);
	f.client_port = l4->source;
	f.service_port = l4->destination;
	memcpy(&f.client, ip->source, 16);
	f.tag = lb_tag6(&f.client, l4->source, fe->id, c->seed);
	f.client_hash = lb_client_hash6(&f.client, l4->source);
	*done = true;
	if (f.length < sizeof(*ip) + sizeof(struct udp) || f.length > lb_left(at, end))
		return XDP_DROP;
	if ((fe->flags & LB_SOURCES) && !lb_source_allowed(fe, &f.client))
		return lb_drop(LB_REASON_SOURCE);
	bool fresh = false;
	union address service;
	memcpy(&service, ip->destination, 16);
	u32 id = lb_pick(fe, &f, c, &fresh);
	return lb_to_backend(ctx, &f, id, fresh, fe->algorithm, &service, c, 14);
}

/* Where a packet that is no plain one is taken apart: too much for the stack. */
struct lb_scratch {
	struct packet packet;
	struct packet quoted;
	struct lb_flow flow;
	u32 backend; /* where to, once that is decided */
	u8 fresh;
	u8 algorithm;
	u8 sound; /* lengths hold */
	u8 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lb_scratch);
} lb_scratch SEC(".maps");

__noinline int lb_parse(struct xdp_md *ctx, struct packet *p)
{
	if (!p)
		return 0;
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	p->length = end - data;
	parse_packet(data, end, p);
	return 0;
}

/*
 * The server that a QUIC packet's connection id names, 0 if none. The id is
 * read as in draft-ietf-quic-load-balancers, unencrypted: one octet, then the
 * server in two. A first flight carries an id of the client's making.
 */
__noinline u32 lb_quic_server(struct xdp_md *ctx, u32 at, u32 pool)
{
	u8 bytes[9] = {};
	if (bpf_xdp_load_bytes(ctx, at, bytes, sizeof(bytes)))
		return 0;
	struct lb_quic_key key = {.pool = pool};
	if (!(bytes[0] & 0x80)) {
		key.server = (u32)bytes[2] << 8 | bytes[3];
	} else {
		u8 type = bytes[0] >> 4 & 3;
		if (type < 2 || bytes[5] < 3) /* Initial and 0-RTT */
			return 0;
		key.server = (u32)bytes[7] << 8 | bytes[8];
	}
	u32 *id = bpf_map_lookup_elem(&lb_quic, &key);
	return id ? *id : 0;
}

/* Reads what a flow is from a parsed packet, the other way round for the packet
 * that an ICMP error quotes. */
static __always_inline void lb_flow_of(struct lb_flow *f, const struct packet *p, bool turned)
{
	f->family = p->family;
	f->protocol = p->protocol;
	f->client = turned ? p->destination : p->source;
	f->client_port = net16(turned ? p->destination_port : p->source_port);
	f->service_port = net16(turned ? p->source_port : p->destination_port);
}

static __always_inline struct lb_frontend *lb_frontend_of(const union address *a, u8 family,
							  be16 port, u8 protocol)
{
	return family == 4 ? lb_frontend4_of(a->words[3], port, protocol)
			   : lb_frontend6_of(a->bytes, port, protocol);
}

static __always_inline void lb_identify(struct lb_flow *f, const struct lb_frontend *fe,
					const struct lb_config *c)
{
	if (f->family == 4) {
		f->tag = lb_tag4(f->client.words[3], f->client_port, fe->id);
		f->client_hash = lb_client_hash4(f->client.words[3], f->client_port);
	} else {
		f->tag = lb_tag6(&f->client, f->client_port, fe->id, c->seed);
		f->client_hash = lb_client_hash6(&f->client, f->client_port);
	}
}

/* Lengths and class of the IP header at f->l3, and which fragment it is; false if
 * the packet is cut short. */
__noinline int lb_measure(struct xdp_md *ctx, struct lb_flow *f, struct lb_fragment_key *key)
{
	if (!f || !key)
		return 0;
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	u32 l3 = f->l3;
	if (l3 > 22)
		return 0;
	if (f->family == 4) {
		struct ipv4 *ip = data + l3;
		if ((void *)(ip + 1) > end)
			return 0;
		f->length = host16(ip->length);
		f->tos = ip->tos;
		f->more_fragments = (ip->fragment & NET16(0x2000)) != 0;
		f->fragment_offset = host16(ip->fragment) & IPV4_OFFSET;
		key->id = ip->id;
	} else {
		struct ipv6 *ip = data + l3;
		if ((void *)(ip + 1) > end)
			return 0;
		f->length = host16(ip->payload_length) + sizeof(*ip);
		f->tos = host32(ip->version_class_flow) >> 20;
		u8 kind = ip->next_header;
		u32 at = sizeof(*ip);
		for (int i = 0; i < PACKET_EXTENSIONS; i++) {
			struct ipv6_fragment *x = (void *)ip + at;
			if ((void *)(x + 1) > end)
				break;
			if (kind == IPPROTO_FRAGMENT) {
				key->id = x->id;
				f->more_fragments = (x->offset & NET16(1)) != 0;
				f->fragment_offset = host16(x->offset) >> 3;
				f->fragment_at = at;
				break;
			}
			if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING &&
			    kind != IPPROTO_DSTOPTS)
				break;
			kind = x->next_header;
			at += ((u32)x->reserved + 1) * 8;
			if (at > 1024)
				break;
		}
	}
	u64 frame = end - data;
	barrier_var(frame);
	u64 ends = (u64)f->length + l3;
	return ends >= f->l4 && ends <= frame;
}

/* TCP flags of a packet whose header may lie anywhere. */
__noinline int lb_tcp_flags(struct xdp_md *ctx, u32 l4)
{
	u8 flags = 0;
	return bpf_xdp_load_bytes(ctx, l4 + 13, &flags, 1) ? -1 : flags;
}

/* Not a verdict: the packet goes to lb_scratch.backend. Deciding and sending are
 * two calls one after the other, as the stack would not hold both. */
#define LB_DECIDED 17

static __always_inline int lb_decide(struct lb_scratch *s, u32 id, bool fresh, u8 algorithm)
{
	s->backend = id;
	s->fresh = fresh;
	s->algorithm = algorithm;
	return LB_DECIDED;
}

__noinline int lb_slow_send(struct xdp_md *ctx)
{
	u32 zero = 0;
	struct lb_scratch *s = bpf_map_lookup_elem(&lb_scratch, &zero);
	struct lb_config *c = lb_settings();
	if (!c || !s)
		return XDP_PASS;
	return lb_to_backend(ctx, &s->flow, s->backend, s->fresh, s->algorithm,
			     &s->packet.destination, c, s->flow.l3);
}

/* Any packet of a service that is no plain one. */
__noinline int lb_slow_service(struct xdp_md *ctx)
{
	u32 zero = 0;
	/* Looked up again: Linux 6.1 takes no argument's memory as a key. */
	struct lb_scratch *s = bpf_map_lookup_elem(&lb_scratch, &zero);
	struct lb_config *c = lb_settings();
	if (!c || !s)
		return XDP_PASS;
	struct packet *p = &s->packet;
	struct lb_flow *f = &s->flow;
	struct lb_xlate *x = lb_xlate_of();
	if (!x)
		return XDP_PASS;
	if (p->flags & PACKET_FRAGMENT) {
		/* Only an address that is ours makes its fragments our business. */
		if (!lb_frontend_of(&p->destination, p->family, 0, 0))
			return XDP_PASS;
		if (!s->sound)
			return XDP_DROP;
		struct lb_fragment *known = bpf_map_lookup_elem(&lb_fragment, &x->key);
		if (!known)
			return lb_drop(LB_REASON_FRAGMENT);
		struct lb_backend *be = lb_backend_at(known->backend);
		if (!be || be->state == LB_GONE || be->forward == LB_FORWARD_NAT)
			return lb_drop(LB_REASON_FRAGMENT);
		return lb_decide(s, known->backend, false, LB_MAGLEV_HASH);
	}
	struct lb_frontend *fe =
	    lb_frontend_of(&p->destination, p->family, f->service_port, p->protocol);
	if (!fe)
		return XDP_PASS;
	if (!s->sound)
		return XDP_DROP;
	if (p->protocol == IPPROTO_TCP) {
		int flags = lb_tcp_flags(ctx, p->l4);
		if (flags < 0)
			return XDP_DROP;
		f->tcp_flags = flags;
	}
	if ((fe->flags & LB_SOURCES) && !lb_source_allowed(fe, &f->client))
		return lb_drop(LB_REASON_SOURCE);
	lb_identify(f, fe, c);
	bool fresh = false;
	u32 id = 0;
	if ((fe->flags & LB_QUIC) && p->protocol == IPPROTO_UDP)
		id = lb_quic_server(ctx, p->payload, fe->pool);
	struct lb_backend *named = lb_backend_at(id);
	if (!id || !named || named->state == LB_GONE || named->pool != fe->pool)
		id = lb_pick(fe, f, c, &fresh);
	if (id && f->more_fragments) {
		memset(&x->way, 0, sizeof(x->way));
		x->way.backend = id;
		bpf_map_update_elem(&lb_fragment, &x->key, &x->way, BPF_ANY);
	}
	return lb_decide(s, id, fresh, fe->algorithm);
}

static __always_inline bool lb_icmp_error(const struct packet *p)
{
	u8 t = p->icmp_type;
	return p->family == 4
		   ? t == ICMP_UNREACHABLE || t == ICMP_TIME_EXCEEDED || t == ICMP_PARAMETER
		   : t >= ICMPV6_UNREACHABLE && t <= ICMPV6_PARAMETER;
}

/*
 * An ICMP error about a packet that a backend sent in the service's name goes
 * to that backend: the quoted packet says which connection it was.
 */
__noinline int lb_icmp(struct xdp_md *ctx, struct lb_scratch *s)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct lb_config *c = lb_settings();
	if (!s)
		return XDP_PASS;
	struct packet *p = &s->packet, *quoted = &s->quoted;
	struct lb_flow *f = &s->flow;
	if (!c || p->l3 > 22 || p->l4 > 1024)
		return XDP_PASS;
	if (!lb_icmp_error(p)) {
		bool request =
		    p->icmp_type == (p->family == 4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST);
		if (!request || p->icmp_code)
			return XDP_PASS;
		struct lb_frontend *fe = lb_frontend_of(&p->destination, p->family, 0, 0);
		if (!fe || !(fe->flags & LB_ECHO))
			return XDP_PASS;
		if (!s->sound || f->more_fragments)
			return XDP_DROP;
		return lb_echo(data, end, p);
	}
	u32 at = p->l4 + sizeof(struct icmp);
	quoted->l3 = at;
	if (p->family == 4)
		parse_ipv4(data + at, end, quoted);
	else
		parse_ipv6(data + at, data, end, quoted);
	if (!(quoted->flags & PACKET_L3) || (quoted->flags & PACKET_FRAGMENT))
		return XDP_PASS;
	/* Eight bytes of the transport header are enough, and often all there is. */
	if (!(quoted->flags & PACKET_L4)) {
		be16 ports[2];
		if (bpf_xdp_load_bytes(ctx, quoted->l4, ports, sizeof(ports)))
			return XDP_PASS;
		quoted->source_port = host16(ports[0]);
		quoted->destination_port = host16(ports[1]);
	}
	int verdict = lb_nat_error_back(p, quoted);
	if (verdict == LB_NAT_LONG)
		return lb_turn_error(ctx) ? lb_nat_error_route(ctx)
					  : lb_drop(LB_REASON_UNSUPPORTED);
	if (verdict != -2)
		return verdict;
	lb_flow_of(f, quoted, true);
	struct lb_frontend *fe =
	    lb_frontend_of(&quoted->source, quoted->family, f->service_port, quoted->protocol);
	if (!fe)
		return XDP_PASS;
	lb_identify(f, fe, c);
	if (!s->sound)
		return XDP_DROP;
	u64 known = 0;
	struct lb_bucket *b = lb_bucket_of(f->tag, c);
	if (!b)
		return XDP_DROP;
	/* Not a packet of the connection: it neither begins nor refreshes one. */
	u32 id = lb_find(b, f->tag, &known) ? known & LB_CONN_BACKEND
					    : (fe->size ? lb_entry(fe, f->client_hash) : 0);
	struct lb_backend *be = lb_backend_at(id);
	if (!id || !be || be->state == LB_GONE)
		return lb_drop(LB_REASON_NO_BACKEND);
	if (be->forward == LB_FORWARD_NAT) {
		verdict = lb_nat_error_there(p, quoted, f, be);
		if (verdict != LB_NAT_LONG)
			return verdict;
		if (!lb_turn_error(ctx))
			return lb_drop(LB_REASON_UNSUPPORTED);
		struct ethernet *eth = ctx_pointer(ctx->data);
		if ((void *)(eth + 1) > ctx_pointer(ctx->data_end))
			return XDP_DROP;
		return lb_out(ctx, eth, be, c);
	}
	return lb_decide(s, id, false, LB_MAGLEV_HASH);
}

/* Ports of SCTP, which the parser leaves alone. */
static __always_inline bool lb_sctp_ports(struct xdp_md *ctx, struct packet *p)
{
	be16 ports[2];
	if (bpf_xdp_load_bytes(ctx, p->l4, ports, sizeof(ports)))
		return false;
	p->source_port = host16(ports[0]);
	p->destination_port = host16(ports[1]);
	p->flags |= PACKET_L4;
	return true;
}

/* An answer to a translated request, or a later fragment of what was translated,
 * either way; -2 for any other packet. */
static __always_inline int lb_translated(struct xdp_md *ctx, struct lb_scratch *s)
{
	struct lb_config *c = lb_settings();
	struct lb_xlate *x = lb_xlate_of();
	u32 zero = 0;
	int verdict;
	if (!c || !x)
		return -2;
	if (s->packet.flags & PACKET_FRAGMENT) {
		verdict = lb_nat_fragment(&s->flow);
		if (verdict == LB_NAT_LONG)
			verdict = lb_xlate_finish(ctx);
		if (verdict != LB_NAT_DONE)
			return verdict;
		u32 id = x->way.backend;
		if (!id)
			return lb_route(ctx, &x->way.destination, x->way.family);
		struct lb_backend *be = lb_backend_at(id);
		struct ethernet *eth = ctx_pointer(ctx->data);
		if (!be || (void *)(eth + 1) > ctx_pointer(ctx->data_end))
			return XDP_DROP;
		lb_count(id, s->flow.length, false);
		return lb_out(ctx, eth, be, c);
	}
	if (!lb_is_ours(&s->packet.destination, s->packet.family, c))
		return -2;
	verdict = lb_nat_answer(ctx, &s->flow);
	if (verdict == LB_NAT_LONG)
		verdict = lb_xlate_finish(ctx);
	if (verdict != LB_NAT_DONE)
		return verdict;
	struct lb_nat_scratch *n = bpf_map_lookup_elem(&lb_nat_scratch, &zero);
	return n ? lb_route(ctx, &n->to.destination, lb_mapped(&n->to.destination) ? 4 : 6)
		 : XDP_DROP;
}

__noinline int lb_slow(struct xdp_md *ctx)
{
	u32 zero = 0;
	int verdict;
	struct lb_scratch *s = bpf_map_lookup_elem(&lb_scratch, &zero);
	if (!s)
		return XDP_PASS;
	memset(s, 0, sizeof(*s));
	struct packet *p = &s->packet;
	lb_parse(ctx, p);
	if (!(p->flags & PACKET_L3))
		return XDP_PASS;
	if (p->protocol == IPPROTO_SCTP && !(p->flags & PACKET_FRAGMENT) && !lb_sctp_ports(ctx, p))
		return XDP_PASS;
	s->flow.l3 = p->l3;
	s->flow.l4 = p->l4;
	lb_flow_of(&s->flow, p, false);
	struct lb_xlate *x = lb_xlate_of();
	if (!x)
		return XDP_PASS;
	memset(&x->key, 0, sizeof(x->key));
	s->sound = lb_measure(ctx, &s->flow, &x->key);
	x->key.source = p->source;
	x->key.destination = p->destination;
	x->key.protocol = p->protocol;
	if (p->protocol == (p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		if (!(p->flags & PACKET_L4))
			return XDP_PASS;
		verdict = lb_icmp(ctx, s);
		return verdict == LB_DECIDED ? lb_slow_send(ctx) : verdict;
	}
	if (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP && p->protocol != IPPROTO_SCTP)
		return XDP_PASS;
	if (!(p->flags & (PACKET_L4 | PACKET_FRAGMENT)))
		return XDP_PASS;
	if (s->sound) {
		verdict = lb_translated(ctx, s);
		if (verdict != -2)
			return verdict;
	}
	verdict = lb_slow_service(ctx);
	return verdict == LB_DECIDED ? lb_slow_send(ctx) : verdict;
}

SEC("xdp")
int lb_xdp(struct xdp_md *ctx)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	struct ethernet *eth = data;
	bool done = false;
	int verdict = XDP_PASS;
	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->protocol == NET16(ETH_P_IP))
		verdict = lb_fast4(ctx, eth + 1, end, &done);
	else if (eth->protocol == NET16(ETH_P_IPV6))
		verdict = lb_fast6(ctx, eth + 1, end, &done);
	else if (eth->protocol != NET16(ETH_P_8021Q) && eth->protocol != NET16(ETH_P_8021AD))
		return XDP_PASS;
	return done ? verdict : lb_slow(ctx);
}

/* Test-run by those who want to know the time that entries are stamped with. */
SEC("xdp")
int lb_clock(struct xdp_md *ctx)
{
	(void)ctx;
	return lb_now();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
