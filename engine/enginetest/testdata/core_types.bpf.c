// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The types that core.bpf.c meets at load time: not those it was built with. */
#include "bpf/lib/helpers.h"

enum colour {
	BLUE = 3,
	RED = 70,
	FAR = 0x123456789ULL,
};

struct part {
	u32 extra;
	u32 inner;
};

struct sample {
	u64 added;
	u8 narrow;
	u32 wide : 4;
	u32 bits : 5;
	s32 negative : 6;
	u32 moved;
	struct part parts[3];
	u16 between;
	union {
		u32 in_union;
		u64 other;
	};
};

struct renamed {
	u32 late;
	u32 early;
};

const struct sample *sample;
const struct renamed *renamed;
enum colour colour;

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	(void)ctx;
	return sample && renamed && colour ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
