/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What translation writes down, and the ports that it gives: the same for XDP
 * and tc, so that a request that came in through one may be answered through the
 * other.
 */
#pragma once

#include "lbpick.h"

#define LB_NAT_TRIES 32

/* A connection as its client knows it. */
struct lb_nat_out_key {
	union address client;
	u32 frontend;
	be16 client_port;
	u8 protocol;
	u8 reserved;
};

/* An answer as the backend sends it. */
struct lb_nat_in_key {
	union address backend;
	be16 backend_port;
	be16 port; /* ours */
	u8 protocol;
	u8 family;
	u16 reserved;
};

struct lb_nat_in {
	union address client;
	union address service;
	be16 client_port;
	be16 service_port;
	u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct lb_nat_out_key);
	__type(value, u32);
} lb_nat_out SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct lb_nat_in_key);
	__type(value, struct lb_nat_in);
} lb_nat_in SEC(".maps");

/* Both ends of a translated packet. */
struct lb_ends {
	union address source;
	union address destination;
	be16 source_port;
	be16 destination_port;
};

/* Too much for the stack below the functions that lead here. */
struct lb_nat_scratch {
	struct lb_ends to;
	struct lb_nat_out_key out;
	struct lb_nat_in_key in;
	struct lb_nat_in way;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lb_nat_scratch);
} lb_nat_scratch SEC(".maps");

/* A port towards the backend that no other connection has, in network byte
 * order; 0 if none was found. */
static __always_inline be16 lb_nat_port(struct lb_nat_scratch *s, u32 hash,
					const struct lb_config *c)
{
	u32 range = (u32)c->nat_high - c->nat_low + 1;
	for (int i = 0; i < LB_NAT_TRIES; i++) {
		s->in.port = net16(c->nat_low + (u32)((u64)hash * range >> 32));
		if (!bpf_map_update_elem(&lb_nat_in, &s->in, &s->way, BPF_NOEXIST))
			return s->in.port;
		hash = bpf_get_prandom_u32();
	}
	return 0;
}

/* The port that a connection has, or gets. */
static __always_inline be16 lb_nat_port_of(struct lb_nat_scratch *s, const struct lb_flow *f,
					   const struct lb_config *c)
{
	u32 *known = bpf_map_lookup_elem(&lb_nat_out, &s->out);
	if (known) {
		s->in.port = *known;
		struct lb_nat_in *way = bpf_map_lookup_elem(&lb_nat_in, &s->in);
		if (way && way->client_port == f->client_port &&
		    way->client.halves[0] == f->client.halves[0] &&
		    way->client.halves[1] == f->client.halves[1] &&
		    way->service_port == f->service_port &&
		    way->service.halves[0] == s->way.service.halves[0] &&
		    way->service.halves[1] == s->way.service.halves[1])
			return s->in.port;
	}
	u32 port = lb_nat_port(s, f->client_hash, c);
	if (port)
		bpf_map_update_elem(&lb_nat_out, &s->out, &port, BPF_ANY);
	return port;
}
