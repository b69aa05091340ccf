// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Relocations that no kernel satisfies, without a check around them. */

#define SEC(name) __attribute__((section(name), used))

struct xdp_md {
	unsigned int data;
};

struct skep_not_in_any_kernel {
	int first;
	struct {
		int wanted;
	} inner;
} __attribute__((preserve_access_index));

enum skep_not_in_any_kernel_either {
	SKEP_WANTED = 7,
};

SEC("xdp")
int field(struct xdp_md *ctx)
{
	struct skep_not_in_any_kernel *s = (void *)ctx;
	return s->inner.wanted;
}

SEC("xdp")
int value(struct xdp_md *ctx)
{
	return __builtin_preserve_enum_value(
	    *(typeof(enum skep_not_in_any_kernel_either) *)SKEP_WANTED, 1);
}

char _license[] SEC("license") = "Dual BSD/GPL";
