// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Something of everything that a report, a listing and a graph show. */
typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef int __s32;

#define SEC(name)          __attribute__((section(name), used))
#define __uint(name, val)  int(*name)[val]
#define __type(name, val)  typeof(val) *name
#define __array(name, val) typeof(val) *name[]

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value,
				   __u64 flags) = (void *)2;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static long (*bpf_tail_call)(void *ctx, void *map, __u32 index) = (void *)12;
static void *(*bpf_get_current_task)(void) = (void *)35;
static long (*bpf_probe_read_kernel)(void *dst, __u32 size, const void *from) = (void *)113;

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

enum kind {
	KIND_NONE,
	KIND_SHORT,
	KIND_LONG = 7,
};

struct key {
	__u32 hash;
	__u16 first;
	__u8 kind;
	__u8 length : 5;
	__u8 odd : 3;
};

struct entry {
	__u64 seen;
	union {
		__u64 bytes;
		struct {
			__u32 low, high;
		};
	};
	enum kind kind;
	__u8 name[12];
	struct key *(*pick)(const struct key *, int);
};

struct {
	__uint(type, 1); /* hash */
	__uint(max_entries, 1024);
	__uint(map_flags, 1); /* no_prealloc */
	__type(key, struct key);
	__type(value, struct entry);
} entries SEC(".maps");

struct {
	__uint(type, 6); /* percpu_array */
	__uint(max_entries, 4);
	__uint(pinning, 1);
	__type(key, __u32);
	__type(value, __u64);
} totals SEC(".maps");

struct {
	__uint(type, 3); /* prog_array */
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

struct inner {
	__uint(type, 2); /* array */
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u32);
} inner SEC(".maps");

struct {
	__uint(type, 12); /* array_of_maps */
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {
    .values = {&inner},
};

const volatile __u32 limit = 48;
const volatile struct key favourite = {
    .hash = 0xfeed, .first = 3, .kind = KIND_LONG, .length = 9, .odd = 5};
__s32 bias = -7;
enum kind last_kind;
__u64 calls[2];

static __attribute__((noinline)) __u32 hash_bytes(const __u8 *at, const __u8 *end)
{
	__u32 hash = 2166136261u;

	for (__u32 i = 0; i < limit; i++) {
		if (at + i + 1 > end)
			break;
		hash ^= at[i];
		hash *= 16777619;
	}
	return hash;
}

__attribute__((noinline)) int note(struct key *key, __u32 length)
{
	struct entry fresh = {.seen = 1, .bytes = length, .kind = KIND_SHORT};
	struct entry *known;

	if (!key)
		return 0;
	known = bpf_map_lookup_elem(&entries, key);
	if (known) {
		__sync_fetch_and_add(&known->seen, 1);
		known->bytes += length;
		last_kind = known->kind;
		return 1;
	}
	if (length > 128)
		fresh.kind = KIND_LONG;
	bpf_map_update_elem(&entries, key, &fresh, 0);
	return 2;
}

SEC("xdp")
int walk(struct xdp_md *ctx)
{
	const __u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct key key = {};
	__u32 zero = 0, round;
	__u64 *total;

	if (data + 14 > end)
		return 1;
	key.first = *(const __u16 *)(data + 12);
	switch (key.first) {
	case 0x0008:
		key.kind = KIND_SHORT;
		break;
	case 0xdd86:
		key.kind = KIND_LONG;
		break;
	default:
		bpf_tail_call(ctx, &next, 0);
		return 2;
	}
	for (round = 0; round < 3; round++) {
		key.hash = hash_bytes(data, end) + round + bias;
		if (note(&key, end - data) == 1)
			break;
	}
	calls[round & 1]++;
	total = bpf_map_lookup_elem(&totals, &zero);
	if (total)
		*total += bpf_ktime_get_ns();
	return key.hash == favourite.hash ? 1 : 2;
}

struct task_struct {
	int pid;
	struct task_struct *group_leader;
	struct {
		int values[4];
	} nested;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_switch")
int task(void *ctx)
{
	struct task_struct *task = bpf_get_current_task(), *leader;
	int pid = 0;

	bpf_probe_read_kernel(&leader, sizeof(leader), &task->group_leader);
	bpf_probe_read_kernel(&pid, sizeof(pid), &leader->nested.values[2]);
	if (__builtin_preserve_field_info(task->pid, 2))
		bias = pid;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
