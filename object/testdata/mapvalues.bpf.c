// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps of maps and a prog array whose elements stand in the object, the inner
 * map's type named by a typedef. */
#include "bpf/lib/helpers.h"

typedef struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} inner_t;

inner_t inner SEC(".maps");

typedef struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, inner_t);
} outer_t;

outer_t outer SEC(".maps") = {
    .values = {[2] = &inner},
};

SEC("tc")
int leaf(struct __sk_buff *skb)
{
	u32 key = 2, zero = 0;
	void *in = bpf_map_lookup_elem(&outer, &key);
	u32 *value;

	(void)skb;
	if (!in)
		return 100;
	value = bpf_map_lookup_elem(in, &zero);
	return value ? ++*value : 101;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__array(values, int(void *));
} calls SEC(".maps") = {
    .values = {[1] = (void *)&leaf},
};

SEC("tc")
int caller(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &calls, 1);
	return 102;
}

char _license[] SEC("license") = "Dual BSD/GPL";
