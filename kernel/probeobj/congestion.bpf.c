// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// A TCP congestion control that does as little as one may.

#define SEC(name) __attribute__((section(name), used))

struct sock;

struct tcp_congestion_ops {
	unsigned int (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, unsigned int ack, unsigned int acked);
	unsigned int (*undo_cwnd)(struct sock *sk);
	char name[16];
};

SEC("struct_ops") unsigned int skep_ssthresh(unsigned long long *ctx)
{
	return 2;
}

SEC("struct_ops") void skep_cong_avoid(unsigned long long *ctx)
{
}

SEC("struct_ops") unsigned int skep_undo_cwnd(unsigned long long *ctx)
{
	return 2;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops skep_cc = {
    .ssthresh = (void *)skep_ssthresh,
    .cong_avoid = (void *)skep_cong_avoid,
    .undo_cwnd = (void *)skep_undo_cwnd,
    .name = "skep_test",
};

char LICENSE[] SEC("license") = "GPL";
