// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What a tc program wants a tunnel device to put around a packet. */
#include "bpf/lib/helpers.h"

s64 out[16];
u8 seen[44];

struct bpf_tunnel_key key = {
    .tunnel_id = 0x123456,
    .remote_ipv4 = 0x0a000002,
    .tunnel_tos = 4,
    .tunnel_ttl = 64,
    .local_ipv4 = 0x0a000001,
};

/* A packet that nobody set a key for has none, and what was asked is zero. */
SEC("tc")
int nothing(struct __sk_buff *skb)
{
	u64 options[2] = {~0ULL, ~0ULL};
	memset(seen, 0xff, sizeof(seen));
	out[0] = bpf_skb_get_tunnel_key(skb, seen, sizeof(seen), 0);
	out[1] = bpf_skb_get_tunnel_opt(skb, options, sizeof(options));
	out[2] = options[0] | options[1];
	out[3] = bpf_skb_set_tunnel_opt(skb, options, sizeof(options));
	return TC_ACT_OK;
}

SEC("tc")
int set_and_get(struct __sk_buff *skb)
{
	out[0] = bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0);
	out[1] = bpf_skb_get_tunnel_key(skb, seen, sizeof(seen), 0);
	return TC_ACT_OK;
}

/* The key is seen by a later run on the same packet. */
SEC("tc")
int get_then_set(struct __sk_buff *skb)
{
	out[0] = bpf_skb_get_tunnel_key(skb, seen, sizeof(seen), 0);
	out[1] = bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0);
	return TC_ACT_OK;
}

/* Flags and sizes, those of older kernels too. */
SEC("tc")
int refused(struct __sk_buff *skb)
{
	struct bpf_tunnel_key k = key;
	out[0] = bpf_skb_set_tunnel_key(skb, &k, sizeof(k), 32);
	out[1] = bpf_skb_set_tunnel_key(skb, &k, 12, 0);
	out[2] = bpf_skb_set_tunnel_key(skb, &k, 8, 0);
	out[3] = bpf_skb_set_tunnel_key(skb, &k, 22, 0);
	out[4] = bpf_skb_set_tunnel_key(skb, &k, 24, 0);
	out[5] = bpf_skb_set_tunnel_key(skb, &k, 28, 0);
	out[6] = bpf_skb_get_tunnel_key(skb, &k, 28, 32);
	out[7] = bpf_skb_get_tunnel_key(skb, &k, 28, BPF_F_TUNINFO_IPV6);
	out[8] = bpf_skb_get_tunnel_key(skb, &k, 12, 0);
	out[9] = bpf_skb_get_tunnel_key(skb, &k, 8, 0);
	k = key;
	k.tunnel_ext = 1;
	out[10] = bpf_skb_set_tunnel_key(skb, &k, sizeof(k), 0);
	k = key;
	k.tunnel_label = 1;
	out[11] = bpf_skb_set_tunnel_key(skb, &k, sizeof(k), 0);
	out[12] = bpf_skb_set_tunnel_key(skb, &k, sizeof(k), BPF_F_TUNINFO_IPV6);
	out[13] = bpf_skb_get_tunnel_key(skb, &k, sizeof(k), 0);
	out[14] = bpf_skb_get_tunnel_key(skb, &k, 8, BPF_F_TUNINFO_IPV6);
	out[15] = bpf_skb_get_tunnel_key(skb, &k, 22, BPF_F_TUNINFO_IPV6);
	return TC_ACT_OK;
}

SEC("tc")
int six(struct __sk_buff *skb)
{
	struct bpf_tunnel_key k = {.tunnel_id = 7, .tunnel_ttl = 3, .tunnel_label = 0xfff12345};
	for (u32 i = 0; i < 4; i++) {
		k.remote_ipv6[i] = 0x10 + i;
		k.local_ipv6[i] = 0x20 + i;
	}
	out[0] = bpf_skb_set_tunnel_key(skb, &k, sizeof(k), BPF_F_TUNINFO_IPV6);
	out[1] = bpf_skb_get_tunnel_key(skb, seen, sizeof(seen), BPF_F_TUNINFO_IPV6);
	return TC_ACT_OK;
}

/* The flags of the tunnel, in network byte order. */
SEC("tc")
int flags(struct __sk_buff *skb)
{
	struct bpf_tunnel_key k;
	u32 word = 0;
	static const u64 set[] = {0, BPF_F_ZERO_CSUM_TX, BPF_F_DONT_FRAGMENT, BPF_F_SEQ_NUMBER};
	for (u32 i = 0; i < 4; i++) {
		out[i] = -1;
		bpf_skb_set_tunnel_key(skb, &key, sizeof(key), set[i]);
		if (!bpf_skb_get_tunnel_key(skb, &k, sizeof(k), BPF_F_TUNINFO_FLAGS))
			out[i] = __builtin_bswap16(k.tunnel_ext);
	}
	out[4] = bpf_skb_set_tunnel_opt(skb, &word, sizeof(word));
	bpf_skb_get_tunnel_key(skb, &k, sizeof(k), BPF_F_TUNINFO_FLAGS);
	out[5] = __builtin_bswap16(k.tunnel_ext);
	return TC_ACT_OK;
}

u8 options[256];

SEC("tc")
int opts(struct __sk_buff *skb)
{
	u64 got[2];
	bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0);
	out[0] = bpf_skb_get_tunnel_opt(skb, got, sizeof(got));
	out[1] = bpf_skb_set_tunnel_opt(skb, options, 6);
	out[2] = bpf_skb_set_tunnel_opt(skb, options, 256);
	out[3] = bpf_skb_set_tunnel_opt(skb, options, 252);
	out[4] = bpf_skb_set_tunnel_opt(skb, options, 12);
	out[5] = bpf_skb_get_tunnel_opt(skb, got, sizeof(got));
	out[6] = got[0];
	out[7] = got[1];
	out[8] = bpf_skb_get_tunnel_opt(skb, got, 8);
	out[9] = got[0];
	/* A new key is one without options. */
	bpf_skb_set_tunnel_key(skb, &key, sizeof(key), 0);
	out[10] = bpf_skb_get_tunnel_opt(skb, got, sizeof(got));
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
