// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What any kernel answers: its version, and a variable it need not have. */
#include "bpf/lib/helpers.h"

extern u32 LINUX_KERNEL_VERSION KCONFIG;
extern u32 CONFIG_SKEP_HAS_NO_SUCH_THING KCONFIG __weak;

SEC("tc")
int version(struct __sk_buff *skb)
{
	(void)skb;
	return LINUX_KERNEL_VERSION + CONFIG_SKEP_HAS_NO_SUCH_THING;
}

char _license[] SEC("license") = "Dual BSD/GPL";
