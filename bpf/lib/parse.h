/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * From bytes to a struct packet: Ethernet, up to two VLAN tags, IPv4 or IPv6
 * with extension headers, then TCP, UDP, ICMP or ICMPv6.
 *
 * A packet that ends early is not an error: PACKET_* flags say how far the
 * parser got, and fields above that stay zero.
 */
#pragma once

#include "net.h"

#define PACKET_VLANS      2
#define PACKET_EXTENSIONS 8
#define PACKET_HEADERS    0x3fff /* a transport header further in is not looked for */

enum packet_flags {
	PACKET_L3 = 1,       /* family, protocol and addresses are known */
	PACKET_L4 = 2,       /* the transport header is there: ports or ICMP fields */
	PACKET_FRAGMENT = 4, /* a fragment that is not the first: it has no L4 */
};

union address {
	u8 bytes[16];
	u32 words[4];
	u64 halves[2];
};

/* 64 bytes, no holes: it is passed to global functions by pointer. */
struct packet {
	union address source; /* IPv4 as ::ffff:a.b.c.d */
	union address destination;
	u32 length; /* of the frame, in bytes */
	u32 l3;     /* offsets from the start of the frame, in bytes */
	u32 l4;
	u32 payload;     /* what follows the transport header */
	u16 source_port; /* ports and ICMP fields in host byte order */
	u16 destination_port;
	u16 icmp_id;
	u16 icmp_sequence;
	u16 vlan;  /* outermost VLAN id, 0 if there is none */
	u8 family; /* 4, 6, or 0 */
	u8 protocol;
	u8 icmp_type;
	u8 icmp_code;
	u8 flags;
	u8 reserved;
};

static __always_inline void parse_transport(void *at, void *end, struct packet *p)
{
	if (p->protocol == IPPROTO_TCP) {
		struct tcp *tcp = at;
		if ((void *)(tcp + 1) > end)
			return;
		p->source_port = host16(tcp->source);
		p->destination_port = host16(tcp->destination);
		p->payload = p->l4 + (tcp->offset >> 4) * 4;
		p->flags |= PACKET_L4;
	} else if (p->protocol == IPPROTO_UDP) {
		struct udp *udp = at;
		if ((void *)(udp + 1) > end)
			return;
		p->source_port = host16(udp->source);
		p->destination_port = host16(udp->destination);
		p->payload = p->l4 + sizeof(*udp);
		p->flags |= PACKET_L4;
	} else if (p->protocol == (p->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
		struct icmp *icmp = at;
		if ((void *)(icmp + 1) > end)
			return;
		p->icmp_type = icmp->type;
		p->icmp_code = icmp->code;
		/* Only echo carries these; elsewhere the bytes mean something else. */
		if (icmp->type == (p->family == 4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST) ||
		    icmp->type == (p->family == 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY)) {
			p->icmp_id = host16(icmp->id);
			p->icmp_sequence = host16(icmp->sequence);
		}
		p->payload = p->l4 + sizeof(*icmp);
		p->flags |= PACKET_L4;
	}
}

static __always_inline void parse_ipv4(void *at, void *end, struct packet *p)
{
	struct ipv4 *ip = at;
	if ((void *)(ip + 1) > end)
		return;
	u32 size = (ip->version_ihl & 0xf) * 4;
	if (ip->version_ihl >> 4 != 4 || size < sizeof(*ip))
		return;
	p->family = 4;
	p->protocol = ip->protocol;
	p->source.words[2] = p->destination.words[2] = net32(0xffff);
	p->source.words[3] = ip->source;
	p->destination.words[3] = ip->destination;
	p->l4 = p->l3 + size;
	p->flags |= PACKET_L3;
	if (host16(ip->fragment) & IPV4_OFFSET) {
		p->flags |= PACKET_FRAGMENT;
		return;
	}
	parse_transport(at + size, end, p);
}

/*
 * Steps over one extension header at p->l4 of kind p->protocol; false when
 * there is none.
 */
static __always_inline bool parse_extension(void *data, void *end, struct packet *p)
{
	u8 kind = p->protocol;
	if (kind != IPPROTO_FRAGMENT && kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING &&
	    kind != IPPROTO_DSTOPTS && kind != IPPROTO_MH && kind != IPPROTO_AH)
		return false;
	if (p->l4 > PACKET_HEADERS)
		return false;
	struct ipv6_fragment *f = data + p->l4;
	if ((void *)(f + 1) > end)
		return false;
	/* RFC 8200 counts in 8 bytes after the first 8, RFC 4302 in 4 bytes
	 * after the first 8. */
	u32 size = sizeof(*f);
	if (kind == IPPROTO_AH)
		size = ((u32)f->reserved + 2) * 4;
	else if (kind != IPPROTO_FRAGMENT)
		size = ((u32)f->reserved + 1) * 8;
	else if (host16(f->offset) & IPV6_OFFSET)
		p->flags |= PACKET_FRAGMENT;
	p->protocol = f->next_header;
	p->l4 += size;
	return !(p->flags & PACKET_FRAGMENT);
}

static __always_inline void parse_ipv6(void *at, void *data, void *end, struct packet *p)
{
	struct ipv6 *ip = at;
	if ((void *)(ip + 1) > end)
		return;
	if (*(u8 *)at >> 4 != 6)
		return;
	p->family = 6;
	memcpy(&p->source, ip->source, 16);
	memcpy(&p->destination, ip->destination, 16);
	p->flags |= PACKET_L3;
	p->protocol = ip->next_header;
	p->l4 = p->l3 + sizeof(*ip);
	for (int i = 0; i < PACKET_EXTENSIONS; i++) {
		/* Makes clang store and load p again: what comes from memory the
		 * verifier takes for unknown, so that every round of this loop
		 * looks the same to it and is looked at once. */
		barrier();
		if (!parse_extension(data, end, p))
			break;
	}
	barrier();
	if (p->l4 > PACKET_HEADERS || p->flags & PACKET_FRAGMENT)
		return;
	parse_transport(data + p->l4, end, p);
}

/*
 * Fills p, which must be zero but for length and vlan, from the bytes at [data, end).
 */
static __always_inline void parse_packet(void *data, void *end, struct packet *p)
{
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end)
		return;
	be16 protocol = eth->protocol;
	void *at = eth + 1;
	for (int i = 0; i < PACKET_VLANS; i++) {
		struct vlan_tag *tag = at;
		if (protocol != NET16(ETH_P_8021Q) && protocol != NET16(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > end)
			return;
		/* A caller that knows of an outer tag has put it here. */
		if (i == 0 && !p->vlan)
			p->vlan = host16(tag->tci) & 0xfff;
		protocol = tag->protocol;
		at = tag + 1;
	}
	p->l3 = at - data;
	if (protocol == NET16(ETH_P_IP))
		parse_ipv4(at, end, p);
	else if (protocol == NET16(ETH_P_IPV6))
		parse_ipv6(at, data, end, p);
}
