// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Packet of death: counts packets of a given form and passes or drops them.
 *
 * Rules stand in a map and are tried in order; the first that matches decides.
 * A rule's own verdict may be to leave the decision to the program it runs in:
 * each hook has a passing and a dropping variant of the program over the same
 * maps, so that swapping one for the other through their link flips the
 * verdict for whole packets and loses neither counters nor events.
 */
#include "bpf/lib/helpers.h"
#include "bpf/lib/parse.h"

#define POD_RULES   64
#define POD_PATTERN 16

enum pod_verdict {
	POD_BY_PROGRAM, /* what the program variant does */
	POD_PASS,
	POD_DROP,
};

enum pod_hook {
	POD_XDP,
	POD_TC_INGRESS,
	POD_TC_EGRESS,
};

enum pod_rule_flags {
	POD_ENABLED = 1,
	POD_PROTOCOL = 2,
	POD_SOURCE_PORT = 4,
	POD_DESTINATION_PORT = 8,
};

/* Where a pattern's offset counts from. */
enum pod_base {
	POD_FRAME,
	POD_L3,
	POD_L4,
	POD_PAYLOAD,
};

struct pod_config {
	u32 rules;  /* how many entries of pod_rules are in use */
	u32 sample; /* each CPU reports every n-th match; 0: none */
};

struct pod_rule {
	union address source; /* IPv4 as ::ffff:a.b.c.d; matched under the mask */
	union address source_mask;
	union address destination;
	union address destination_mask;
	u32 length_min;      /* of the frame, in bytes */
	u32 length_max;      /* 0: no upper bound */
	u16 source_port_min; /* host byte order, both ends included */
	u16 source_port_max;
	u16 destination_port_min;
	u16 destination_port_max;
	u8 flags;
	u8 verdict;
	u8 family; /* 4, 6, or 0 for both */
	u8 protocol;
	u8 pattern_base;
	u8 pattern_length; /* 0: no pattern */
	u16 pattern_offset;
	union address pattern; /* bits outside the mask must be zero */
	union address pattern_mask;
};

struct pod_counters {
	u64 passed;
	u64 passed_bytes;
	u64 dropped;
	u64 dropped_bytes;
};

struct pod_totals {
	u64 packets; /* that met the program */
	u64 bytes;
	u64 matched;
	u64 reported; /* events handed to the ring */
	u64 lost;     /* events that found no room in it */
};

struct pod_event {
	u64 time; /* bpf_ktime_get_ns: CLOCK_MONOTONIC */
	union address source;
	union address destination;
	u32 ifindex;
	u32 length;
	u16 source_port; /* host byte order, as all that follows */
	u16 destination_port;
	u16 icmp_id;
	u16 icmp_sequence;
	u16 vlan;
	u16 rule;
	u8 verdict; /* POD_PASS or POD_DROP */
	u8 hook;
	u8 family;
	u8 protocol;
	u8 icmp_type;
	u8 icmp_code;
	u8 flags; /* PACKET_* */
	u8 reserved;
	u32 cpu;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pod_config);
} pod_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, POD_RULES);
	__type(key, u32);
	__type(value, struct pod_rule);
} pod_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, POD_RULES);
	__type(key, u32);
	__type(value, struct pod_counters);
} pod_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pod_totals);
} pod_totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} pod_events SEC(".maps");

/* The clock of the events, written by pod_clock. */
u64 pod_now;

/* Names the event's type in the object's BTF: nothing else refers to it. */
const struct pod_event *pod_event_type __attribute__((unused));

static __always_inline bool covers(const union address *want, const union address *mask,
				   const union address *have)
{
	return (have->halves[0] & mask->halves[0]) == want->halves[0] &&
	       (have->halves[1] & mask->halves[1]) == want->halves[1];
}

static __always_inline bool port_in(u16 port, u16 low, u16 high)
{
	return port >= low && port <= high;
}

static __always_inline bool match_headers(const struct packet *p, const struct pod_rule *r)
{
	if (!(r->flags & POD_ENABLED))
		return false;
	if (r->family && r->family != p->family)
		return false;
	if ((r->flags & POD_PROTOCOL) && (!(p->flags & PACKET_L3) || r->protocol != p->protocol))
		return false;
	if (!covers(&r->source, &r->source_mask, &p->source) ||
	    !covers(&r->destination, &r->destination_mask, &p->destination))
		return false;
	if (p->length < r->length_min || (r->length_max && p->length > r->length_max))
		return false;
	if (r->flags & (POD_SOURCE_PORT | POD_DESTINATION_PORT)) {
		if (!(p->flags & PACKET_L4) ||
		    (p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP))
			return false;
		if ((r->flags & POD_SOURCE_PORT) &&
		    !port_in(p->source_port, r->source_port_min, r->source_port_max))
			return false;
		if ((r->flags & POD_DESTINATION_PORT) &&
		    !port_in(p->destination_port, r->destination_port_min, r->destination_port_max))
			return false;
	}
	return true;
}

/* Offset of the pattern in the frame, or -1 if the packet has no such place. */
static __always_inline s64 pattern_at(const struct packet *p, const struct pod_rule *r)
{
	switch (r->pattern_base) {
	case POD_FRAME:
		return r->pattern_offset;
	case POD_L3:
		return p->flags & PACKET_L3 ? (s64)p->l3 + r->pattern_offset : -1;
	case POD_L4:
		return p->flags & PACKET_L4 ? (s64)p->l4 + r->pattern_offset : -1;
	case POD_PAYLOAD:
		return p->flags & PACKET_L4 ? (s64)p->payload + r->pattern_offset : -1;
	}
	return -1;
}

static __always_inline bool match(void *ctx, enum pod_hook hook, const struct packet *p, u32 index)
{
	const struct pod_rule *r = bpf_map_lookup_elem(&pod_rules, &index);
	if (!r || !match_headers(p, r))
		return false;
	u32 size = r->pattern_length;
	if (!size)
		return true;
	if (size > POD_PATTERN)
		return false;
	s64 at = pattern_at(p, r);
	if (at < 0 || at + size > p->length)
		return false;
	union address bytes = {};
	/* The verifier of Linux 6.1 does not learn from size != 0 that it is at
	 * least 1; this it can compute. */
	u32 last = size - 1;
	barrier_var(last);
	size = (last & (POD_PATTERN - 1)) + 1;
	long err = hook == POD_XDP ? bpf_xdp_load_bytes(ctx, at, &bytes, size)
				   : bpf_skb_load_bytes(ctx, at, &bytes, size);
	return !err && covers(&r->pattern, &r->pattern_mask, &bytes);
}

static __always_inline void report(enum pod_hook hook, const struct packet *p, u32 index,
				   enum pod_verdict verdict, u32 ifindex, struct pod_totals *totals)
{
	struct pod_event *e = bpf_ringbuf_reserve(&pod_events, sizeof(*e), 0);
	if (!e) {
		totals->lost++;
		return;
	}
	e->time = bpf_ktime_get_ns();
	e->source = p->source;
	e->destination = p->destination;
	e->ifindex = ifindex;
	e->length = p->length;
	e->source_port = p->source_port;
	e->destination_port = p->destination_port;
	e->icmp_id = p->icmp_id;
	e->icmp_sequence = p->icmp_sequence;
	e->vlan = p->vlan;
	e->rule = index;
	e->verdict = verdict;
	e->hook = hook;
	e->family = p->family;
	e->protocol = p->protocol;
	e->icmp_type = p->icmp_type;
	e->icmp_code = p->icmp_code;
	e->flags = p->flags;
	e->reserved = 0;
	e->cpu = bpf_get_smp_processor_id();
	bpf_ringbuf_submit(e, 0);
	totals->reported++;
}

/*
 * Parsing, matching and filtering are global functions: the verifier looks at
 * each of them once, and not once for every way through the ones before. It
 * knows nothing then of what is in the packet, so NULL must be ruled out.
 */
__noinline int pod_xdp_match(struct xdp_md *ctx, const struct packet *p, u32 index)
{
	return p ? match(ctx, POD_XDP, p, index) : 0;
}

__noinline int pod_tc_match(struct __sk_buff *ctx, const struct packet *p, u32 index)
{
	return p ? match(ctx, POD_TC_INGRESS, p, index) : 0;
}

/* What becomes of the packet: POD_PASS or POD_DROP. */
static __always_inline enum pod_verdict filter(void *ctx, enum pod_hook hook, struct packet *p,
					       u32 ifindex, enum pod_verdict by_program)
{
	u32 zero = 0;
	struct pod_config *config = bpf_map_lookup_elem(&pod_config, &zero);
	struct pod_totals *totals = bpf_map_lookup_elem(&pod_totals, &zero);
	if (!config || !totals)
		return POD_PASS;
	totals->packets++;
	totals->bytes += p->length;

	u32 count = config->rules;
	for (u32 i = 0; i < POD_RULES && i < count; i++) {
		if (!(hook == POD_XDP ? pod_xdp_match(ctx, p, i) : pod_tc_match(ctx, p, i)))
			continue;
		struct pod_rule *r = bpf_map_lookup_elem(&pod_rules, &i);
		struct pod_counters *c = bpf_map_lookup_elem(&pod_counters, &i);
		if (!r || !c)
			break;
		enum pod_verdict verdict = r->verdict == POD_BY_PROGRAM ? by_program : r->verdict;
		if (verdict == POD_DROP) {
			c->dropped++;
			c->dropped_bytes += p->length;
		} else {
			verdict = POD_PASS;
			c->passed++;
			c->passed_bytes += p->length;
		}
		u64 nth = totals->matched++;
		if (config->sample && nth % config->sample == 0)
			report(hook, p, i, verdict, ifindex, totals);
		return verdict;
	}
	return POD_PASS;
}

__noinline int pod_xdp_parse(struct xdp_md *ctx, struct packet *p)
{
	void *data = ctx_pointer(ctx->data), *end = ctx_pointer(ctx->data_end);
	if (!p)
		return 0;
	p->length = end - data;
	parse_packet(data, end, p);
	return 0;
}

__noinline int pod_xdp_filter(struct xdp_md *ctx, struct packet *p, u32 by_program)
{
	return p ? filter(ctx, POD_XDP, p, ctx->ingress_ifindex, by_program) : POD_PASS;
}

/* Enough for any header that parse_packet reads but the longest extensions. */
#define POD_LINEAR 256

__noinline int pod_tc_parse(struct __sk_buff *skb, struct packet *p)
{
	if (!p)
		return 0;
	u32 linear = skb->data_end - skb->data;
	if (linear < POD_LINEAR && linear < skb->len)
		bpf_skb_pull_data(skb, skb->len < POD_LINEAR ? skb->len : POD_LINEAR);
	void *data = ctx_pointer(skb->data), *end = ctx_pointer(skb->data_end);
	p->length = skb->len;
	/* A tag that the device took off stands beside the packet. */
	if (skb->vlan_present)
		p->vlan = skb->vlan_tci & 0xfff;
	parse_packet(data, end, p);
	return 0;
}

__noinline int pod_in_filter(struct __sk_buff *skb, struct packet *p, u32 by_program)
{
	return p ? filter(skb, POD_TC_INGRESS, p, skb->ifindex, by_program) : POD_PASS;
}

__noinline int pod_out_filter(struct __sk_buff *skb, struct packet *p, u32 by_program)
{
	return p ? filter(skb, POD_TC_EGRESS, p, skb->ifindex, by_program) : POD_PASS;
}

static __always_inline int xdp(struct xdp_md *ctx, enum pod_verdict by_program)
{
	struct packet p = {};
	pod_xdp_parse(ctx, &p);
	return pod_xdp_filter(ctx, &p, by_program) == POD_DROP ? XDP_DROP : XDP_PASS;
}

static __always_inline int tc(struct __sk_buff *skb, enum pod_hook hook,
			      enum pod_verdict by_program)
{
	struct packet p = {};
	pod_tc_parse(skb, &p);
	int verdict = hook == POD_TC_INGRESS ? pod_in_filter(skb, &p, by_program)
					     : pod_out_filter(skb, &p, by_program);
	/* Unspec lets the next program at this hook decide. */
	return verdict == POD_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("xdp")
int pod_xdp_pass(struct xdp_md *ctx)
{
	return xdp(ctx, POD_PASS);
}

SEC("xdp")
int pod_xdp_drop(struct xdp_md *ctx)
{
	return xdp(ctx, POD_DROP);
}

SEC("tc")
int pod_in_pass(struct __sk_buff *skb)
{
	return tc(skb, POD_TC_INGRESS, POD_PASS);
}

SEC("tc")
int pod_in_drop(struct __sk_buff *skb)
{
	return tc(skb, POD_TC_INGRESS, POD_DROP);
}

SEC("tc")
int pod_out_pass(struct __sk_buff *skb)
{
	return tc(skb, POD_TC_EGRESS, POD_PASS);
}

SEC("tc")
int pod_out_drop(struct __sk_buff *skb)
{
	return tc(skb, POD_TC_EGRESS, POD_DROP);
}

/* Test-run by those who compare the events' clock with their own. */
SEC("xdp")
int pod_clock(struct xdp_md *ctx)
{
	(void)ctx;
	pod_now = bpf_ktime_get_ns();
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
