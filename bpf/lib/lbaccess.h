/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What translation needs of a packet, by the name that it has on XDP or, with
 * LB_ON_TC defined, on tc. Both may have packets of which only a part can be
 * reached by pointers.
 */
#pragma once

#include "checksum.h"
#include "helpers.h"

#ifdef LB_ON_TC
#define LB_CTX             struct __sk_buff
#define LB_PASS            TC_ACT_UNSPEC
#define LB_DROP            TC_ACT_SHOT
#define lb_frame_size(ctx) ((ctx)->len)

static __always_inline long lb_load(LB_CTX *ctx, u32 at, void *to, u32 size)
{
	return bpf_skb_load_bytes(ctx, at, to, size);
}

static __always_inline long lb_put(LB_CTX *ctx, u32 at, void *from, u32 size)
{
	return bpf_skb_store_bytes(ctx, at, from, size, 0);
}
#else
#define LB_CTX             struct xdp_md
#define LB_PASS            XDP_PASS
#define LB_DROP            XDP_DROP
#define lb_frame_size(ctx) bpf_xdp_get_buff_len(ctx)

static __always_inline long lb_load(LB_CTX *ctx, u32 at, void *to, u32 size)
{
	return bpf_xdp_load_bytes(ctx, at, to, size);
}

static __always_inline long lb_put(LB_CTX *ctx, u32 at, void *from, u32 size)
{
	return bpf_xdp_store_bytes(ctx, at, from, size);
}
#endif
