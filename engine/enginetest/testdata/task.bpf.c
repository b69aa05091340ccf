// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The process in whose name a program runs: identity, stack, storage. */
#include "bpf/lib/helpers.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node {
	u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct task_struct {
	s32 pid;
	s32 tgid;
	char comm[16];
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct css_set *cgroups;
};

#pragma clang attribute pop

s64 out[12];

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 64);
	__uint(key_size, 4);
	__uint(value_size, 64);
} stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, 4);
	__uint(value_size, 4);
} groups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} notes SEC(".maps");

SEC("raw_tp")
int identity(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf(),
			   *raw = (void *)bpf_get_current_task();
	u64 id = bpf_get_current_pid_tgid();
	char comm[16], read[16];
	s32 tgid = 0;
	out[0] = raw == task;
	out[1] = (u32)task->tgid == id >> 32;
	bpf_probe_read_kernel(&tgid, sizeof(tgid), &raw->tgid);
	out[2] = (u32)tgid == id >> 32;
	out[3] = bpf_get_current_comm(comm, sizeof(comm)) == 0;
	bpf_probe_read_kernel(read, sizeof(read), &raw->comm);
	out[4] = comm[0] != 0 && comm[0] == read[0] && comm[1] == read[1] && comm[2] == read[2];
	out[5] = task->group_leader->pid == task->tgid;
	out[6] = task->real_parent->tgid > 0 && task->real_parent->tgid != task->tgid;
	out[7] = task->cgroups->dfl_cgrp->kn->id == bpf_get_current_cgroup_id();
	out[8] = bpf_get_current_ancestor_cgroup_id(0) != 0;
	out[9] = bpf_get_current_ancestor_cgroup_id(1000);
	return 0;
}

SEC("raw_tp")
int stack(void *ctx)
{
	u64 buf[8] = {};
	s64 id = bpf_get_stackid(ctx, &stacks, 0);
	out[0] = id >= 0 && id < 64;
	/* Nobody else runs this at the same place: the same stack, the same number. */
	out[1] = bpf_get_stackid(ctx, &stacks, 1 << 11);
	out[2] = bpf_get_stackid(ctx, &stacks, 255);
	out[3] = bpf_get_stack(ctx, buf, sizeof(buf), 0) > 0;
	out[4] = buf[0] != 0;
	out[5] = bpf_get_stack(ctx, buf, 60, 0);
	out[6] = bpf_get_stack(ctx, buf, sizeof(buf), 1 << 12);
	out[7] = buf[0];
	return 0;
}

SEC("raw_tp")
int group(void *ctx)
{
	out[0] = bpf_current_task_under_cgroup(&groups, 0);
	out[1] = bpf_current_task_under_cgroup(&groups, 2);
	return 0;
}

SEC("raw_tp")
int note(void *ctx)
{
	void *task = bpf_get_current_task_btf();
	u64 first = 40, *v;
	out[0] = bpf_task_storage_get(&notes, task, 0, 0) == 0;
	out[1] = bpf_task_storage_delete(&notes, task);
	v = bpf_task_storage_get(&notes, task, &first, 1);
	if (v)
		*v += 2;
	v = bpf_task_storage_get(&notes, task, 0, 0);
	if (v)
		out[2] = *v;
	out[3] = bpf_task_storage_delete(&notes, task);
	v = bpf_task_storage_get(&notes, task, 0, 1);
	if (v)
		out[4] = *v;
	out[5] = bpf_task_storage_get(&notes, task, 0, 2) == 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
