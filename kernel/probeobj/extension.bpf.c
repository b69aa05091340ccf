// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// What replaces the function of freplace.bpf.c.

#define SEC(name) __attribute__((section(name), used))

struct xdp_md {
	unsigned int data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

SEC("freplace/policy") int drop(struct xdp_md *ctx)
{
	return 1; // XDP_DROP
}

char LICENSE[] SEC("license") = "GPL";
