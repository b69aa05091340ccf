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

/*
 * Moves a register over some zero bytes if that bit of size says so; power is what
 * they move it by: x to the power of eight times their number, modulo CRC32c's
 * polynomial, reflected. A global function, so that the verifier looks at it once.
 */
__noinline u32 crc32c_move(u32 value, u32 power, u32 size, u32 bit)
{
	u32 product = 0;
	if (!(size & bit))
		return value;
	for (int i = 31; i >= 0; i--) {
		product ^= value & -(power >> i & 1);
		value = value >> 1 ^ (CRC32C_POLYNOMIAL & -(value & 1));
	}
	return product;
}

/*
 * By what the checksum of a packet of size bytes, at most 65535, changes when XOR
 * of change is added to its first four bytes. Both are as they lie in memory.
 */
__noinline u32 crc32c_change(u32 change, u32 size)
{
	change = crc32c_move(change, 0x00800000, size, 1);
	change = crc32c_move(change, 0x00008000, size, 2);
	change = crc32c_move(change, 0x82f63b78, size, 4);
	change = crc32c_move(change, 0x6ea2d55c, size, 8);
	change = crc32c_move(change, 0x18b8ea18, size, 16);
	change = crc32c_move(change, 0x510ac59a, size, 32);
	change = crc32c_move(change, 0xb82be955, size, 64);
	change = crc32c_move(change, 0xb8fdb1e7, size, 128);
	change = crc32c_move(change, 0x88e56f72, size, 256);
	change = crc32c_move(change, 0x74c360a4, size, 512);
	change = crc32c_move(change, 0xe4172b16, size, 1024);
	change = crc32c_move(change, 0x0d65762a, size, 2048);
	change = crc32c_move(change, 0x35d73a62, size, 4096);
	change = crc32c_move(change, 0x28461564, size, 8192);
	change = crc32c_move(change, 0xbf455269, size, 16384);
	return crc32c_move(change, 0xe2ea32dc, size, 32768);
}
