// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The profiler: programs that count the stacks they are called on. Which
 * processes are meant stands in prof_config; see profile.h for the maps.
 */
#include "bpf/lib/unwind.h"

char _license[] SEC("license") = "GPL";

/* The kernel's task, of which these fields are read where they lie on the
 * running kernel. */
struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

static __always_inline struct prof_config *prof_settings(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&prof_config, &zero);
}

static __always_inline struct prof_stats *prof_counters(void)
{
	u32 zero = 0;
	return bpf_map_lookup_elem(&prof_stats, &zero);
}

/* What bpf_get_ns_current_pid_tgid answers. */
struct ns_ids {
	u32 tid;
	u32 tgid;
};

/* The current thread's ids, the process's in the upper half, as the profiler
 * counts them; 0 for those that it cannot see. */
static __always_inline u64 prof_ids(struct prof_config *c)
{
	struct ns_ids ids = {};
	if (!(c->flags & PROF_NAMESPACE))
		return bpf_get_current_pid_tgid();
	if (bpf_get_ns_current_pid_tgid(c->device, c->inode, &ids, sizeof(ids)))
		return 0;
	return (u64)ids.tgid << 32 | ids.tid;
}

/* Whether the current process is meant. */
static __always_inline bool prof_meant(struct prof_config *c, u32 tgid)
{
	if (tgid == 0 || (c->flags & PROF_PAUSED))
		return false;
	if ((c->flags & PROF_TARGETS) && !bpf_map_lookup_elem(&prof_targets, &tgid))
		return false;
	if ((c->flags & PROF_CGROUP) && bpf_get_current_ancestor_cgroup_id(c->level) != c->cgroup)
		return false;
	return true;
}

/* A slot of this processor that nobody has. */
static __always_inline struct prof_slot *prof_take(u32 *index)
{
	for (u32 i = 0; i < PROF_SLOTS; i++) {
		*index = i;
		struct prof_slot *s = bpf_map_lookup_elem(&prof_slots, index);
		if (s && __sync_val_compare_and_swap(&s->busy, 0, 1) == 0)
			return s;
	}
	return NULL;
}

static __always_inline void prof_release(struct prof_slot *s)
{
	__sync_val_compare_and_swap(&s->busy, 1, 0);
}

/* Mixes frames into a hash (the multiplication of FNV-1a, word by word, and a
 * rotation so that high bits come down). */
static __always_inline u64 prof_mix(u64 h, const u64 *frames, u32 n)
{
	for (u32 i = 0; i < PROF_FRAMES; i++) {
		if (i >= n)
			break;
		h = (h ^ frames[i]) * 0x100000001b3ULL;
		h = (h << 29) | (h >> 35);
	}
	return h;
}

/* Reads both stacks into the slot. */
static __always_inline void prof_stacks(void *ctx, struct prof_config *c, struct prof_stats *n,
					struct prof_slot *s, u32 index, bool kernel)
{
	struct prof_value *v = &s->value;
	long got = 0;
	v->kernel = v->user = 0;
	s->how = PROF_BY_KERNEL;
	if (kernel && (c->flags & PROF_KERNEL)) {
		got = bpf_get_stack(ctx, v->kernel_frames, sizeof(v->kernel_frames), 0);
		v->kernel = got > 0 ? got / 8 : 0;
	}
	if (!(c->flags & PROF_USER))
		return;
	if (!prof_walk(s, index, c->flags & PROF_UNWIND)) {
		got = bpf_get_stack(ctx, v->user_frames, sizeof(v->user_frames), 1 << 8);
		v->user = got > 0 ? got / 8 : 0;
		if (got > 0)
			__sync_fetch_and_add(&n->by_kernel, 1);
		return;
	}
	if (s->how == PROF_COMPLETE)
		__sync_fetch_and_add(&n->complete, 1);
	else if (s->how == PROF_TOO_DEEP)
		__sync_fetch_and_add(&n->too_deep, 1);
	else
		__sync_fetch_and_add(&n->stopped, 1);
}

/* Counts the stack in the slot; false if it had no room. */
static __always_inline bool prof_count(struct prof_slot *s, struct prof_stats *n, u64 count,
				       u64 sum)
{
	struct prof_value *old = bpf_map_lookup_elem(&prof_samples, &s->key);
	if (!old) {
		s->value.count = count;
		s->value.sum = sum;
		s->value.how = s->how;
		if (bpf_map_update_elem(&prof_samples, &s->key, &s->value, BPF_NOEXIST) == 0)
			return true;
		old = bpf_map_lookup_elem(&prof_samples, &s->key); /* another processor's */
		if (!old) {
			__sync_fetch_and_add(&n->full, 1);
			return false;
		}
	}
	__sync_fetch_and_add(&old->count, count);
	__sync_fetch_and_add(&old->sum, sum);
	return true;
}

/* Takes a sample of the current thread. With a wait given it is not counted yet:
 * the wait says where it will be. */
static __always_inline int prof_sample(void *ctx, bool kernel, u64 sum, struct prof_wait *wait)
{
	struct prof_config *c = prof_settings();
	struct prof_stats *n = prof_counters();
	u32 index = 0;
	if (!c || !n)
		return 0;
	u64 id = prof_ids(c);
	if (!prof_meant(c, id >> 32))
		return 0;
	__sync_fetch_and_add(&n->taken, 1);
	struct prof_slot *s = prof_take(&index);
	if (!s) {
		__sync_fetch_and_add(&n->busy, 1);
		return 0;
	}
	s->key.tgid = id >> 32;
	s->key.tid = (c->flags & PROF_THREADS) ? (u32)id : 0;
	bpf_get_current_comm(s->value.comm, sizeof(s->value.comm));
	prof_stacks(ctx, c, n, s, index, kernel);
	u64 h = 0xcbf29ce484222325ULL ^ *(u64 *)s->value.comm ^ (*(u64 *)(s->value.comm + 8) << 1);
	h = prof_mix(h, s->value.kernel_frames, s->value.kernel);
	h = prof_mix(h ^ s->value.kernel, s->value.user_frames, s->value.user);
	s->key.hash = h;
	if (prof_count(s, n, wait ? 0 : 1, sum) && wait) {
		u32 tid = bpf_get_current_pid_tgid(); /* as prof_switch will see it */
		wait->since = bpf_ktime_get_ns();
		wait->key = s->key;
		if (bpf_map_update_elem(&prof_waits, &tid, wait, BPF_ANY))
			__sync_fetch_and_add(&n->full, 1);
	}
	prof_release(s);
	return 0;
}

SEC("perf_event")
int prof_cpu(void *ctx)
{
	return prof_sample(ctx, true, 1, NULL);
}

/* What a function's arguments measure, by cookie. */
enum prof_measure {
	PROF_CALLS = 0,
	PROF_ARG0 = 1,
	PROF_ARG1 = 2,
	PROF_ARG0_ARG1 = 3, /* their product: calloc */
};

SEC("uprobe")
int prof_function(struct user_regs *ctx)
{
	u64 sum = 1;
	switch (bpf_get_attach_cookie(ctx)) {
	case PROF_ARG0:
		sum = ctx->di;
		break;
	case PROF_ARG1:
		sum = ctx->si;
		break;
	case PROF_ARG0_ARG1:
		sum = ctx->di * ctx->si;
		break;
	}
	return prof_sample(ctx, false, sum, NULL);
}

SEC("kprobe")
int prof_kernel_function(void *ctx)
{
	return prof_sample(ctx, true, 1, NULL);
}

SEC("tracepoint")
int prof_tracepoint(void *ctx)
{
	return prof_sample(ctx, true, 1, NULL);
}

/* Arguments of a raw tracepoint. */
struct raw_args {
	u64 args[4];
};

/* A thread that is switched in has waited since it was switched out. */
static __always_inline void prof_waited(u32 tid, struct prof_config *c)
{
	struct prof_wait *w = bpf_map_lookup_elem(&prof_waits, &tid);
	if (!w)
		return;
	u64 time = bpf_ktime_get_ns() - w->since;
	struct prof_key key = w->key;
	bpf_map_delete_elem(&prof_waits, &tid);
	struct prof_value *v = bpf_map_lookup_elem(&prof_samples, &key);
	if (!v || time < c->shortest)
		return;
	__sync_fetch_and_add(&v->count, 1);
	__sync_fetch_and_add(&v->sum, time);
}

SEC("raw_tp/sched_switch")
int prof_switch(struct raw_args *ctx)
{
	struct task_struct *next = (void *)ctx->args[2];
	struct prof_config *c = prof_settings();
	struct prof_wait wait = {};
	int tid = 0;
	if (!c)
		return 0;
	bpf_probe_read_kernel(&tid, sizeof(tid), &next->pid);
	if (tid)
		prof_waited(tid, c);
	return prof_sample(ctx, true, 0, &wait);
}

SEC("raw_tp/sched_process_fork")
int prof_fork(struct raw_args *ctx)
{
	struct task_struct *parent = (void *)ctx->args[0], *child = (void *)ctx->args[1];
	struct prof_config *c = prof_settings();
	u32 from = 0, to = 0, one = 1;
	if (!c || !(c->flags & PROF_FOLLOW))
		return 0;
	bpf_probe_read_kernel(&from, sizeof(from), &parent->tgid);
	bpf_probe_read_kernel(&to, sizeof(to), &child->tgid);
	if (from != to && bpf_map_lookup_elem(&prof_targets, &from))
		bpf_map_update_elem(&prof_targets, &to, &one, BPF_ANY);
	return 0;
}
