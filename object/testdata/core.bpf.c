// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * CO-RE relocations of every kind. The program reads no kernel memory: it
 * stores what the relocations came to, so that it runs on any engine.
 */
#include "bpf/lib/helpers.h"

#define CORE __attribute__((preserve_access_index))

struct pid_link;

/* A few fields, in an order of our own. */
struct task_struct {
	char comm[16];
	int tgid;
	int pid;
	struct task_struct *real_parent;
	int of_no_kernel;
} CORE;

struct sk_buff {
	unsigned char *data;
	unsigned int len;
	u8 pkt_type : 3;
	u8 ip_summed : 2;
} CORE;

struct of_no_kernel_at_all {
	int x;
} CORE;

/* A flavour: another view of the same kernel type. */
struct task_struct___other {
	int of_another_kernel;
} CORE;

enum bpf_map_type___core {
	BPF_MAP_TYPE_HASH___core = 77,
	BPF_MAP_TYPE_OF_NO_KERNEL___core = 78,
};

typedef int of_no_kernel_t;

enum { BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LEFT, RIGHT };
enum { TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES };
enum { VALUE_EXISTS, VALUE };

#define field(f, kind)    __builtin_preserve_field_info(f, kind)
#define type(t, kind)     __builtin_preserve_type_info(*(t *)0, kind)
#define value(t, v, kind) __builtin_preserve_enum_value(*(typeof(t) *)v, kind)
#define type_id(t, kind)  __builtin_btf_type_id(*(t *)0, kind)

struct answer {
	u64 pid_offset, tgid_offset, comm_size, parent_offset;
	u64 pid_exists, none_exists, other_exists;
	u64 task_exists, task_size, no_type_exists;
	u64 pkt_type_left, pkt_type_right, pkt_type_signed, pkt_type_offset;
	u64 hash_value, hash_exists, no_value_exists;
	u64 local_id, target_id;
	u64 dead;
};

struct answer answer;

SEC("tc")
int relocated(struct __sk_buff *skb)
{
	struct task_struct *t = (void *)skb;
	struct sk_buff *s = (void *)skb;
	struct task_struct___other *o = (void *)skb;

	answer.pid_offset = field(t->pid, BYTE_OFFSET);
	answer.tgid_offset = field(t->tgid, BYTE_OFFSET);
	answer.parent_offset = field(t->real_parent, BYTE_OFFSET);
	answer.comm_size = field(t->comm, BYTE_SIZE);
	answer.pid_exists = field(t->pid, EXISTS);
	answer.none_exists = field(t->of_no_kernel, EXISTS);
	answer.other_exists = field(o->of_another_kernel, EXISTS);
	answer.task_exists = type(struct task_struct, TYPE_EXISTS);
	answer.task_size = type(struct task_struct, TYPE_SIZE);
	answer.no_type_exists = type(struct of_no_kernel_at_all, TYPE_EXISTS);
	answer.pkt_type_left = field(s->pkt_type, LEFT);
	answer.pkt_type_right = field(s->pkt_type, RIGHT);
	answer.pkt_type_signed = field(s->pkt_type, SIGNED);
	answer.pkt_type_offset = field(s->pkt_type, BYTE_OFFSET);
	answer.hash_exists =
	    value(enum bpf_map_type___core, BPF_MAP_TYPE_HASH___core, VALUE_EXISTS);
	answer.hash_value = value(enum bpf_map_type___core, BPF_MAP_TYPE_HASH___core, VALUE);
	answer.no_value_exists =
	    value(enum bpf_map_type___core, BPF_MAP_TYPE_OF_NO_KERNEL___core, VALUE_EXISTS);
	answer.local_id = type_id(struct answer, 0);
	answer.target_id = type_id(struct task_struct, 1);
	if (field(t->of_no_kernel, EXISTS))
		answer.dead =
		    field(t->of_no_kernel, BYTE_OFFSET) +
		    value(enum bpf_map_type___core, BPF_MAP_TYPE_OF_NO_KERNEL___core, VALUE);
	return 0;
}

/* Runs into what the target does not have. */
SEC("tc")
int poisoned(struct __sk_buff *skb)
{
	struct task_struct *t = (void *)skb;

	return field(t->of_no_kernel, BYTE_OFFSET);
}

char _license[] SEC("license") = "Dual BSD/GPL";
