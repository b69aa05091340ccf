// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Settings of the kernel as externs. */
#include "bpf/lib/helpers.h"

u64 out[8];

enum libbpf_tristate {
	TRI_NO,
	TRI_YES,
	TRI_MODULE,
};

extern u32 LINUX_KERNEL_VERSION KCONFIG;
extern bool CONFIG_BPF KCONFIG;
extern u32 CONFIG_HZ KCONFIG;
extern enum libbpf_tristate CONFIG_VETH KCONFIG;
extern u32 CONFIG_SKEP_HAS_NO_SUCH_SETTING KCONFIG __weak;
extern char CONFIG_LOCALVERSION[8] KCONFIG;

SEC("xdp")
int settings(struct xdp_md *ctx)
{
	(void)ctx;
	out[0] = LINUX_KERNEL_VERSION;
	out[1] = CONFIG_BPF;
	out[2] = CONFIG_HZ;
	out[3] = CONFIG_VETH;
	out[4] = CONFIG_SKEP_HAS_NO_SUCH_SETTING;
	out[5] = CONFIG_LOCALVERSION[1];
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
