// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
//
// Globals in every section, a pinned map, a prog array and a map of maps with
// initial entries, and a line for the trace pipe.

#define SEC(name)          __attribute__((section(name), used))
#define __uint(name, val)  int(*name)[val]
#define __type(name, val)  typeof(val) *name
#define __array(name, val) typeof(val) *name[]

static long (*bpf_trace_printk)(const char *fmt, unsigned int size, ...) = (void *)6;
static long (*bpf_tail_call)(void *ctx, void *map, unsigned int index) = (void *)12;
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;

struct xdp_md {
	unsigned int data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

const volatile unsigned int verdict = 2;
unsigned long long runs;
int initial = 41;

struct {
	__uint(type, 1); // hash
	__uint(max_entries, 8);
	__uint(pinning, 1); // by name
	__type(key, unsigned int);
	__type(value, unsigned long long);
} pinned SEC(".maps");

SEC("xdp") int last(struct xdp_md *ctx)
{
	return 1;
}

struct {
	__uint(type, 3); // prog array
	__uint(max_entries, 4);
	__uint(key_size, sizeof(unsigned int));
	__array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {
    .values = {[2] = &last},
};

SEC("xdp") int count(struct xdp_md *ctx)
{
	unsigned int key = 7;
	unsigned long long *v = bpf_map_lookup_elem(&pinned, &key);

	runs++;
	initial++;
	if (v)
		(*v)++;
	return verdict;
}

SEC("xdp") int jump(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 2);
	return 0;
}

SEC("xdp") int print(struct xdp_md *ctx)
{
	static const char fmt[] = "skep says %d";

	bpf_trace_printk(fmt, sizeof(fmt), 42);
	return 2;
}

SEC("xdp") int bad(struct xdp_md *ctx)
{
	unsigned char *p = (void *)(long)ctx->data;

	return p[3]; // never compared with data_end
}

char LICENSE[] SEC("license") = "GPL";
