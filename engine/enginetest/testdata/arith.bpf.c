// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Instructions whose corners compilers seldom visit. */
#include "bpf/lib/helpers.h"

u64 a, b; /* operands */
u64 out[16];

#define ASM2(code, x, y)                                 \
	({                                               \
		u64 r_ = (x);                            \
		u64 s_ = (y);                            \
		asm volatile(code : "+r"(r_) : "r"(s_)); \
		r_;                                      \
	})

#define ASM2W(op, x, y)                                            \
	({                                                         \
		u32 r_ = (x);                                      \
		u32 s_ = (y);                                      \
		u64 w_;                                            \
		asm volatile("%0 " op " %1" : "+w"(r_) : "w"(s_)); \
		w_ = r_;                                           \
		w_;                                                \
	})

/* Division by zero gives 0, its remainder the dividend. */
SEC("xdp")
int divide(struct xdp_md *ctx)
{
	(void)ctx;
	out[0] = ASM2("%0 /= %1", a, b);
	out[1] = ASM2("%0 %%= %1", a, b);
	out[2] = ASM2W("/=", a, b);
	out[3] = ASM2W("%%=", a, b);
	return XDP_PASS;
}

/* Every operation at both widths, operands from outside. */
SEC("xdp")
int operate(struct xdp_md *ctx)
{
	(void)ctx;
	out[0] = ASM2("%0 += %1", a, b);
	out[1] = ASM2("%0 -= %1", a, b);
	out[2] = ASM2("%0 *= %1", a, b);
	out[3] = ASM2("%0 |= %1", a, b);
	out[4] = ASM2("%0 &= %1", a, b);
	out[5] = ASM2("%0 ^= %1", a, b);
	out[6] = ASM2("%0 = -%0", a, b);
	out[7] = ASM2W("+=", a, b);
	out[8] = ASM2W("-=", a, b);
	out[9] = ASM2W("*=", a, b);
	out[10] = ASM2W("|=", a, b);
	out[11] = ASM2W("&=", a, b);
	out[12] = ASM2W("^=", a, b);
	out[13] = ASM2W("=", a, b);
	return XDP_PASS;
}

SEC("xdp")
int shift(struct xdp_md *ctx)
{
	(void)ctx;
	u64 n = b & 63, w = b & 31;
	out[0] = ASM2("%0 <<= %1", a, n);
	out[1] = ASM2("%0 >>= %1", a, n);
	out[2] = ASM2("%0 s>>= %1", a, n);
	out[3] = ASM2W("<<=", a, w);
	out[4] = ASM2W(">>=", a, w);
	out[5] = ASM2W("s>>=", a, w);
	return XDP_PASS;
}

SEC("xdp")
int swap(struct xdp_md *ctx)
{
	(void)ctx;
	out[0] = ASM2("%0 = be16 %0", a, b);
	out[1] = ASM2("%0 = be32 %0", a, b);
	out[2] = ASM2("%0 = be64 %0", a, b);
	out[3] = ASM2("%0 = le16 %0", a, b);
	out[4] = ASM2("%0 = le32 %0", a, b);
	out[5] = ASM2("%0 = le64 %0", a, b);
	return XDP_PASS;
}

#define TRUTH(bit, op)                                                      \
	({                                                                  \
		u64 x_ = a, y_ = b, t_ = 0;                                 \
		asm volatile("if %1 " op " %2 goto +1\ngoto +1\n%0 |= " bit \
			     : "+r"(t_)                                     \
			     : "r"(x_), "r"(y_));                           \
		t_;                                                         \
	})
#define TRUTH32(bit, op)                                                    \
	({                                                                  \
		u32 x_ = a, y_ = b;                                         \
		u64 t_ = 0;                                                 \
		asm volatile("if %1 " op " %2 goto +1\ngoto +1\n%0 |= " bit \
			     : "+r"(t_)                                     \
			     : "w"(x_), "w"(y_));                           \
		t_;                                                         \
	})

/* All comparisons: a bit for each that holds, at 64 and at 32 bits. */
SEC("xdp")
int compare(struct xdp_md *ctx)
{
	(void)ctx;
	out[0] = TRUTH("1", "==") | TRUTH("2", "!=") | TRUTH("4", ">") | TRUTH("8", ">=") |
		 TRUTH("16", "<") | TRUTH("32", "<=") | TRUTH("64", "s>") | TRUTH("128", "s>=") |
		 TRUTH("256", "s<") | TRUTH("512", "s<=") | TRUTH("1024", "&");
	out[1] = TRUTH32("1", "==") | TRUTH32("2", "!=") | TRUTH32("4", ">") | TRUTH32("8", ">=") |
		 TRUTH32("16", "<") | TRUTH32("32", "<=") | TRUTH32("64", "s>") |
		 TRUTH32("128", "s>=") | TRUTH32("256", "s<") | TRUTH32("512", "s<=") |
		 TRUTH32("1024", "&");
	return XDP_PASS;
}

u64 cell64;
u32 cell32;

/* Atomic operations of -mcpu=v3: what they return and what they leave. */
SEC("xdp")
int atomics(struct xdp_md *ctx)
{
	(void)ctx;
	cell64 = a;
	cell32 = a;
	out[0] = __sync_fetch_and_add(&cell64, b);
	out[1] = __sync_fetch_and_or(&cell64, b);
	out[2] = __sync_fetch_and_and(&cell64, ~b);
	out[3] = __sync_fetch_and_xor(&cell64, a);
	out[4] = __sync_lock_test_and_set(&cell64, 77);
	out[5] = __sync_val_compare_and_swap(&cell64, 77, 78);
	out[6] = __sync_val_compare_and_swap(&cell64, 77, 79);
	out[7] = cell64;
	out[8] = __sync_fetch_and_add(&cell32, (u32)b);
	out[9] = __sync_fetch_and_or(&cell32, (u32)b);
	out[10] = __sync_fetch_and_and(&cell32, ~(u32)b);
	out[11] = __sync_fetch_and_xor(&cell32, (u32)a);
	out[12] = __sync_lock_test_and_set(&cell32, 77);
	out[13] = __sync_val_compare_and_swap(&cell32, 77, 78);
	out[14] = __sync_val_compare_and_swap(&cell32, 77, 79);
	out[15] = cell32;
	return XDP_PASS;
}

/* Loads zero-extend, stores cut, at every width. */
SEC("xdp")
int widths(struct xdp_md *ctx)
{
	(void)ctx;
	volatile union {
		u8 b[8];
		u16 h[4];
		u32 w[2];
		u64 d;
	} x;
	x.d = a;
	out[0] = x.b[0];
	out[1] = x.h[0];
	out[2] = x.w[0];
	out[3] = (s64)(s8)x.b[7];
	out[4] = (s64)(s16)x.h[3];
	out[5] = (s64)(s32)x.w[1];
	x.b[1] = b;
	out[6] = x.d;
	x.h[1] = b;
	out[7] = x.d;
	x.w[1] = b;
	out[8] = x.d;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
