/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The load balancer's tables. Package bpf holds the Go side of these layouts,
 * and package net/lb fills them.
 *
 * A frontend (address, port, protocol) leads to a range of a slab of Maglev
 * tables, an entry there to a backend. Connections that have been seen are
 * remembered in a table of our own: a bucket of two cache lines holds eight, a
 * lookup reads one or both of them and takes no lock, and what is evicted is
 * our choice.
 */
#pragma once

#include "helpers.h"
#include "parse.h"

#define LB_FRONTENDS 65536 /* an id has 16 bits in a connection's tag */
#define LB_BACKENDS  (1 << 18)
#define LB_MAGLEV    (1 << 14) /* lines of LB_LINE entries */
#define LB_LINE      16
#define LB_BUCKETS   (1 << 15)
#define LB_WAYS      8

/*
 * The version of what is below, as pinned tables have it; 0 and 1 are the first.
 * A value may only grow at its end: user space copies the entries of an older
 * version's table and puts zeros behind (net/lb/migrate.go).
 */
#define LB_LAYOUT 2

/* Time in units of 2^30 ns: a little more than a second. */
#define LB_TICK_SHIFT 30

enum lb_forward {
	LB_FORWARD_NONE,
	LB_FORWARD_NAT,
	LB_FORWARD_IPIP,
	LB_FORWARD_GUE,
	LB_FORWARD_GENEVE,
	LB_FORWARD_DSR,
};

enum lb_algorithm {
	LB_MAGLEV_HASH,
	LB_LEAST_CONNECTIONS,
	LB_RANDOM,
};

enum lb_frontend_flags {
	LB_SOURCES = 1,  /* only clients in lb_source */
	LB_AFFINITY = 2, /* a client stays with its backend */
	LB_QUIC = 4,     /* connection ids name servers */
	LB_ECHO = 8,     /* an address, not a port: answer pings */
};

enum lb_backend_state {
	LB_GONE,   /* takes nothing */
	LB_ACTIVE, /* takes new connections */
	LB_KEPT,   /* keeps the connections that it has */
};

/* Why a packet was dropped or not stored; indexes of lb_reason. */
enum lb_reason_index {
	LB_REASON_NO_BACKEND,
	LB_REASON_SOURCE,      /* the client is not in the source ranges */
	LB_REASON_ROUTE,       /* no way to the backend */
	LB_REASON_TOO_BIG,     /* answered with a path MTU error */
	LB_REASON_HEADROOM,    /* no room for another header */
	LB_REASON_FRAGMENT,    /* of a packet whose first fragment was not seen */
	LB_REASON_NAT_PORTS,   /* no free port */
	LB_REASON_UNSUPPORTED, /* the way of forwarding cannot carry the packet */
	LB_REASON_TABLE_FULL,  /* not dropped: sent, but not remembered */
	LB_REASON_REPICKED,    /* not dropped: its backend was gone, it got another */
	LB_REASON_NAT_UNKNOWN, /* not dropped: no translation, left to the host */
	LB_REASON_MAX,
};

struct lb_config {
	u64 seed;      /* of the connection table's hash; secret */
	u32 conn_mask; /* buckets less one */
	be32 source4;  /* outer source of tunnels, and NAT's address */
	union address source6;
	u8 gateway[6]; /* next hop by XDP_TX; zero: the routing table is asked */
	u16 mtu;       /* of the way to backends, without Ethernet; 0: unchecked */
	be16 gue_port;
	be16 geneve_port;
	be16 tunnel_source_port; /* unused bits of the flow's hash are added */
	u16 nat_low;             /* ports of NAT, host byte order, both ends included */
	u16 nat_high;
	u16 reserved;
	/* How long an idle connection is remembered, in ticks. */
	u32 idle_half_open;
	u32 idle_established;
	u32 idle_datagram;
	u32 idle_closing;
	/* Where IPv4 clients appear to IPv6 backends (RFC 6052); 0 bits: nowhere,
	 * source6 stands in their place. */
	u8 prefix6_bits;
	u8 layout; /* LB_LAYOUT of who made the tables */
	u8 reserved2[2];
	union address prefix6;
	union address prefix6_mask;
};

struct lb_frontend4_key {
	be32 address;
	be16 port; /* 0 with protocol 0: the address itself */
	u8 protocol;
	u8 reserved;
};

struct lb_frontend6_key {
	union address address;
	be16 port;
	u8 protocol;
	u8 reserved[5];
};

struct lb_frontend {
	u32 id; /* 1 to 65535 */
	u32 pool;
	u32 table;    /* first entry in lb_maglev */
	u32 size;     /* entries; 0: no backend */
	u32 affinity; /* in ticks */
	u8 algorithm;
	u8 flags;
	u16 reserved;
};

/* One cache line. */
struct lb_backend {
	union address address; /* IPv4 as ::ffff:a.b.c.d */
	be16 port;
	u8 family;
	u8 forward;
	u8 state;
	u8 weight;
	u8 mac[6];   /* of the next hop; zero: as lb_config says */
	u32 ifindex; /* where the next hop is; 0: back out where the packet came from */
	u32 active;  /* connections, about */
	u32 pool;
	u8 source_mac[6]; /* of the device the next hop is on; used with ifindex */
	u8 reserved[18];
};

/* A cache line of a Maglev table: ids of backends. */
struct lb_line {
	u32 entries[LB_LINE];
};

struct lb_slot {
	u64 check; /* tag ^ data: a pair that was written half matches no tag */
	u64 data;
};

struct lb_bucket {
	struct lb_slot slots[LB_WAYS];
};

/* The parts of lb_slot.data. */
#define LB_CONN_BACKEND     0xffffffULL
#define LB_CONN_STATE       (3ULL << 24)
#define LB_CONN_HALF_OPEN   (0ULL << 24)
#define LB_CONN_ESTABLISHED (1ULL << 24)
#define LB_CONN_CLOSING     (2ULL << 24)
#define LB_CONN_DATAGRAM    (1ULL << 26)
#define LB_CONN_TIME        32

struct lb_counters {
	u64 packets;
	u64 bytes;
	u64 connections;
};

struct lb_source_key {
	u32 prefix; /* 32 bits of frontend, then those of the address */
	u32 frontend;
	union address address;
};

struct lb_affinity_key {
	union address client;
	u32 pool;
	u32 reserved;
};

struct lb_affinity {
	u32 backend;
	u32 time; /* in ticks */
};

struct lb_fragment_key {
	union address source;
	union address destination;
	be32 id;
	u32 protocol;
};

struct lb_quic_key {
	u32 pool;
	u32 server;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lb_config);
} lb_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_FRONTENDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_frontend4_key);
	__type(value, struct lb_frontend);
} lb_frontend4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_FRONTENDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_frontend6_key);
	__type(value, struct lb_frontend);
} lb_frontend6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_MAGLEV);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct lb_line);
} lb_maglev SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_BACKENDS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct lb_backend);
} lb_backend SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_BACKENDS);
	__type(key, u32);
	__type(value, struct lb_counters);
} lb_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_BUCKETS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct lb_bucket);
} lb_conn SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_REASON_MAX);
	__type(key, u32);
	__type(value, u64);
} lb_reason SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_source_key);
	__type(value, u32);
} lb_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct lb_affinity_key);
	__type(value, struct lb_affinity);
} lb_affinity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_quic_key);
	__type(value, u32);
} lb_quic SEC(".maps");

static __always_inline void lb_count_reason(u32 reason)
{
	u64 *n = bpf_map_lookup_elem(&lb_reason, &reason);
	if (n)
		(*n)++;
}

static __always_inline u32 lb_now(void)
{
	return bpf_ktime_get_coarse_ns() >> LB_TICK_SHIFT;
}

static __always_inline u64 lb_mix(u64 h)
{
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	h *= 0xbf58476d1ce4e5b9ULL;
	return h ^ h >> 29;
}

/* What chooses an entry of a Maglev table depends on nothing but the client, so
 * that every machine chooses alike. */
static __always_inline u32 lb_client_hash4(be32 address, be16 port)
{
	return lb_mix((u64)address << 16 | port);
}

static __always_inline u32 lb_client_hash6(const union address *a, be16 port)
{
	return lb_mix(lb_mix(a->halves[0]) ^ lb_mix(a->halves[1] + port));
}
