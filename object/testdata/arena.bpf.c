// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A global variable in an arena, the first bytes of it. */
#include "bpf/lib/helpers.h"

#define ARENA __attribute__((address_space(1)))

struct {
	__uint(type, 33);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 10);
} arena SEC(".maps");

u32 ARENA counter SEC(".addr_space.1");

SEC("syscall")
int count(void *ctx)
{
	(void)ctx;
	counter++;
	return (long)&arena != 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
