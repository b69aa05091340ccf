// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Settings of the kernel as externs. */
#include "bpf/lib/helpers.h"

u64 out[8];

extern u32 LINUX_KERNEL_VERSION KCONFIG;
extern bool CONFIG_BPF KCONFIG;
extern u32 CONFIG_SKEP_HAS_NO_SUCH_SETTING KCONFIG __weak;

SEC("xdp")
int settings(struct xdp_md *ctx)
{
	(void)ctx;
	out[0] = LINUX_KERNEL_VERSION > (4 << 16);
	out[1] = CONFIG_BPF;
	out[2] = CONFIG_SKEP_HAS_NO_SUCH_SETTING;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
