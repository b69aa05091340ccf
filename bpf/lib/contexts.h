/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What programs get as their argument: the layouts are the kernel's user-space
 * ABI (Linux 6.18), names included, because global functions take contexts by
 * the name of their type.
 */
#pragma once

#include "types.h"

struct xdp_md {
	u32 data;
	u32 data_end;
	u32 data_meta;
	u32 ingress_ifindex;
	u32 rx_queue_index;
	u32 egress_ifindex;
};

enum xdp_action {
	XDP_ABORTED,
	XDP_DROP,
	XDP_PASS,
	XDP_TX,
	XDP_REDIRECT,
};

struct __sk_buff {
	u32 len;
	u32 pkt_type;
	u32 mark;
	u32 queue_mapping;
	u32 protocol;
	u32 vlan_present;
	u32 vlan_tci;
	u32 vlan_proto;
	u32 priority;
	u32 ingress_ifindex;
	u32 ifindex;
	u32 tc_index;
	u32 cb[5];
	u32 hash;
	u32 tc_classid;
	u32 data;
	u32 data_end;
	u32 napi_id;
	u32 family;
	u32 remote_ip4;
	u32 local_ip4;
	u32 remote_ip6[4];
	u32 local_ip6[4];
	u32 remote_port;
	u32 local_port;
	u32 data_meta;
	u64 flow_keys __aligned(8);
	u64 tstamp;
	u32 wire_len;
	u32 gso_segs;
	u64 sk __aligned(8);
	u32 gso_size;
	u8 tstamp_type;
	u8 padding[3];
	u64 hwtstamp;
};

enum tc_action {
	TC_ACT_UNSPEC = -1, /* the next program, or pass */
	TC_ACT_OK = 0,
	TC_ACT_SHOT = 2,
	TC_ACT_REDIRECT = 7,
};

/* 32-bit context fields that stand for pointers. */
#define ctx_pointer(field) ((void *)(long)(field))

/* What bpf_skb_set_tunnel_key takes; IPv4 addresses are in host byte order. */
struct bpf_tunnel_key {
	u32 tunnel_id;
	union {
		u32 remote_ipv4;
		u32 remote_ipv6[4];
	};
	u8 tunnel_tos;
	u8 tunnel_ttl;
	u16 tunnel_ext;
	u32 tunnel_label;
	union {
		u32 local_ipv4;
		u32 local_ipv6[4];
	};
};

/* What bpf_fib_lookup asks and answers (Linux 6.18). */
struct bpf_fib_lookup {
	u8 family;
	u8 l4_protocol;
	be16 sport;
	be16 dport;
	u16 tot_len;  /* out: the route's MTU */
	u32 ifindex;  /* out: of the device to send on */
	u32 flowinfo; /* IPv4: tos; out: route metric */
	union {
		be32 ipv4_src;
		u32 ipv6_src[4];
	};
	union {
		be32 ipv4_dst; /* out: the next hop */
		u32 ipv6_dst[4];
	};
	u32 vlan; /* or the table's id, or the mark */
	u8 smac[6];
	u8 dmac[6];
};

/* What programs at connect, sendmsg, recvmsg and getpeername get. */
struct bpf_sock_addr {
	u32 user_family;
	be32 user_ip4;
	be32 user_ip6[4];
	u32 user_port; /* 16 bits in network byte order */
	u32 family;
	u32 type;
	u32 protocol;
	be32 msg_src_ip4;
	be32 msg_src_ip6[4];
	u64 sk __aligned(8);
};
