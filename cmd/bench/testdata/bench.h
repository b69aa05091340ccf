/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What lets the programs without maps compile for BPF and for this machine. */
#pragma once

#ifdef __bpf__
#include "bpf/lib/helpers.h"
#include "bpf/lib/net.h"
#define DATA(ctx)     ((void *)(long)(ctx)->data)
#define DATA_END(ctx) ((void *)(long)(ctx)->data_end)
#else
#include "bpf/lib/types.h"
#include "bpf/lib/net.h"
#undef SEC
#define SEC(name)
struct xdp_md {
	void *data, *data_end;
};
#define DATA(ctx)     ((ctx)->data)
#define DATA_END(ctx) ((ctx)->data_end)
#define XDP_PASS      2
#endif
