/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Headers on the wire and the numbers in them. */
#pragma once

#include "types.h"

#define ETH_P_IP     0x0800
#define ETH_P_IPV6   0x86dd
#define ETH_P_ARP    0x0806
#define ETH_P_8021Q  0x8100
#define ETH_P_8021AD 0x88a8

struct ethernet {
	u8 destination[6];
	u8 source[6];
	be16 protocol;
};

/* What follows the addresses of a tagged frame. IEEE 802.1Q. */
struct vlan_tag {
	be16 tci;
	be16 protocol;
};

/* RFC 791 */
struct ipv4 {
	u8 version_ihl; /* version in the high nibble, length in words in the low */
	u8 tos;
	be16 length;
	be16 id;
	be16 fragment; /* flags in the high 3 bits, offset in 8 bytes */
	u8 ttl;
	u8 protocol;
	be16 checksum;
	be32 source;
	be32 destination;
};

#define IPV4_OFFSET 0x1fff

/* RFC 8200 */
struct ipv6 {
	be32 version_class_flow;
	be16 payload_length;
	u8 next_header;
	u8 hop_limit;
	u8 source[16];
	u8 destination[16];
};

/* Extension headers are at least as long as this one; in those of other kinds
 * the second byte is the length. */
struct ipv6_fragment {
	u8 next_header;
	u8 reserved;
	be16 offset; /* offset in 8 bytes in the high 13 bits */
	be32 id;
};

#define IPV6_OFFSET 0xfff8

enum ip_protocol {
	IPPROTO_HOPOPTS = 0,
	IPPROTO_ICMP = 1,
	IPPROTO_IPIP = 4,
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	IPPROTO_IPV6 = 41,
	IPPROTO_ROUTING = 43,
	IPPROTO_FRAGMENT = 44,
	IPPROTO_AH = 51,
	IPPROTO_ICMPV6 = 58,
	IPPROTO_NONE = 59,
	IPPROTO_DSTOPTS = 60,
	IPPROTO_SCTP = 132,
	IPPROTO_MH = 135,
};

/* RFC 9293 */
struct tcp {
	be16 source;
	be16 destination;
	be32 sequence;
	be32 acknowledgement;
	u8 offset; /* header length in words in the high nibble */
	u8 flags;
	be16 window;
	be16 checksum;
	be16 urgent;
};

/* RFC 768 */
struct udp {
	be16 source;
	be16 destination;
	be16 length;
	be16 checksum;
};

/* RFC 792 and RFC 4443: echo and its reply have id and sequence. */
struct icmp {
	u8 type;
	u8 code;
	be16 checksum;
	be16 id;
	be16 sequence;
};

#define ICMP_ECHO_REPLY     0
#define ICMP_ECHO_REQUEST   8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY   129

#define ICMP_UNREACHABLE     3
#define ICMP_FRAG_NEEDED     4
#define ICMP_TIME_EXCEEDED   11
#define ICMP_PARAMETER       12
#define ICMPV6_UNREACHABLE   1
#define ICMPV6_TOO_BIG       2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_PARAMETER     4
