/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Which backend: the connection table, and the choice for a new connection. */
#pragma once

#include "lb.h"

/* One packet of a client on its way to a frontend. */
struct lb_flow {
	u64 tag; /* what the connection is known by: the client above, the frontend's id below */
	u32 client_hash;
	u32 length; /* of the IP packet */
	union address client;
	be16 client_port;
	be16 service_port;
	u32 l3; /* offset of the IP header */
	u32 l4;
	u8 family;
	u8 protocol;
	u8 tcp_flags;
	u8 tos;
	u8 more_fragments;
	u16 fragment_at;     /* IPv6: of the fragment header, from l3; 0: none */
	u16 fragment_offset; /* in 8 bytes */
};

#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_RST 4
#define TCP_ACK 16

#define READ_ONCE(x)     (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

static __always_inline struct lb_backend *lb_backend_at(u32 id)
{
	return bpf_map_lookup_elem(&lb_backend, &id);
}

/*
 * A tag is exact for IPv4: address, port and frontend fill its 64 bits. Of an
 * IPv6 client it holds 48 bits of a keyed hash.
 */
static __always_inline u64 lb_tag4(be32 address, be16 port, u32 frontend)
{
	return (u64)address << 32 | (u64)port << 16 | (frontend & 0xffff);
}

static __always_inline u64 lb_tag6(const union address *a, be16 port, u32 frontend, u64 seed)
{
	u64 h = lb_mix(a->halves[0] ^ seed) ^ a->halves[1];
	return lb_mix(h * 3 + port) << 16 | (frontend & 0xffff);
}

static __always_inline struct lb_bucket *lb_bucket_of(u64 tag, const struct lb_config *c)
{
	u32 index = lb_mix(tag ^ c->seed) & c->conn_mask;
	return bpf_map_lookup_elem(&lb_conn, &index);
}

static __always_inline void lb_store(struct lb_slot *s, u64 tag, u64 data)
{
	WRITE_ONCE(s->data, data);
	WRITE_ONCE(s->check, tag ^ data);
}

/* The slot of a known connection, and its data; or NULL. */
static __always_inline struct lb_slot *lb_find(struct lb_bucket *b, u64 tag, u64 *data)
{
#pragma unroll
	for (int i = 0; i < LB_WAYS; i++) {
		u64 d = READ_ONCE(b->slots[i].data);
		if ((READ_ONCE(b->slots[i].check) ^ d) == tag) {
			*data = d;
			return &b->slots[i];
		}
	}
	return NULL;
}

static __always_inline u32 lb_idle_limit(u64 data, const struct lb_config *c)
{
	u64 state = data & LB_CONN_STATE;
	if (state == LB_CONN_HALF_OPEN)
		return c->idle_half_open;
	if (state == LB_CONN_CLOSING)
		return c->idle_closing;
	return data & LB_CONN_DATAGRAM ? c->idle_datagram : c->idle_established;
}

/* How readily a slot is given up; the lowest goes first, and nothing at or
 * above LB_HOLDS goes at all. */
#define LB_HOLDS (3ULL << 32)

static __always_inline u64 lb_worth(u64 data, u32 now, const struct lb_config *c)
{
	if (!data)
		return 0;
	u32 age = now - (u32)(data >> LB_CONN_TIME);
	if (age > lb_idle_limit(data, c))
		return 1;
	u64 state = data & LB_CONN_STATE;
	u64 rank = state == LB_CONN_CLOSING ? 1 : state == LB_CONN_HALF_OPEN ? 2 : 3;
	return rank << 32 | (~age & 0xffffffff) >> 1;
}

/*
 * Remembers a new connection. Empty and expired slots go first, then closing
 * connections, then half-open ones, the longest idle of each; established ones
 * never, so that a flood of first packets cannot push them out.
 */
static __always_inline bool lb_insert(struct lb_bucket *b, u64 tag, u64 data, u32 now,
				      const struct lb_config *c)
{
	struct lb_slot *victim = NULL;
	u64 least = LB_HOLDS;
#pragma unroll
	for (int i = 0; i < LB_WAYS; i++) {
		u64 worth = lb_worth(READ_ONCE(b->slots[i].data), now, c);
		if (worth < least) {
			least = worth;
			victim = &b->slots[i];
		}
	}
	if (!victim)
		return false;
	lb_store(victim, tag, data);
	return true;
}

static __always_inline u32 lb_entry(const struct lb_frontend *fe, u32 hash)
{
	u32 index = fe->table + (u32)((u64)hash * fe->size >> 32);
	u32 line = index / LB_LINE;
	struct lb_line *l = bpf_map_lookup_elem(&lb_maglev, &line);
	return l ? l->entries[index % LB_LINE] : 0;
}

/* Of two backends chosen at random the one with fewer connections for its
 * weight: entries of the table are in proportion to weights already. */
static __always_inline u32 lb_less_loaded(const struct lb_frontend *fe)
{
	u32 a = lb_entry(fe, bpf_get_prandom_u32());
	u32 b = lb_entry(fe, bpf_get_prandom_u32());
	struct lb_backend *x = lb_backend_at(a), *y = lb_backend_at(b);
	if (!x || !y)
		return a;
	return (u64)y->active * x->weight < (u64)x->active * y->weight ? b : a;
}

static __always_inline u32 lb_affine(const struct lb_frontend *fe, const union address *client,
				     u32 now)
{
	struct lb_affinity_key key = {.client = *client, .pool = fe->pool};
	struct lb_affinity *a = bpf_map_lookup_elem(&lb_affinity, &key);
	if (!a || now - a->time > fe->affinity)
		return 0;
	struct lb_backend *be = lb_backend_at(a->backend);
	if (!be || be->state != LB_ACTIVE || be->pool != fe->pool)
		return 0;
	a->time = now;
	return a->backend;
}

/* The backend of a new connection, 0 if there is none. */
static __always_inline u32 lb_choose(const struct lb_frontend *fe, const union address *client,
				     u32 hash, u32 now)
{
	u32 id = 0;
	if (!fe->size)
		return 0;
	if (fe->flags & LB_AFFINITY)
		id = lb_affine(fe, client, now);
	if (id)
		return id;
	if (fe->algorithm == LB_MAGLEV_HASH)
		id = lb_entry(fe, hash);
	else if (fe->algorithm == LB_RANDOM)
		id = lb_entry(fe, bpf_get_prandom_u32());
	else
		id = lb_less_loaded(fe);
	if (id && (fe->flags & LB_AFFINITY)) {
		struct lb_affinity_key key = {.client = *client, .pool = fe->pool};
		struct lb_affinity a = {.backend = id, .time = now};
		bpf_map_update_elem(&lb_affinity, &key, &a, BPF_ANY);
	}
	return id;
}

static __always_inline bool lb_source_allowed(const struct lb_frontend *fe,
					      const union address *client)
{
	struct lb_source_key key = {.prefix = 160, .frontend = fe->id, .address = *client};
	return bpf_map_lookup_elem(&lb_source, &key) != NULL;
}

/* Where a connection stands after this packet. */
static __always_inline u64 lb_next_state(u64 state, const struct lb_flow *f)
{
	if (f->protocol != IPPROTO_TCP)
		return LB_CONN_ESTABLISHED;
	if (f->tcp_flags & (TCP_FIN | TCP_RST))
		return LB_CONN_CLOSING;
	if (f->tcp_flags & TCP_SYN)
		return state == LB_CONN_ESTABLISHED ? state : LB_CONN_HALF_OPEN;
	return state == LB_CONN_CLOSING ? state : LB_CONN_ESTABLISHED;
}

/*
 * The backend that a packet goes to, 0 if none: that of its connection, as long
 * as it is there, else a new choice, which is remembered.
 */
static __always_inline u32 lb_pick(const struct lb_frontend *fe, const struct lb_flow *f,
				   const struct lb_config *c, bool *fresh)
{
	u64 data = 0;
	u32 now = lb_now();
	struct lb_bucket *b = lb_bucket_of(f->tag, c);
	if (!b)
		return 0;
	struct lb_slot *s = lb_find(b, f->tag, &data);
	if (likely(s)) {
		u32 id = data & LB_CONN_BACKEND;
		struct lb_backend *be = lb_backend_at(id);
		u64 state = data & LB_CONN_STATE;
		bool expired = now - (u32)(data >> LB_CONN_TIME) > lb_idle_limit(data, c);
		/* A connection that begins anew may go elsewhere, and must where
		 * the backend takes no new ones. */
		bool begins =
		    expired || (f->protocol == IPPROTO_TCP &&
				(f->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
				(state == LB_CONN_CLOSING || !be || be->state != LB_ACTIVE));
		if (be && be->state != LB_GONE && be->pool == fe->pool && !begins) {
			u64 next = (data & (LB_CONN_BACKEND | LB_CONN_DATAGRAM)) |
				   lb_next_state(state, f) | (u64)now << LB_CONN_TIME;
			if (next != data)
				lb_store(s, f->tag, next);
			return id;
		}
		if (!begins)
			lb_count_reason(LB_REASON_REPICKED);
	}
	u32 id = lb_choose(fe, &f->client, f->client_hash, now);
	if (!id)
		return 0;
	*fresh = true;
	data = (id & LB_CONN_BACKEND) | (u64)now << LB_CONN_TIME | LB_CONN_HALF_OPEN;
	if (f->protocol != IPPROTO_TCP)
		data |= LB_CONN_DATAGRAM;
	else if (f->tcp_flags & (TCP_FIN | TCP_RST))
		data |= LB_CONN_CLOSING;
	if (s)
		lb_store(s, f->tag, data);
	else if (!lb_insert(b, f->tag, data, now, c))
		lb_count_reason(LB_REASON_TABLE_FULL);
	return id;
}
