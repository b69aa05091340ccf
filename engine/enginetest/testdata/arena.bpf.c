// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Memory that programs share with the user side. */
#include "bpf/lib/helpers.h"

#define __ksym __attribute__((section(".ksyms"), weak))
#define ARENA  __attribute__((address_space(1)))
#define PAGE   4096

struct {
	__uint(type, 33);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16);
} arena SEC(".maps");

extern void ARENA *bpf_arena_alloc_pages(void *map, void ARENA *at, u32 n, int node,
					 u64 flags) __ksym;
extern void bpf_arena_free_pages(void *map, void ARENA *at, u32 n) __ksym;
extern int bpf_arena_reserve_pages(void *map, void ARENA *at, u32 n) __ksym;

struct node {
	struct node ARENA *next;
	u64 value;
};

u64 ARENA counter SEC(".addr_space.1") = 40;
struct node ARENA *ARENA list SEC(".addr_space.1");

s64 out[24];

SEC("syscall")
int pages(void *ctx)
{
	volatile char ARENA *a = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
	volatile char ARENA *b = bpf_arena_alloc_pages(&arena, 0, 2, -1, 0);

	if (!a || !b)
		return 1;
	out[0] = b - a;
	out[1] = a[7];
	a[7] = 5;
	out[2] = a[7];
	b[PAGE + 1] = 6;
	out[3] = bpf_arena_alloc_pages(&arena, 0, 17, -1, 0) == 0;
	out[4] = bpf_arena_alloc_pages(&arena, 0, 1, -1, 1) == 0;
	out[5] = bpf_arena_alloc_pages(&arena, 0, 0, -1, 0) == 0;
	out[6] = bpf_arena_alloc_pages(&arena, (void ARENA *)a, 1, -1, 0) == 0;
	out[7] = bpf_arena_alloc_pages(&arena, 0, 1, 1000, 0) == 0;
	bpf_arena_free_pages(&arena, (void ARENA *)a, 1);
	out[8] = a[7]; /* not there any more: reads as 0 */
	a[7] = 9;
	out[9] = a[7];
	out[10] = bpf_arena_alloc_pages(&arena, (void ARENA *)a, 1, -1, 0) == a;
	out[11] = a[7];
	out[12] = b[PAGE + 1];
	return 0;
}

SEC("syscall")
int reserve(void *ctx)
{
	char ARENA *a = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);

	if (!a)
		return 1;
	out[0] = bpf_arena_reserve_pages(&arena, a, 1);
	out[1] = bpf_arena_reserve_pages(&arena, a + PAGE, 2);
	out[2] = bpf_arena_reserve_pages(&arena, a + 2 * PAGE, 2);
	out[3] = bpf_arena_reserve_pages(&arena, a, 0);
	out[4] = bpf_arena_reserve_pages(&arena, a + PAGE, 100);
	out[5] = (char ARENA *)bpf_arena_alloc_pages(&arena, 0, 1, -1, 0) - a;
	bpf_arena_free_pages(&arena, a + PAGE, 1);
	out[6] = (char ARENA *)bpf_arena_alloc_pages(&arena, 0, 1, -1, 0) - a;
	return 0;
}

SEC("syscall")
int lists(void *ctx)
{
	struct node ARENA *n = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
	u64 sum = 0, i;

	if (!n)
		return 1;
	for (i = 0; i < 10; i++) {
		n[i].value = i;
		n[i].next = list;
		list = &n[i];
	}
	i = 0;
	for (n = list; n && i < 100; n = n->next, i++)
		sum += n->value;
	out[0] = sum;
	out[1] = i;
	counter += 2;
	out[2] = counter;
	out[3] = __sync_fetch_and_add(&counter, 1);
	out[4] = counter;
	return 0;
}

char _license[] SEC("license") = "GPL";
