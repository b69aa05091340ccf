/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Map types, flags and other numbers of the bpf(2) ABI. */
#pragma once

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_STACK_TRACE = 7,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_HASH_OF_MAPS = 13,
	BPF_MAP_TYPE_SOCKMAP = 15,
	BPF_MAP_TYPE_XSKMAP = 17,
	BPF_MAP_TYPE_SOCKHASH = 18,
	BPF_MAP_TYPE_QUEUE = 22,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
	BPF_MAP_TYPE_BLOOM_FILTER = 30,
};

#define BPF_ANY     0
#define BPF_NOEXIST 1
#define BPF_EXIST   2

#define BPF_F_NO_PREALLOC 1
#define BPF_F_RDONLY_PROG 128
#define BPF_F_MMAPABLE    1024

#define BPF_F_CURRENT_CPU 0xffffffffULL

/* bpf_skb_set_tunnel_key and bpf_skb_get_tunnel_key */
#define BPF_F_TUNINFO_IPV6  1
#define BPF_F_ZERO_CSUM_TX  2
#define BPF_F_DONT_FRAGMENT 4
#define BPF_F_SEQ_NUMBER    8
#define BPF_F_TUNINFO_FLAGS 16

/* bpf_ringbuf_query */
#define BPF_RB_AVAIL_DATA 0
#define BPF_RB_RING_SIZE  1
#define BPF_RB_CONS_POS   2
#define BPF_RB_PROD_POS   3

struct bpf_spin_lock {
	u32 val;
};
