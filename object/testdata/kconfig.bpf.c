// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Kconfig variables of every type, strong and weak, and one that a subprogram
 * reads. */
#include "bpf/lib/helpers.h"

enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};

extern u32 LINUX_KERNEL_VERSION KCONFIG;
extern bool LINUX_HAS_SYSCALL_WRAPPER KCONFIG;
extern bool LINUX_HAS_BPF_COOKIE KCONFIG __weak;
extern u32 LINUX_HAS_WHAT_IS_NOT_THERE KCONFIG __weak;
extern bool CONFIG_BOOL KCONFIG;
extern enum libbpf_tristate CONFIG_TRISTATE KCONFIG;
extern char CONFIG_CHAR KCONFIG;
extern s32 CONFIG_SIGNED KCONFIG;
extern u64 CONFIG_LARGE KCONFIG;
extern u16 CONFIG_SHORT KCONFIG;
extern char CONFIG_STRING[8] KCONFIG;
extern bool CONFIG_ABSENT KCONFIG __weak;

struct answer {
	u64 large;
	u32 version;
	s32 signed_number;
	u32 tristate;
	u32 absent;
	u16 short_number;
	u8 wrapper, cookie, boolean, weak_boolean;
	char character;
	char string[8];
};

struct answer answer;

static __noinline u64 large(void)
{
	return CONFIG_LARGE;
}

SEC("tc")
int read_kconfig(struct __sk_buff *skb)
{
	(void)skb;
	answer.version = LINUX_KERNEL_VERSION;
	answer.wrapper = LINUX_HAS_SYSCALL_WRAPPER;
	answer.cookie = LINUX_HAS_BPF_COOKIE;
	answer.absent = LINUX_HAS_WHAT_IS_NOT_THERE;
	answer.boolean = CONFIG_BOOL;
	answer.tristate = CONFIG_TRISTATE;
	answer.character = CONFIG_CHAR;
	answer.signed_number = CONFIG_SIGNED;
	answer.large = large();
	answer.short_number = CONFIG_SHORT;
	answer.weak_boolean = CONFIG_ABSENT;
	for (int i = 0; i < 8; i++)
		answer.string[i] = CONFIG_STRING[i];
	return 7;
}

char _license[] SEC("license") = "Dual BSD/GPL";
