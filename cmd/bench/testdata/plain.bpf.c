// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Programs without maps, which compile for BPF and for this machine alike. */
#include "cmd/bench/testdata/bench.h"

SEC("xdp")
int noop(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int arithmetic(struct xdp_md *ctx)
{
	u8 *p = DATA(ctx);
	if ((void *)(p + 1) > DATA_END(ctx))
		return 0;
	u64 x = *p + 1;
	for (u32 i = 0; i < 1000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x = x * 5 + i;
	}
	return x & 0xff;
}

SEC("xdp")
int division(struct xdp_md *ctx)
{
	u8 *p = DATA(ctx);
	if ((void *)(p + 2) > DATA_END(ctx))
		return 0;
	u64 x = 0xfedcba9876543210ULL, d = p[0] + 3, sum = p[1];
	for (u32 i = 0; i < 256; i++) {
		sum += x / d;
		sum ^= x % (d + 1);
		x = x * 31 + sum;
		d += 2;
	}
	return sum & 0xff;
}

SEC("xdp")
int sieve(struct xdp_md *ctx)
{
	u8 composite[128] = {};
	u32 primes = 0;
	for (u32 i = 2; i < 128; i++) {
		if (composite[i])
			continue;
		primes++;
		for (u32 j = i * 2; j < 128; j += i)
			composite[j] = 1;
	}
	return primes;
}

SEC("xdp")
int checksum(struct xdp_md *ctx)
{
	u16 *p = DATA(ctx);
	void *end = DATA_END(ctx);
	if ((void *)(p + 750) > end)
		return 0;
	u64 sum = 0;
	for (u32 i = 0; i < 750; i++)
		sum += p[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

SEC("xdp")
int copy(struct xdp_md *ctx)
{
	u64 *from = DATA(ctx), *to = from + 92;
	if ((void *)(to + 92) > DATA_END(ctx))
		return 0;
#pragma clang loop unroll(full)
	for (u32 i = 0; i < 92; i++)
		to[i] = from[i];
	return to[0] & 0xff;
}

struct unaligned {
	u64 word;
} __packed;

SEC("xdp")
int search(struct xdp_md *ctx)
{
	u8 *p = DATA(ctx);
	if ((void *)(p + 1408) > DATA_END(ctx))
		return 0;
	u64 found = 0;
	for (u32 i = 0; i < 1400; i++)
		found += ((struct unaligned *)(p + i))->word == 0x6b65732073696874ULL;
	return found;
}

static __noinline u64 mix(u64 a, u64 b)
{
	a ^= b >> 3;
	a *= 0x9e3779b1;
	return a ^ (a >> 15);
}

SEC("xdp")
int calls(struct xdp_md *ctx)
{
	u64 x = 1;
	for (u32 i = 0; i < 256; i++)
		x = mix(x, i);
	return x & 0xff;
}

SEC("xdp")
int parse(struct xdp_md *ctx)
{
	void *data = DATA(ctx), *end = DATA_END(ctx);
	struct ethernet *eth = data;
	if ((void *)(eth + 1) > end || eth->protocol != NET16(ETH_P_IP))
		return 0;
	struct ipv4 *ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end || (ip->version_ihl & 0xf) != 5)
		return 0;
	if (ip->protocol != 17)
		return 0;
	u16 *ports = (void *)(ip + 1);
	if ((void *)(ports + 4) > end)
		return 0;
	return (swap16(ports[1]) ^ ip->ttl ^ (ip->source >> 24)) & 0xff;
}
