// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// A program whose global function another object replaces.

#define SEC(name) __attribute__((section(name), used))

struct xdp_md {
	unsigned int data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

__attribute__((noinline)) int policy(struct xdp_md *ctx)
{
	volatile int verdict = 2; // XDP_PASS

	return ctx ? verdict : 0;
}

SEC("xdp") int guarded(struct xdp_md *ctx)
{
	return policy(ctx);
}

char LICENSE[] SEC("license") = "GPL";
