// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* CO-RE: accesses that follow the types found at load time. */
#include "bpf/lib/helpers.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct part {
	u32 inner;
};

struct sample {
	u32 moved;
	u64 narrow; /* one byte at load time */
	struct part parts[2];
	u32 bits : 3;
	s32 negative : 4;
	u32 gone;
	u32 in_union;
};

struct renamed___old {
	u32 early;
	u32 late;
};

struct absent {
	u32 field;
};

#pragma clang attribute pop

enum colour {
	RED,
	BLUE,
	GREEN,
	FAR,
};

/* Kinds of __builtin_preserve_field_info. */
#define FIELD_OFFSET 0
#define FIELD_SIZE   1
#define FIELD_EXISTS 2
#define FIELD_SIGNED 3
#define FIELD_LSHIFT 4
#define FIELD_RSHIFT 5

#define TYPE_EXISTS 0
#define TYPE_SIZE   1

#define VALUE_EXISTS 0
#define VALUE_OF     1

u64 out[16];

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 64);
} memory SEC(".maps");

#define FIELD(s, f, kind) __builtin_preserve_field_info((s)->f, kind)

SEC("xdp")
int facts(struct xdp_md *ctx)
{
	(void)ctx;
	struct sample *s = 0;
	struct absent *a = 0;
	out[0] = FIELD(s, moved, FIELD_EXISTS);
	out[1] = FIELD(s, gone, FIELD_EXISTS);
	out[2] = FIELD(s, moved, FIELD_OFFSET);
	out[3] = FIELD(s, narrow, FIELD_SIZE);
	out[4] = FIELD(s, negative, FIELD_SIGNED);
	out[5] = FIELD(a, field, FIELD_EXISTS);
	out[6] = __builtin_preserve_type_info(*(struct sample *)0, TYPE_EXISTS);
	out[7] = __builtin_preserve_type_info(*(struct absent *)0, TYPE_EXISTS);
	out[8] = __builtin_preserve_type_info(*(struct sample *)0, TYPE_SIZE);
	out[9] = __builtin_preserve_enum_value(*(enum colour *)RED, VALUE_OF);
	out[10] = __builtin_preserve_enum_value(*(enum colour *)BLUE, VALUE_OF);
	out[11] = __builtin_preserve_enum_value(*(enum colour *)GREEN, VALUE_EXISTS);
	out[12] = __builtin_preserve_enum_value(*(enum colour *)FAR, VALUE_OF);
	return XDP_PASS;
}

SEC("xdp")
int accesses(struct xdp_md *ctx)
{
	(void)ctx;
	u32 zero = 0;
	struct sample *s = bpf_map_lookup_elem(&memory, &zero);
	if (!s)
		return XDP_ABORTED;
	out[0] = s->moved;
	out[1] = s->parts[1].inner;
	out[2] = s->in_union;
	struct renamed___old *r = (void *)s;
	out[3] = r->early;
	out[4] = r->late;
	s->moved = 99;
	return XDP_PASS;
}

/* Bit fields, the way BPF_CORE_READ_BITFIELD takes them apart. */
SEC("xdp")
int bit_fields(struct xdp_md *ctx)
{
	(void)ctx;
	u32 zero = 0;
	struct sample *s = bpf_map_lookup_elem(&memory, &zero);
	if (!s)
		return XDP_ABORTED;
	u64 left = FIELD(s, bits, FIELD_LSHIFT), right = FIELD(s, bits, FIELD_RSHIFT);
	u32 at = FIELD(s, bits, FIELD_OFFSET);
	u64 word = 0;
	if (at > 56)
		return XDP_ABORTED;
	switch (FIELD(s, bits, FIELD_SIZE)) {
	case 1:
		word = *((u8 *)s + at);
		break;
	case 2:
		word = *(u16 *)((u8 *)s + at);
		break;
	case 4:
		word = *(u32 *)((u8 *)s + at);
		break;
	}
	out[0] = word << left >> right;
	at = FIELD(s, negative, FIELD_OFFSET);
	left = FIELD(s, negative, FIELD_LSHIFT);
	right = FIELD(s, negative, FIELD_RSHIFT);
	if (at > 56)
		return XDP_ABORTED;
	switch (FIELD(s, negative, FIELD_SIZE)) {
	case 1:
		word = *((u8 *)s + at);
		break;
	case 2:
		word = *(u16 *)((u8 *)s + at);
		break;
	case 4:
		word = *(u32 *)((u8 *)s + at);
		break;
	}
	out[1] = (s64)(word << left) >> right;
	return XDP_PASS;
}

/* An access to what is not there must be in code that never runs. */
SEC("xdp")
int guarded(struct xdp_md *ctx)
{
	(void)ctx;
	u32 zero = 0;
	struct sample *s = bpf_map_lookup_elem(&memory, &zero);
	if (!s)
		return XDP_ABORTED;
	out[0] = 1;
	if (FIELD(s, gone, FIELD_EXISTS))
		out[0] = s->gone;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
