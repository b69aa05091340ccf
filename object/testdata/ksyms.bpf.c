// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Symbols that the kernel has or may have. */
#include "bpf/lib/helpers.h"

#define KSYM __attribute__((section(".ksyms")))

extern const void init_task KSYM;
extern void of_no_kernel KSYM __weak;
extern void *bpf_cast_to_kern_ctx(void *obj) KSYM;
extern int bpf_of_no_kernel(int x) KSYM __weak;

SEC("tc")
int addresses(struct __sk_buff *skb)
{
	(void)skb;
	return ((unsigned long)&init_task >> 63) + 2 * (&of_no_kernel != NULL);
}

SEC("tc")
int weak_kfunc(struct __sk_buff *skb)
{
	if (bpf_of_no_kernel)
		return bpf_of_no_kernel(skb->len);
	return 1;
}

SEC("tc")
int strong_kfunc(struct __sk_buff *skb)
{
	return bpf_cast_to_kern_ctx(skb) != NULL;
}

char _license[] SEC("license") = "Dual BSD/GPL";
