/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * SCTP's checksum after a change. A CRC is linear: what a change of some bits
 * does to it depends on those bits and on how many bytes follow, not on what
 * these are. So it is mended in a number of steps that grows with the logarithm
 * of the length, and nothing of the packet is read but its header.
 */
#pragma once

#include "types.h"

#define CRC32C_POLYNOMIAL 0x82f63b78 /* reflected; RFC 9260, appendix A */

/* The product of two polynomials modulo CRC32c's, reflected. */
static __always_inline u32 crc32c_times(u32 a, u32 b)
{
	u32 product = 0;
	for (int i = 31; i >= 0; i--) {
		product ^= a & -(b >> i & 1);
		a = a >> 1 ^ (CRC32C_POLYNOMIAL & -(a & 1));
	}
	return product;
}

/* x to the power of 8 * 2^i, for i from 0 to 15: what 2^i bytes move a register
 * by (bpf/layout_test.go computes them anew). */
static const u32 crc32c_powers[16] = {
    0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a, 0xb82be955, 0xb8fdb1e7,
    0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a, 0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

/*
 * By what the checksum of a packet of size bytes changes when XOR of change is
 * added to its first four bytes. Both are as they lie in memory.
 */
static __noinline u32 crc32c_change(u32 change, u32 size)
{
	for (int i = 0; i < 16; i++) {
		if (size >> i & 1)
			change = crc32c_times(change, crc32c_powers[i]);
	}
	return change;
}
