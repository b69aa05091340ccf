// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Functions of the kernel: strings, bits, dynptrs, exceptions. */
#include "bpf/lib/helpers.h"

#define __ksym __attribute__((section(".ksyms"), weak))

struct bpf_iter_bits {
	u64 opaque[2];
} __attribute__((aligned(8)));

struct bpf_dynptr {
	u64 opaque[2];
} __attribute__((aligned(8)));

extern int bpf_strcmp(const char *a, const char *b) __ksym;
extern int bpf_strchr(const char *s, char c) __ksym;
extern int bpf_strchrnul(const char *s, char c) __ksym;
extern int bpf_strnchr(const char *s, u64 n, char c) __ksym;
extern int bpf_strrchr(const char *s, int c) __ksym;
extern int bpf_strlen(const char *s) __ksym;
extern int bpf_strnlen(const char *s, u64 n) __ksym;
extern int bpf_strspn(const char *s, const char *set) __ksym;
extern int bpf_strcspn(const char *s, const char *set) __ksym;
extern int bpf_strstr(const char *s, const char *part) __ksym;
extern int bpf_strnstr(const char *s, const char *part, u64 n) __ksym;
extern int bpf_strcasecmp(const char *a, const char *b) __ksym;

extern int bpf_iter_bits_new(struct bpf_iter_bits *it, const u64 *words, u32 n) __ksym;
extern int *bpf_iter_bits_next(struct bpf_iter_bits *it) __ksym;
extern void bpf_iter_bits_destroy(struct bpf_iter_bits *it) __ksym;

extern int bpf_dynptr_copy(struct bpf_dynptr *to, u32 to_off, struct bpf_dynptr *from, u32 from_off,
			   u32 n) __ksym;
extern int bpf_dynptr_memset(struct bpf_dynptr *to, u32 off, u32 n, u8 v) __ksym;
extern void bpf_throw(u64 cookie) __ksym;
struct bpf_map {
	u32 id;
};
extern s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym;

s64 out[24];
char text[16] = "hello world";
char part[8] = "wor";
char upper[8] = "WOR";
u64 words[2] = {0x8000000000000005, 0x100};
u64 limit = 3;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, u32);
} pairs SEC(".maps");

SEC("xdp")
int strings(struct xdp_md *ctx)
{
	out[0] = bpf_strlen(text);
	out[1] = bpf_strnlen(text, 4);
	out[2] = bpf_strchr(text, 'o');
	out[3] = bpf_strchr(text, 'z');
	out[4] = bpf_strchr(text, 0);
	out[5] = bpf_strchrnul(text, 'z');
	out[6] = bpf_strnchr(text, 4, 'o');
	out[7] = bpf_strrchr(text, 'o');
	out[8] = bpf_strspn(text, "ehl");
	out[9] = bpf_strcspn(text, " w");
	out[10] = bpf_strstr(text, part);
	out[11] = bpf_strstr(text, upper);
	out[12] = bpf_strnstr(text, part, 9);
	out[13] = bpf_strnstr(text, part, 8);
	out[14] = bpf_strcmp(text, "hello");
	out[15] = bpf_strcmp(part, "wos");
	out[16] = bpf_strcmp(part, "wor");
	out[17] = bpf_strlen(0);
	out[18] = bpf_strrchr(text, 'q');
	return XDP_PASS;
}

SEC("xdp")
int casecmp(struct xdp_md *ctx)
{
	out[0] = bpf_strcasecmp(part, upper);
	out[1] = bpf_strcasecmp("abc", "ABD");
	return XDP_PASS;
}

static void collect(const u64 *from, u32 n, int at)
{
	struct bpf_iter_bits it;
	int *bit;
	out[at] = bpf_iter_bits_new(&it, from, n);
	s64 sum = 0;
	while ((bit = bpf_iter_bits_next(&it)))
		sum = sum * 100 + *bit;
	out[at + 1] = sum;
	bpf_iter_bits_destroy(&it);
}

SEC("xdp")
int bits(struct xdp_md *ctx)
{
	collect(words, 1, 0);
	collect(words, 2, 2);
	collect(words, 0, 4);
	collect(words, 512, 6);
	return XDP_PASS;
}

SEC("xdp")
int slices(struct xdp_md *ctx)
{
	struct bpf_dynptr a, b;
	bpf_dynptr_from_mem(text, sizeof(text), 0, &a);
	bpf_dynptr_from_mem(part, sizeof(part), 0, &b);
	out[0] = bpf_dynptr_copy(&a, 6, &b, 0, 3);
	out[1] = bpf_dynptr_copy(&a, 14, &b, 0, 3);
	out[2] = bpf_dynptr_copy(&a, 0, &b, 7, 3);
	out[3] = bpf_dynptr_memset(&b, 1, 2, 'x');
	out[4] = bpf_dynptr_memset(&b, 7, 2, 'x');
	out[5] = bpf_dynptr_copy(&a, 0, &b, 0, 3);
	return XDP_PASS;
}

static __noinline u64 deep(u64 n)
{
	if (n >= limit)
		bpf_throw(n);
	return n + 1;
}

SEC("tc")
int throws(struct __sk_buff *skb)
{
	u64 n = deep(1);
	n = deep(n);
	out[0] = n;
	n = deep(n);
	out[1] = n;
	return n;
}

SEC("xdp")
int counts(struct xdp_md *ctx)
{
	for (int i = 0; i < 5; i++) {
		u32 key = i;
		bpf_map_update_elem(&pairs, &key, &key, BPF_ANY);
	}
	u32 one = 1;
	bpf_map_delete_elem(&pairs, &one);
	out[0] = bpf_map_sum_elem_count((struct bpf_map *)&pairs);
	return XDP_PASS;
}

struct bpf_res_spin_lock {
	u32 val;
} __attribute__((aligned(4)));

struct guarded {
	struct bpf_res_spin_lock lock;
	u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct guarded);
} guarded SEC(".maps");

extern int bpf_res_spin_lock_irqsave(struct bpf_res_spin_lock *lock, unsigned long *flags) __ksym;
extern void bpf_res_spin_unlock_irqrestore(struct bpf_res_spin_lock *lock,
					   unsigned long *flags) __ksym;
extern int bpf_copy_from_user_str(void *dst, u32 n, const void *from, u64 flags) __ksym;

SEC("xdp")
int irqlock(struct xdp_md *ctx)
{
	unsigned long flags;
	u32 key = 0;
	struct guarded *g = bpf_map_lookup_elem(&guarded, &key);

	(void)ctx;
	if (!g)
		return XDP_ABORTED;
	for (int i = 0; i < 2; i++) {
		if (bpf_res_spin_lock_irqsave(&g->lock, &flags))
			return XDP_DROP;
		out[i] = ++g->count;
		bpf_res_spin_unlock_irqrestore(&g->lock, &flags);
	}
	return XDP_PASS;
}

SEC("syscall")
int usertext(void *ctx)
{
	char buf[8] = "abcdefg";

	(void)ctx;
	out[0] = bpf_copy_from_user_str(buf, sizeof(buf), 0, 0);
	out[1] = buf[0];
	out[2] = bpf_copy_from_user_str(buf, sizeof(buf), 0, 1);
	out[3] = buf[0];
	out[4] = bpf_copy_from_user_str(buf, sizeof(buf), 0, 2);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
