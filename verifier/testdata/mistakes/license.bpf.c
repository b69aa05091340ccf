// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Mistakes that are not in the code.
 */
#include "bpf/lib/helpers.h"

/* The helper is for programs under the GPL. */
SEC("tracepoint/syscalls/sys_enter_openat")
int gpl_only(void *ctx)
{
	u64 to = 0;

	bpf_probe_read_kernel(&to, sizeof(to), ctx);
	return to;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int gpl_only_mended(u64 *ctx)
{
	return ctx[1];
}

char LICENSE[] SEC("license") = "Proprietary";
