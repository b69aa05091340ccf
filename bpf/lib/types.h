/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Integer types, sections and the attributes that BPF programs need. These
 * headers stand on their own: building the objects takes clang and nothing
 * else.
 */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef signed char s8;
typedef short s16;
typedef int s32;
typedef long long s64;

/* Integers in network byte order. */
typedef u16 be16;
typedef u32 be32;
typedef u64 be64;

typedef _Bool bool;
#define true  1
#define false 0
#define NULL  ((void *)0)

#define SEC(name)       __attribute__((section(name), used))
#define KCONFIG         __attribute__((section(".kconfig")))
#define __always_inline inline __attribute__((always_inline))
#define __noinline      __attribute__((noinline))
#define __weak          __attribute__((weak))
#define __hidden        __attribute__((visibility("hidden")))
#define __packed        __attribute__((packed))
#define __aligned(n)    __attribute__((aligned(n)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Keeps clang from learning anything about x from code before this line, so
 * that a bound checked for the verifier stays checked. */
#define barrier_var(x) __asm__ volatile("" : "+r"(x))
#define barrier()      __asm__ volatile("" ::: "memory")

#define memset(p, c, n) __builtin_memset((p), (c), (n))
#define memcpy(d, s, n) __builtin_memcpy((d), (s), (n))
#define offsetof(t, m)  __builtin_offsetof(t, m)
#define array_size(a)   (sizeof(a) / sizeof((a)[0]))

/* BTF map definitions, as libbpf reads them from section .maps. */
#define __uint(name, value)  int(*name)[value]
#define __type(name, value)  typeof(value) *name
#define __array(name, value) typeof(value) *name[]

/* The filter is built for little-endian hosts (bpfel). */
static __always_inline u16 swap16(u16 v)
{
	return __builtin_bswap16(v);
}

static __always_inline u32 swap32(u32 v)
{
	return __builtin_bswap32(v);
}
#define host16(v) swap16(v)
#define host32(v) swap32(v)
#define net16(v)  swap16(v)
#define net32(v)  swap32(v)

/* A constant in network byte order, usable in a case label. */
#define NET16(v) ((be16)((((v) & 0xff) << 8) | (((v) >> 8) & 0xff)))
