/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Internet checksums (RFC 1071, RFC 1624) over words as they lie in memory. */
#pragma once

#include "helpers.h"
#include "net.h"

/* Folds a sum of 16-bit words, also one of 32-bit words, to 16 bits. */
static __always_inline u16 checksum_fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline u16 checksum_ipv4(const struct ipv4 *ip)
{
	const u32 *w = (const u32 *)ip;
	return ~checksum_fold((u64)w[0] + w[1] + w[2] + w[3] + w[4]);
}

/* The checksum after a word of what it covers changed. */
static __always_inline u16 checksum_update(u16 checksum, u64 from, u64 to)
{
	return ~checksum_fold((u64)(u16)~checksum + (~from & 0xffffffff) + to);
}
